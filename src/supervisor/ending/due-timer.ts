// One timer for whatever is due first; none while nothing is due.
import type { Clock } from '../../core/machine.ts';

export class DueTimer {
  readonly #clock: Clock;
  readonly #due: () => number;
  readonly #run: () => void;
  #armed: { readonly atMs: number; readonly cancel: () => void } | undefined;

  constructor(clock: Clock, due: () => number, run: () => void) {
    this.#clock = clock;
    this.#due = due;
    this.#run = run;
  }

  /** To be called when what is due first may have changed; infinite: nothing is. */
  renew(): void {
    const dueMs = this.#due();
    if (this.#armed?.atMs === dueMs) return;
    this.#armed?.cancel();
    this.#armed = undefined;
    if (!Number.isFinite(dueMs)) return;
    const cancel = this.#clock.after(Math.max(0, dueMs - this.#clock.nowMs()), () => {
      this.#armed = undefined;
      this.#run();
    });
    this.#armed = { atMs: dueMs, cancel };
  }
}
