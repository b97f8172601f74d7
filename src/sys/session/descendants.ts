// Who descends from this process: everything that workers have started, wherever it went, since we adopt their orphans
// (process-self.ts). The kernel keeps the list of our children. Nobody gets past it: whose parent ends becomes our
// child in the same moment, behind those that are there, and stays in the list until we wait for him.
import { isRunning, type ProcessStat } from '../proc/process-stat.ts';
import type { ProcFs } from '../proc/proc-fs.ts';

export interface Look {
  readonly found: readonly ProcessStat[];
  /** False: somebody may be there who was not seen. */
  readonly isCertain: boolean;
}

/** Some ten microseconds are enough unless somebody forks and ends all the time. */
const lookForMs = 5;

export class Descendants {
  readonly #proc: ProcFs;
  /** Live workers; they and what is below them is not looked at. */
  readonly #workers = new Set<number>();
  /** Children that have ended and are not waited for yet: they stay so, and may be many. */
  readonly #dead = new Set<number>();
  /**
   * Whether all of them come from workers. Not so where the process had children before (a shell that executed us has
   * started something), and for the PID 1 of a container, whom everybody's orphans come to.
   */
  readonly areOfWorkers: boolean;

  /** To be made before the first worker; `helper`: a child that has none of its own. */
  constructor(proc: ProcFs, helper: number | undefined) {
    this.#proc = proc;
    const before = this.#children()?.filter((pid) => pid !== helper);
    this.areOfWorkers = process.pid !== 1 && before?.length === 0;
  }

  workerStarted(pid: number): void {
    this.#workers.add(pid);
  }

  isWorker(pid: number): boolean {
    return this.#workers.has(pid);
  }

  /** The live worker that it descends from, or this process, where there is none; undefined: neither. */
  ancestorOf({ parent }: ProcessStat): number | undefined {
    for (let pid = parent; pid > 1 || pid === process.pid;) {
      if (pid === process.pid) return pid;
      const stat = this.#proc.stat(pid);
      if (!stat) return undefined;
      if (this.isWorker(stat.session)) return stat.session;
      pid = stat.parent;
    }
    return undefined;
  }

  /** A worker, or one whom we have adopted, was waited for. */
  childEnded(pid: number): void {
    this.#workers.delete(pid);
    this.#dead.delete(pid);
  }

  /** Those that run, but live workers and what is below these. */
  look(): Look {
    const untilMs = performance.now() + lookForMs;
    const failures = this.#proc.failures;
    for (let children = this.#others(); children;) {
      const found = this.#withDescendants(children);
      const later = children.length === 0 ? children : this.#others();
      if (!later || this.#proc.failures !== failures) return { found, isCertain: false };
      const known = new Set(children);
      // What became our child since then was somebody's below, who ended while we looked.
      if (later.every((pid) => known.has(pid))) return { found, isCertain: true };
      if (performance.now() > untilMs) return { found, isCertain: false };
      children = later;
    }
    return { found: [], isCertain: false };
  }

  #others(): readonly number[] | undefined {
    return this.#children()?.filter((pid) => !this.#workers.has(pid));
  }

  /** Only the first thread starts processes, and gets orphans. */
  #children(): readonly number[] | undefined {
    const { pid } = process;
    return this.#proc.childrenOfThread(pid, String(pid)) ?? this.#childrenByParent();
  }

  /** A kernel without these lists; one who forks and ends may get past a look then. */
  #childrenByParent(): readonly number[] | undefined {
    const pids = this.#proc.pids();
    return pids.length === 0 ? undefined : pids.filter((pid) => this.#proc.stat(pid)?.parent === process.pid);
  }

  #withDescendants(pids: readonly number[]): ProcessStat[] {
    const queue = [...pids];
    const found: ProcessStat[] = [];
    for (const pid of queue) {
      if (this.#dead.has(pid)) continue;
      const stat = this.#proc.stat(pid);
      if (stat?.parent === process.pid && !isRunning(stat)) this.#dead.add(pid);
      if (!stat || !isRunning(stat)) continue;
      found.push(stat);
      queue.push(...this.#proc.childrenOf(pid));
    }
    return found;
  }
}
