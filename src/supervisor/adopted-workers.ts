// Workers of another supervisor, which was killed or gave its pool away unfinished:
// ended gracefully, watched by PID and start time, never waited for.
import type { WhyLeft } from '../core/left-process.ts';
import type { Deadline } from './ending.ts';
import { GracefulEnd, type GracefulEndOptions } from './graceful-end.ts';
import type { AdoptedSessions, AdoptedWorker, Clock } from './interfaces.ts';

const firstLookMs = 10;
const longestLookMs = 200;

export interface AdoptedWorkersOptions extends Pick<
  GracefulEndOptions,
  'clock' | 'log' | 'method' | 'queued' | 'onLeft'
> {
  readonly sessions: AdoptedSessions;
}

export class AdoptedWorkers {
  readonly #clock: Clock;
  readonly #sessions: AdoptedSessions;
  readonly #gracefulEnd: GracefulEnd;
  readonly #onLeft: GracefulEndOptions['onLeft'];
  readonly #onGone: (pid: number) => void;
  readonly #workers = new Map<number, AdoptedWorker>();
  #look: (() => void) | undefined;

  constructor(options: AdoptedWorkersOptions, onGone: (pid: number) => void) {
    this.#clock = options.clock;
    this.#sessions = options.sessions;
    this.#gracefulEnd = new GracefulEnd({
      ...options,
      slotOf: (pid) => this.#workers.get(pid)?.slot,
      onLeft: (pid, why) => this.#leave(pid, why),
    });
    this.#onLeft = options.onLeft;
    this.#onGone = onGone;
  }

  /** Those that are still there. */
  get workers(): readonly AdoptedWorker[] {
    return [...this.#workers.values()];
  }

  get pids(): readonly number[] {
    return [...this.#workers.keys()];
  }

  end(workers: readonly AdoptedWorker[], deadline: Deadline): void {
    for (const worker of workers) {
      this.#sessions.adopt(worker);
      this.#workers.set(worker.pid, worker);
    }
    this.#gracefulEnd.end(
      workers.map(({ pid }) => pid),
      deadline,
    );
    this.#look?.();
    this.#lookIn(firstLookMs);
  }

  /** The pool stops: patience ends earlier. */
  hurry(deadline: Deadline): void {
    this.#gracefulEnd.hurry(deadline);
  }

  /** All of them are about to be killed, as with one's own. */
  beforeKill(reason: string): (refused: readonly number[]) => void {
    return this.#gracefulEnd.beforeKill(reason);
  }

  /** The result: those that may not be signalled, which are left. */
  kill(): readonly number[] {
    const refused = this.#sessions.signalWorkers(this.pids, 'SIGKILL');
    for (const pid of refused) this.#leave(pid, 'refused');
    return refused;
  }

  #lookIn(delayMs: number): void {
    this.#look = this.#clock.after(delayMs, () => {
      this.#look = undefined;
      for (const pid of this.#workers.keys()) if (!this.#sessions.isAlive(pid)) this.#forget(pid);
      if (this.#workers.size > 0) this.#lookIn(Math.min(delayMs * 2, longestLookMs));
    });
  }

  #leave(pid: number, why: WhyLeft): void {
    this.#onLeft(pid, why);
    this.#forget(pid);
  }

  #forget(pid: number): void {
    this.#workers.delete(pid);
    this.#gracefulEnd.leaderEnded(pid);
    this.#onGone(pid);
  }
}
