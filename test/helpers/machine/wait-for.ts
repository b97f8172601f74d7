/**
 * Polls until something is true: the only place in the tests that lets time
 * pass; it throws with the name of what it waited for at the deadline. And promises for later.
 */
import { setTimeout as delay } from 'node:timers/promises';

type Nothing = undefined | null | false;

export interface WaitOptions {
  timeoutMs?: number;
  intervalMs?: number;
}

/** Resolves with the first value of `probe` that is not undefined, null or false. */
export async function waitFor<T>(
  what: string,
  probe: () => T | Nothing | Promise<T | Nothing>,
  { timeoutMs = 10_000, intervalMs = 5 }: WaitOptions = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== null && value !== false) return value;
    if (performance.now() >= deadline) throw new Error(`still waiting after ${timeoutMs} ms for: ${what}`);
    await delay(intervalMs);
  }
}

/**
 * A promise that a test awaits later. A test that fails before it comes to that has told why: what then becomes of a
 * request to its pool, which ends with it, is no failure of its own.
 */
export function awaitedLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
