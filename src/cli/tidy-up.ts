// Gives memory back once the pool is at rest: some time after the last thing that happened, once for a burst, and
// no timer is armed while nothing happens.
import type { Clock } from '../supervisor/interfaces.ts';

/** Gives back what it can; the result does once more what may have been undone meanwhile. */
export type Release = () => () => void;

const restMs = 2000;
/** V8 has work of its own up to 8 s after a collection, and wants pages of its code for that. */
const againAfterMs = 10_000;

export class TidyUp {
  readonly #clock: Clock;
  readonly #release: Release;
  #cancel: () => void = () => undefined;
  #isOver = false;

  constructor(clock: Clock, release: Release) {
    this.#clock = clock;
    this.#release = release;
  }

  /** Something happened; the last call counts. */
  soon(afterMs = restMs): void {
    if (this.#isOver) return;
    this.#cancel();
    this.#cancel = this.#clock.after(afterMs, () => {
      this.#cancel = this.#clock.after(againAfterMs, this.#release());
    });
  }

  /** The pool ends, and everything with it. */
  end(): void {
    this.#isOver = true;
    this.#cancel();
  }
}
