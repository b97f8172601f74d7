// Lets things happen at a measured pace: so many at once, then so many a second. Whatever is too much waits for its turn; a
// timer is armed only while something waits.
import type { Clock } from '../../core/machine.ts';

export interface PaceOptions {
  readonly clock: Clock;
  readonly perSecond: number;
  readonly atOnce: number;
}

/** Turns come in portions: each is a wake-up. */
const portionMs = 50;

export class Pace {
  readonly #options: PaceOptions;
  readonly #waiting: (() => void)[] = [];
  #left: number;
  #atMs: number;
  #isArmed = false;

  constructor(options: PaceOptions) {
    this.#options = options;
    this.#left = options.atOnce;
    this.#atMs = options.clock.nowMs();
  }

  /** Runs it now, or when it is its turn; whether that was now. */
  run(action: () => void): boolean {
    this.#refill();
    if (this.#waiting.length === 0 && this.#left >= 1) {
      this.#left -= 1;
      action();
      return true;
    }
    this.#waiting.push(action);
    this.#arm();
    return false;
  }

  /** Nothing would be run now. */
  get isSpent(): boolean {
    this.#refill();
    return this.#waiting.length > 0 || this.#left < 1;
  }

  #refill(): void {
    const { clock, perSecond, atOnce } = this.#options;
    const nowMs = clock.nowMs();
    this.#left = Math.min(atOnce, this.#left + ((nowMs - this.#atMs) * perSecond) / 1000);
    this.#atMs = nowMs;
  }

  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    this.#options.clock.after(portionMs, () => {
      this.#isArmed = false;
      this.#refill();
      while (this.#waiting.length > 0 && this.#left >= 1) {
        this.#left -= 1;
        this.#waiting.shift()?.();
      }
      if (this.#waiting.length > 0) this.#arm();
    });
  }
}
