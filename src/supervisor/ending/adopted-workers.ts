// Workers of another supervisor, which was killed or gave its pool away unfinished:
// ended gracefully, watched by PID and start time, never waited for.
import type { WhyLeft } from '../../core/text/left-process.ts';
import type { AdoptedWorker, Roster } from '../../core/pool/roster.ts';
import type { Deadline } from './ending.ts';
import { GracefulEnd, type GracefulEndOptions } from './graceful-end.ts';
import type { AdoptedSessions, Clock } from '../../core/machine.ts';

const firstLookMs = 10;
const longestLookMs = 200;

export interface AdoptedWorkersOptions extends Pick<
  GracefulEndOptions,
  'clock' | 'log' | 'method' | 'queued' | 'onLeft'
> {
  readonly sessions: AdoptedSessions;
  /** Has them as long as they are there, or are waited for. */
  readonly roster: Roster;
}

export class AdoptedWorkers {
  readonly #clock: Clock;
  readonly #sessions: AdoptedSessions;
  readonly #gracefulEnd: GracefulEnd;
  readonly #onLeft: GracefulEndOptions['onLeft'];
  readonly #onGone: (pid: number) => void;
  readonly #roster: Roster;
  #look: (() => void) | undefined;

  constructor(options: AdoptedWorkersOptions, onGone: (pid: number) => void) {
    this.#clock = options.clock;
    this.#sessions = options.sessions;
    this.#roster = options.roster;
    this.#gracefulEnd = new GracefulEnd({
      ...options,
      slotOf: (pid) => this.#roster.adopted.find((worker) => worker.pid === pid)?.slot,
      onLeft: (pid, why) => this.#leave(pid, why),
    });
    this.#onLeft = options.onLeft;
    this.#onGone = onGone;
  }

  get pids(): readonly number[] {
    return this.#roster.adopted.map(({ pid }) => pid);
  }

  end(workers: readonly AdoptedWorker[], deadline: Deadline): void {
    for (const worker of workers) {
      this.#sessions.adopt(worker);
      this.#roster.adopt(worker);
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
      for (const pid of this.pids) if (!this.#sessions.isAlive(pid)) this.#forget(pid);
      if (this.pids.length > 0) this.#lookIn(Math.min(delayMs * 2, longestLookMs));
    });
  }

  #leave(pid: number, why: WhyLeft): void {
    this.#onLeft(pid, why);
    this.#forget(pid);
  }

  #forget(pid: number): void {
    this.#roster.disown(pid);
    this.#gracefulEnd.leaderEnded(pid);
    this.#onGone(pid);
  }
}
