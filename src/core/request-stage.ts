// How far a request is on its way to being stuck (docs/stuck-requests.md): what each look at it shows becomes its age and
// its stage, and the one thing that is to be done now. Pure.

/** What a look shows of a connection that a worker holds. */
export interface RequestSight {
  /** `client`: the worker waits for its client, or it cannot be told whether it is at work on it. */
  readonly work: 'request' | 'client';
  /** Something came or went on the connection since the last look: this may be another request. */
  readonly isTouched: boolean;
  /** For at least so long nothing came from its client, where the kernel tells. */
  readonly quietMs: number | undefined;
  /** A process that is at work on it is stopped: by a debugger, or SIGSTOP. */
  readonly isStopped: boolean;
  /** One writes its core. */
  readonly isDumping: boolean;
}

export interface RequestLimits {
  readonly timeoutMs: number;
  /** There is a `--stuck-signal`. */
  readonly hasSignal: boolean;
}

/**
 * `young`; `slow` since it was told of; `spared` its time is over, but it is stopped; `signalled` it has the stuck signal;
 * `killed` it should be gone.
 */
type Stage = 'young' | 'slow' | 'spared' | 'signalled' | 'killed';

export interface RequestState {
  readonly stage: Stage;
  readonly sinceMs: number;
  readonly stageAtMs: number;
}

/** `tell` it is slow; `spare` its time is over, and it is left alone; `signal`; `kill`; `recovered` on the stuck signal. */
export type RequestStep = 'none' | 'tell' | 'spare' | 'signal' | 'kill' | 'recovered';

/** From the stuck signal to KILL. */
export const afterSignalMs = 1000;
/** A core of gigabytes takes its time; nothing is gained by cutting it off. */
const longestDumpMs = 60_000;
/** Two clocks, and their ticks: a request that began so much later is another one. */
const slackMs = 100;

export function firstSight(nowMs: number): RequestState {
  return { stage: 'young', sinceMs: nowMs, stageAtMs: nowMs };
}

export function look(
  before: RequestState,
  sight: RequestSight,
  nowMs: number,
  { timeoutMs, hasSignal }: RequestLimits,
): { readonly state: RequestState; readonly step: RequestStep } {
  const sinceMs = beginOf(before, sight, nowMs);
  if (sinceMs > before.sinceMs + slackMs) {
    const step = before.stage === 'signalled' ? 'recovered' : 'none';
    return { state: { stage: 'young', sinceMs, stageAtMs: nowMs }, step };
  }
  const state = { ...before, sinceMs };
  const to = (stage: Stage, step: RequestStep): ReturnType<typeof look> => ({
    state: { ...state, stage, stageAtMs: nowMs },
    step,
  });
  const stay = { state, step: 'none' } as const;
  const ageMs = nowMs - sinceMs;
  const end = (): ReturnType<typeof look> => {
    if (sight.isStopped) return state.stage === 'spared' ? stay : to('spared', 'spare');
    return hasSignal && state.stage !== 'signalled' ? to('signalled', 'signal') : to('killed', 'kill');
  };
  switch (state.stage) {
    case 'young':
      if (ageMs >= timeoutMs / 2) return to('slow', 'tell');
      return stay;
    case 'slow':
    case 'spared':
      return ageMs >= timeoutMs ? end() : stay;
    case 'signalled': {
      const patienceMs = sight.isDumping ? longestDumpMs : afterSignalMs;
      return nowMs - state.stageAtMs >= patienceMs ? end() : stay;
    }
    case 'killed':
      return stay;
  }
}

/** Since when it may have been in progress: later is safe, earlier ends a request that has time left. */
function beginOf({ sinceMs }: RequestState, sight: RequestSight, nowMs: number): number {
  if (sight.work === 'client' || sight.isTouched) return nowMs;
  return sight.quietMs === undefined ? sinceMs : Math.max(sinceMs, nowMs - sight.quietMs);
}
