// Who holds the listening socket outside the sessions of workers. By ancestry, so that it can only be somebody whom a
// worker has started: the socket may be others' by right, who gave it to us or took it over.
import type { HolderLook, SocketHolder, SocketHolders } from '../../core/machine.ts';
import type { Descendants } from './descendants.ts';
import { isRunning, type ProcessStat } from '../proc/process-stat.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { inodesOf, type SocketInodes } from '../socket/socket-inodes.ts';
import { sessionOf } from './session-scan.ts';
import { holds } from './socket-holders.ts';

export class StrayHolders implements SocketHolders {
  readonly #proc: ProcFs;
  readonly #descendants: Descendants;
  readonly #listening: SocketInodes;
  /** With their start times: the number may be another's later. */
  readonly #spared = new Map<number, string>();
  /** Whether these are left of the session of a worker that has ended, which others see to. */
  readonly #isLeft: (session: number) => boolean;

  constructor(
    proc: ProcFs,
    descendants: Descendants,
    listening: SocketInodes,
    isLeft: (session: number) => boolean,
  ) {
    this.#proc = proc;
    this.#descendants = descendants;
    this.#listening = listening;
    this.#isLeft = isLeft;
  }

  spare(pid: number): void {
    const startTime = this.#proc.stat(pid)?.startTime;
    if (startTime !== undefined) this.#spared.set(pid, startTime);
  }

  amongOrphans(): HolderLook {
    const { found, isCertain } = this.#descendants.look();
    const { holders, isMissed } = this.#holdersAmong(found);
    return { holders, isCertain: isCertain && !isMissed };
  }

  /** Workers' sessions are left out by a call each that costs next to nothing. */
  amongAll(): HolderLook {
    const failures = this.#proc.failures;
    const own = sessionOf(this.#proc, process.pid);
    const outside = this.#proc.pids().flatMap((pid) => {
      const session = sessionOf(this.#proc, pid);
      if (session === undefined || session === own || this.#descendants.isWorker(session)) return [];
      const stat = this.#proc.stat(pid);
      return stat && isRunning(stat) ? [stat] : [];
    });
    const ours = outside.filter((stat) => this.#descendants.ancestorOf(stat) !== undefined);
    const { holders, isMissed } = this.#holdersAmong(ours);
    return { holders, isCertain: this.#proc.failures === failures && !isMissed };
  }

  /** `isMissed`: one has ended meanwhile, or shows no descriptors on his way out: he may have forked one unseen. */
  #holdersAmong(stats: readonly ProcessStat[]): { holders: SocketHolder[]; isMissed: boolean } {
    let isMissed = false;
    const bySession = new Map<number, SocketHolder>();
    const inodes = inodesOf(this.#listening);
    for (const stat of stats) {
      const { pid, session, startTime, comm } = stat;
      if (bySession.has(session) || this.#isLeft(session) || this.#isSpared(stat)) continue;
      if (holds(this.#proc, pid, inodes) !== true) {
        isMissed ||= this.#hasEnded(stat);
        continue;
      }
      const ancestor = this.#descendants.ancestorOf(stat);
      const worker = ancestor === process.pid ? undefined : ancestor;
      bySession.set(session, { pid, session, startTime, name: comm, worker });
    }
    return { holders: [...bySession.values()], isMissed };
  }

  #hasEnded({ pid, startTime }: ProcessStat): boolean {
    const stat = this.#proc.stat(pid);
    return stat?.startTime !== startTime || stat.isExiting || !isRunning(stat);
  }

  #isSpared(stat: ProcessStat): boolean {
    for (let next: ProcessStat | undefined = stat; next && this.#spared.size > 0;) {
      if (this.#spared.get(next.pid) === next.startTime) return true;
      next = next.parent > 1 && next.parent !== process.pid ? this.#proc.stat(next.parent) : undefined;
    }
    return false;
  }
}
