// Whose turn it is to be looked at closely: in a small pool everybody's at each look, in a large one some at a time, so that
// a look costs the same whatever the size of the pool.
import type { LookedWorker } from './guard.ts';

/** Looked at closely at a time. */
const atATime = 100;

export class Turns {
  /** Of the slots whose turn was last. */
  #lastSlot = -1;

  next(workers: readonly LookedWorker[]): readonly LookedWorker[] {
    if (workers.length <= atATime) return workers;
    const after = workers.filter(({ slot }) => slot > this.#lastSlot);
    const turn = [...after, ...workers].slice(0, atATime);
    this.#lastSlot = turn.at(-1)?.slot ?? -1;
    return turn;
  }
}
