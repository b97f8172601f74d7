// What is known of slots over their workers' lives: for status. Decides nothing.
import type { WorkerEnd } from '../core/worker-exit.ts';

/** Of workers that ended unasked, or could not be executed. */
export interface SlotFact {
  restarts: number;
  lastExit: WorkerEnd | undefined;
}

export class SlotFacts {
  readonly #bySlot = new Map<number, SlotFact>();

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
