// How the first workers of a start do, a verdict for each slot: the first one counts.
import type { WorkerEnd } from '../worker-exit.ts';

/** It was up, or it ended before. */
export type Verdict = 'up' | WorkerEnd;

export class Verdicts {
  readonly #bySlot: (Verdict | undefined)[];

  constructor(slots: number) {
    this.#bySlot = Array.from({ length: slots }, () => undefined);
  }

  /** True when it is the slot's verdict now. */
  judge(slot: number, verdict: Verdict): boolean {
    if (slot >= this.#bySlot.length || this.#bySlot[slot] !== undefined) return false;
    this.#bySlot[slot] = verdict;
    return true;
  }

  isDead(slot: number): boolean {
    return typeof this.#bySlot[slot] === 'object';
  }

  get isDecided(): boolean {
    return !this.#bySlot.includes(undefined);
  }

  /** Of each slot; undefined: its worker was up. */
  get ends(): (WorkerEnd | undefined)[] {
    return this.#bySlot.map((verdict) => (typeof verdict === 'object' ? verdict : undefined));
  }

  get areAllUp(): boolean {
    return this.#bySlot.every((verdict) => verdict === 'up');
  }
}
