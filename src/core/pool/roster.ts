// The live processes of a pool, a record each: who it is, and what it is to the pool. Whoever needs a list of them takes a
// view of this one. It decides nothing.

/**
 * `member` it has its slot; `candidate` it is to have the slot when it is up; `retiree` it has none any more and was told
 * to end; `left` nothing ends it, and nobody waits for it any more.
 */
export type WorkerRole = 'member' | 'candidate' | 'retiree' | 'left';

/** A child of ours that was not reaped yet, which proves that it is who it is; it leads the session of its PID. */
export interface PoolWorker {
  readonly pid: number;
  readonly role: WorkerRole;
  /** The one that it has, is to have, or had. */
  readonly slot: number;
  readonly generation: number;
  readonly startedAtMs: number;
}

/** A worker that another supervisor started; the start time (clock ticks since boot) proves that it still is that one. */
export interface AdoptedWorker {
  /** The slot that it had there. */
  readonly slot?: number;
  /** Whose processes end with it, where that is not its own: it has left its worker's, and need not be the leader. */
  readonly session?: number | undefined;
  readonly pid: number;
  readonly startTime: string;
}

export class Roster {
  readonly #own = new Map<number, PoolWorker>();
  /** Apart: a PID of one that has ended may be one of ours before anybody has looked. */
  readonly #adopted = new Map<number, AdoptedWorker>();

  get adopted(): readonly AdoptedWorker[] {
    return [...this.#adopted.values()];
  }

  /** PIDs of our children, oldest first. */
  get pids(): readonly number[] {
    return [...this.#own.keys()];
  }

  get generations(): readonly number[] {
    return this.#all().map(({ generation }) => generation);
  }

  get(pid: number): PoolWorker | undefined {
    return this.#own.get(pid);
  }

  in(...roles: readonly WorkerRole[]): readonly PoolWorker[] {
    return this.#all().filter(({ role }) => roles.includes(role));
  }

  add(worker: PoolWorker): void {
    this.#own.set(worker.pid, worker);
  }

  /** What it is to the pool from now on. */
  change(pid: number, role: WorkerRole): void {
    const worker = this.#own.get(pid);
    if (worker) this.#own.set(pid, { ...worker, role });
  }

  /** It has ended. The result: what it was; undefined for a process that is none of ours. */
  remove(pid: number): PoolWorker | undefined {
    const worker = this.#own.get(pid);
    this.#own.delete(pid);
    return worker;
  }

  adopt(worker: AdoptedWorker): void {
    this.#adopted.set(worker.pid, worker);
  }

  /** An adopted one is gone, or nobody waits for it any more. */
  disown(pid: number): void {
    this.#adopted.delete(pid);
  }

  #all(): PoolWorker[] {
    return [...this.#own.values()];
  }
}
