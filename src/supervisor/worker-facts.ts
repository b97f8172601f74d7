// What is known of live workers by PID, and of slots over their workers' lives:
// for reports and status. Decides nothing.
import type { WorkerEnd } from '../core/worker-exit.ts';

export interface WorkerFact {
  readonly pid: number;
  readonly slot: number;
  readonly generation: number;
  readonly startedAtMs: number;
}

/** Of workers that ended unasked, or could not be executed. */
export interface SlotFact {
  restarts: number;
  lastExit: WorkerEnd | undefined;
}

export class WorkerFacts {
  readonly #byPid = new Map<number, WorkerFact>();
  readonly #bySlot = new Map<number, SlotFact>();

  add(fact: WorkerFact): void {
    this.#byPid.set(fact.pid, fact);
  }

  get(pid: number): WorkerFact | undefined {
    return this.#byPid.get(pid);
  }

  /** The worker that just ended; undefined for a process that is none of ours. */
  take(pid: number): WorkerFact | undefined {
    const fact = this.#byPid.get(pid);
    this.#byPid.delete(pid);
    return fact;
  }

  all(): WorkerFact[] {
    return [...this.#byPid.values()];
  }

  livePids(): number[] {
    return [...this.#byPid.keys()];
  }

  generations(): number[] {
    return this.all().map(({ generation }) => generation);
  }

  slot(slot: number): SlotFact {
    let fact = this.#bySlot.get(slot);
    if (!fact) this.#bySlot.set(slot, (fact = { restarts: 0, lastExit: undefined }));
    return fact;
  }

  /** The slot's worker ended unasked, or never was; the slot gets another one. */
  noteEnd(slot: number, end: WorkerEnd): void {
    const fact = this.slot(slot);
    fact.lastExit = end;
    if (end.kind !== 'not-executed') fact.restarts += 1;
  }
}
