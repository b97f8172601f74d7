// Workers that are not our children, and processes that have left the sessions of workers: their numbers may be somebody
// else's by now, so whoever asks gets those only that are proved by start time and session.
import type { AdoptedWorker } from '../../core/pool/roster.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { nowTick } from './leftovers.ts';
import { sessionOf } from './session-scan.ts';

export interface AdoptedLeader {
  readonly startTime: string;
  readonly session: number;
  readonly isBelow: boolean;
  /** When it was last seen alive. */
  aliveTick: number;
}

export class AdoptedLeaders {
  readonly #proc: ProcFs | undefined;
  readonly #byPid = new Map<number, AdoptedLeader>();

  constructor(proc: ProcFs | undefined) {
    this.#proc = proc;
  }

  add({ pid, startTime, session = pid }: AdoptedWorker, isBelow: boolean): void {
    this.#byPid.set(pid, { startTime, session, isBelow, aliveTick: 0 });
  }

  isAlive(pid: number): boolean {
    const known = this.#byPid.get(pid);
    const tick = nowTick();
    if (!known || !this.#proc?.isAlive({ pid, startTime: known.startTime })) return false;
    if (sessionOf(this.#proc, pid) !== known.session) return false;
    known.aliveTick = tick;
    return true;
  }

  live(pids: readonly number[]): { pid: number; session: number }[] {
    return pids
      .filter((pid) => this.isAlive(pid))
      .map((pid) => ({ pid, session: this.#byPid.get(pid)?.session ?? pid }));
  }

  /** What was known of it; forgets one that has ended. One that was given up is asked for later, too. */
  forgetEnded(pid: number): Readonly<Omit<AdoptedLeader, 'startTime'>> {
    const { session = pid, aliveTick = 0, isBelow = false } = this.#byPid.get(pid) ?? {};
    if (!this.isAlive(pid)) this.#byPid.delete(pid);
    return { session, aliveTick, isBelow };
  }
}
