// A question whose answer may take long: whether the supervisor answers at all is
// asked first, and again whenever it has said nothing for a while.
import { ask, type AskOptions, type Outcome } from './client.ts';
import type { ControlRequest } from './protocol.ts';

export interface Patience extends Omit<AskOptions, 'signal'> {
  /** A supervisor that needs longer for a ping does not answer. */
  readonly answerMs: number;
  /** Nobody waits any more: `closed`. */
  readonly stop?: AbortSignal;
}

/**
 * The request's outcome; `timed-out` also when the supervisor stopped answering
 * meanwhile. A ping that fails for another reason is the outcome before the request
 * is sent, and means nothing afterwards: a stop ends the control socket first.
 */
export async function askPatiently(
  path: string,
  request: ControlRequest,
  { answerMs, timeoutMs, stop, ...options }: Patience,
): Promise<Outcome> {
  const startedMs = performance.now();
  const firstMs = Math.min(answerMs, timeoutMs ?? answerMs);
  const { owner } = options;
  const first = await ask(path, { command: 'ping' }, { timeoutMs: firstMs, owner });
  if (first.kind !== 'result') return first;

  const watch = new AbortController();
  stop?.addEventListener('abort', () => watch.abort(), { once: true });
  const silence = watchSilence(path, { timeoutMs: answerMs, owner, signal: watch.signal });
  const onProgress = (text: string): void => {
    silence.heard();
    options.onProgress?.(text);
  };
  const leftMs = timeoutMs === undefined ? undefined : timeoutMs - (performance.now() - startedMs);
  const answer = ask(path, request, { ...options, timeoutMs: leftMs, onProgress, signal: watch.signal });
  const outcome = await Promise.race([answer.then((one) => inAll(one, timeoutMs)), silence.broken]);
  watch.abort();
  return outcome;
}

/** A limit that was for all of it is told as such. */
function inAll(outcome: Outcome, timeoutMs: number | undefined): Outcome {
  return outcome.kind === 'timed-out' && timeoutMs !== undefined
    ? { ...outcome, afterMs: timeoutMs }
    : outcome;
}

interface Silence {
  readonly heard: () => void;
  /** Resolves when a ping was not answered in time; else never. */
  readonly broken: Promise<Outcome>;
}

interface Looking {
  readonly timeoutMs: number;
  readonly owner: AskOptions['owner'];
  readonly signal: AbortSignal;
}

function watchSilence(path: string, looking: Looking): Silence {
  const { timeoutMs: answerMs, signal } = looking;
  let heardMs = performance.now();
  const broken = new Promise<Outcome>((resolve) => {
    const look = async (): Promise<void> => {
      if (performance.now() - heardMs < answerMs) return;
      const outcome = await ask(path, { command: 'ping' }, looking);
      if (outcome.kind === 'timed-out') resolve(outcome);
      else heardMs = performance.now();
    };
    let isLooking = false;
    const timer = setInterval(() => {
      if (isLooking) return;
      isLooking = true;
      void look().finally(() => (isLooking = false));
    }, answerMs / 4);
    signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  });
  return {
    heard: () => {
      heardMs = performance.now();
    },
    broken,
  };
}
