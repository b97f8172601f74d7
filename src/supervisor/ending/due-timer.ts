// One timer for whatever is due first; none while nothing is due.
import type { Clock } from '../../core/machine.ts';

/** What fails is tried again, so that a deadline comes true all the same. */
const afterFailureMs = 200;

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
    this.#arm(dueMs, Math.max(0, dueMs - this.#clock.nowMs()));
  }

  #arm(atMs: number, delayMs: number): void {
    const cancel = this.#clock.after(delayMs, () => {
      this.#armed = undefined;
      try {
        this.#run();
      } finally {
        // Whoever runs renews it at the end.
        if (!this.#armed && this.#due() <= this.#clock.nowMs())
          this.#arm(this.#clock.nowMs() + afterFailureMs, afterFailureMs);
      }
    });
    this.#armed = { atMs, cancel };
  }
}
