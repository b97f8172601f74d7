// Spares that are up, and serve until they are seen idle: looked at again and again, and stopped then.
import type { HeldSessions } from '../core/machine.ts';

/** Between two attempts at one: this part of the time that it has been tried for. */
const pausePart = 40;
const shortestPauseMs = 2;
const longestPauseMs = 1000;

interface Attempt {
  readonly sinceMs: number;
  nextAtMs: number;
}

/** How an attempt has ended that is not to be repeated at once. */
export interface AttemptEnd {
  readonly pid: number;
  /** `unknown`: nobody may look, or may stop it. */
  readonly verdict: 'held' | 'unknown';
  readonly triedMs: number;
}

export class HoldAttempts {
  readonly #sessions: HeldSessions;
  readonly #byPid = new Map<number, Attempt>();

  constructor(sessions: HeldSessions) {
    this.#sessions = sessions;
  }

  /** From now on, with the first attempt at once. */
  begin(pid: number, nowMs: number): void {
    this.#byPid.set(pid, { sinceMs: nowMs, nextAtMs: nowMs });
  }

  /** Somebody has let it go on, and may have had a reason. */
  beginSoon(pid: number, nowMs: number): void {
    this.#byPid.set(pid, { sinceMs: nowMs, nextAtMs: nowMs + shortestPauseMs });
  }

  forget(pid: number): void {
    this.#byPid.delete(pid);
  }

  /** When the next attempt is due; infinite: nobody is waited for. */
  get dueMs(): number {
    return Math.min(...[...this.#byPid.values()].map(({ nextAtMs }) => nextAtMs));
  }

  /** Tries those that are due. Who is held is tried no more. */
  tryDue(nowMs: number): AttemptEnd[] {
    return [...this.#byPid].flatMap(([pid, attempt]) =>
      attempt.nextAtMs <= nowMs ? this.#try(pid, attempt, nowMs) : [],
    );
  }

  #try(pid: number, attempt: Attempt, nowMs: number): AttemptEnd[] {
    const triedMs = nowMs - attempt.sinceMs;
    attempt.nextAtMs = nowMs + Math.min(longestPauseMs, Math.max(shortestPauseMs, triedMs / pausePart));
    const verdict = this.#sessions.hold(pid);
    if (verdict === 'signalled') this.#byPid.delete(pid);
    if (verdict === 'signalled') return [{ pid, verdict: 'held', triedMs }];
    return verdict === 'unknown' ? [{ pid, verdict, triedMs }] : [];
  }
}
