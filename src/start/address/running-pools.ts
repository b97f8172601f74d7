// The other running pools of this user, by what they say of themselves in a base directory: whose a PID file is, and
// when a pool that is stopping has ended.
import type { PoolState } from '../../core/pool-state.ts';
import { forSlot } from '../../core/slot-pattern.ts';
import { pause } from '../../sys/process/clock.ts';
import { AT_FDCWD, statAt } from '../../sys/path/file-at.ts';
import { readStates } from '../../sys/file/pool-names.ts';
import type { ProcFs } from '../../sys/proc/proc-fs.ts';
import { isRunningHere } from '../source/find-orphans.ts';
import { patienceFor } from './lock-address.ts';

const pollMs = 5;

export class RunningPools {
  readonly #base: string | undefined;
  readonly #proc: ProcFs | undefined;
  readonly #replaced: number | undefined;
  #found: readonly PoolState[] | undefined;

  /** None without a base directory; `replaced` is the PID of a supervisor that gives its pool to us. */
  constructor(base: string | undefined, proc: ProcFs | undefined, replaced: number | undefined) {
    this.#base = base;
    this.#proc = proc;
    this.#replaced = replaced;
  }

  /**
   * Whether a PID file (by its identity) with that PID in it is a pool's: the PID is its supervisor's, or its worker's
   * whose file this is.
   */
  own(pid: number, file: string): boolean {
    // There may be as many questions as workers.
    this.#found ??= this.#look();
    return this.#found.some((state) => state.pid === pid || isWorkersFile(state, pid, file, this.#proc));
  }

  /** Waits for a pool that is stopping on whatever address: its PID file may be wanted next. */
  async waitForStop(supervisor: number): Promise<void> {
    const startedMs = performance.now();
    for (;;) {
      const state = this.#look().find(({ pid }) => pid === supervisor);
      if (!state || performance.now() - startedMs > patienceFor(state, this.#proc)) return;
      await pause(pollMs);
    }
  }

  #look(): PoolState[] {
    if (this.#base === undefined) return [];
    return readStates(this.#base).filter(
      (state) => state.pid !== this.#replaced && isRunningHere(state, this.#proc),
    );
  }
}

/** A number alone says nothing: it may be left from a worker that was another process. */
function isWorkersFile(
  { workers, workerPidFile }: PoolState,
  pid: number,
  file: string,
  proc: ProcFs | undefined,
): boolean {
  const worker = workers.find((candidate) => candidate.pid === pid);
  if (worker?.slot === undefined || workerPidFile === undefined || !proc?.isAlive(worker)) return false;
  return statAt(AT_FDCWD, forSlot(workerPidFile, worker.slot))?.identity === file;
}
