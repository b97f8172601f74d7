// Gives memory back once the pool is at rest: some time after the last thing that happened, once for a burst, and
// no timer is armed while nothing happens.
import type { Clock } from '../core/machine.ts';

/** Gives garbage back; the result what the next thing that happens would have to wait for. */
export type Release = () => () => void;

const restMs = 2000;
/** So long a rest may last longer still; V8 has done its work after the collection, 8 s, by then. */
const longRestMs = 10_000;

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
      this.#cancel = this.#clock.after(longRestMs, this.#release());
    });
  }

  /** The pool ends, and everything with it. */
  end(): void {
    this.#isOver = true;
    this.#cancel();
  }
}
