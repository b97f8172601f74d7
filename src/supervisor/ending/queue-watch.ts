// In the stop of a pool: whether connections wait that a worker will still take. Nobody who may be between
// two requests is ended then; nobody new is let in, so that it is only a matter of time.
import type { Clock, Sessions } from '../../core/machine.ts';

/** From one request to the next in the queue a worker takes less than this. */
const betweenRequestsMs = 200;

export class QueueWatch {
  readonly #clock: Clock;
  readonly #sessions: Pick<Sessions, 'isAnyBusy'>;
  readonly #queued: () => number | undefined;
  /** Somebody was seen at work, or nobody had looked. */
  #atWorkAtMs: number | undefined;

  constructor(clock: Clock, sessions: Pick<Sessions, 'isAnyBusy'>, queued: () => number | undefined) {
    this.#clock = clock;
    this.#sessions = sessions;
    this.#queued = queued;
  }

  /** `leaders` are those who could take them. A queue that nobody works on, of a program that never accepts, does not count. */
  isBeingServed(leaders: readonly number[]): boolean {
    if (leaders.length === 0 || (this.#queued() ?? 0) === 0) return false;
    const nowMs = this.#clock.nowMs();
    if (this.#atWorkAtMs === undefined || this.#sessions.isAnyBusy(leaders)) this.#atWorkAtMs = nowMs;
    return nowMs - this.#atWorkAtMs < betweenRequestsMs;
  }
}
