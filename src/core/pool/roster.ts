// The live processes of a pool, a record each: who it is, and what it is to the pool. Whoever needs a list of them takes a
// view of this one. It decides nothing.
import type { WhyLeft } from '../text/left-process.ts';
import type { WorkerExit } from '../worker-exit.ts';

/**
 * `member` it has its slot; `candidate` it is to have the slot when it is up; `retiree` it has none any more and was told
 * to end; `left` nothing ends it, and nobody waits for it any more.
 */
export type WorkerRole = 'member' | 'candidate' | 'retiree' | 'left';

/** A child of ours that was not reaped yet, which proves that it is who it is; it leads the session of its PID. */
interface ProgramProcess {
  readonly pid: number;
  readonly generation: number;
  readonly startedAtMs: number;
}

export interface SlotWorker extends ProgramProcess {
  readonly role: WorkerRole;
  /** The one that it has, is to have, or had. */
  readonly slot: number;
  /** It is being ended since a request of it is stuck: its end says nothing of the program's health. */
  readonly isStuck?: boolean;
}

/** Beside the slots, until one takes it (spares.ts has how far it is); `lost-spare`: as `left`. */
export interface SpareWorker extends ProgramProcess {
  readonly role: 'spare' | 'lost-spare';
  readonly slot?: undefined;
}

export type PoolWorker = SlotWorker | SpareWorker;

/** Runs the program beside the pool, on a socket of its own, and never is one of the pool's. */
export interface TrialWorker extends ProgramProcess {
  readonly role: 'trial';
  /** Whoever started it hears of its end. */
  readonly onEnd: (exit: WorkerExit) => void;
  /** Nothing ends it, and nobody waits for it any more. */
  readonly left?: WhyLeft;
}

/** A worker that another supervisor started; the start time (clock ticks since boot) proves that it still is that one. */
export interface AdoptedWorker {
  /** The slot that it had there. */
  readonly slot?: number | undefined;
  /** Whose processes end with it, where that is not its own: it has left its worker's, and need not be the leader. */
  readonly session?: number | undefined;
  readonly pid: number;
  readonly startTime: string;
}

export class Roster {
  readonly #own = new Map<number, PoolWorker | TrialWorker>();
  /** Apart: a PID of one that has ended may be one of ours before anybody has looked. */
  readonly #adopted = new Map<number, AdoptedWorker>();

  get adopted(): readonly AdoptedWorker[] {
    return [...this.#adopted.values()];
  }

  /** PIDs of our children in the pool, oldest first. */
  get pids(): readonly number[] {
    return this.#workers().map(({ pid }) => pid);
  }

  get generations(): readonly number[] {
    return this.#workers().map(({ generation }) => generation);
  }

  /** Beside the pool. */
  get trials(): readonly TrialWorker[] {
    return [...this.#own.values()].filter((one) => one.role === 'trial');
  }

  /** Any child of ours that runs the program. */
  find(pid: number): PoolWorker | TrialWorker | undefined {
    return this.#own.get(pid);
  }

  /** One of the pool's. */
  get(pid: number): PoolWorker | undefined {
    const one = this.#own.get(pid);
    return one?.role === 'trial' ? undefined : one;
  }

  in(...roles: readonly WorkerRole[]): readonly SlotWorker[] {
    return this.#workers().filter((one): one is SlotWorker => isOfSlot(one) && roles.includes(one.role));
  }

  /** Beside the slots, those that were told to end included. */
  get spares(): readonly SpareWorker[] {
    return this.#workers().filter((one): one is SpareWorker => one.role === 'spare');
  }

  add(worker: PoolWorker | TrialWorker): void {
    this.#own.set(worker.pid, worker);
  }

  /** What it is to the pool from now on. */
  change(pid: number, role: WorkerRole): void {
    const worker = this.get(pid);
    if (worker && isOfSlot(worker)) this.#own.set(pid, { ...worker, role });
  }

  /** Nothing ends it, and nobody waits for it any more. */
  leave(worker: PoolWorker): void {
    this.#own.set(
      worker.pid,
      isOfSlot(worker) ? { ...worker, role: 'left' } : { ...worker, role: 'lost-spare' },
    );
  }

  /** What its end is to be taken for, should it come. */
  setStuck(pid: number, isStuck: boolean): void {
    const worker = this.get(pid);
    if (worker && isOfSlot(worker)) this.#own.set(pid, { ...worker, isStuck });
  }

  /** A trial that is there still when whoever started it waits no longer. */
  leaveTrial(pid: number, left: WhyLeft): void {
    const trial = this.#own.get(pid);
    if (trial?.role === 'trial') this.#own.set(pid, { ...trial, left });
  }

  /** It has ended. The result: what it was to the pool; undefined for a process that is none of the pool's. */
  remove(pid: number): PoolWorker | undefined {
    const worker = this.get(pid);
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

  #workers(): PoolWorker[] {
    return [...this.#own.values()].filter((one) => one.role !== 'trial');
  }
}

function isOfSlot(worker: PoolWorker): worker is SlotWorker {
  return worker.slot !== undefined;
}
