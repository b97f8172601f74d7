// Planned exits for the log: workers that recycle themselves would fill it. The first ones of a minute are written one by
// one; where there are more, their number a minute. A timer is armed only while there is a number to write.
import type { PoolEvent } from '../core/text/pool-event.ts';
import type { Clock } from '../core/machine.ts';

const minuteMs = 60_000;
const singly = 5;

export class PlannedExits {
  readonly #clock: Clock;
  readonly #write: (event: PoolEvent) => void;
  /** Of exits that are written one by one. */
  #minuteBeganMs = Number.NEGATIVE_INFINITY;
  #written = 0;
  #isSumming = false;
  /** Not written yet, since that time. */
  #count = 0;
  #countBeganMs = 0;
  #lastSumMs = 0;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, write: (event: PoolEvent) => void) {
    this.#clock = clock;
    this.#write = write;
  }

  /** Whether they are so many that they are counted only. */
  get isSumming(): boolean {
    const isOver = this.#count === 0 && this.#clock.nowMs() - this.#lastSumMs >= minuteMs;
    if (isOver) this.#isSumming = false;
    return this.#isSumming;
  }

  note(event: PoolEvent): void {
    const nowMs = this.#clock.nowMs();
    if (!this.isSumming) {
      if (nowMs - this.#minuteBeganMs >= minuteMs) this.#beginMinute(nowMs);
      this.#written += 1;
      if (this.#written <= singly) return this.#write(event);
      this.#isSumming = true;
    }
    if (this.#count === 0) {
      this.#countBeganMs = nowMs;
      this.#cancel = this.#clock.after(minuteMs, () => this.flush());
    }
    this.#count += 1;
  }

  /** Writes the number of those that were not written yet. */
  flush(): void {
    if (this.#count === 0) return;
    const nowMs = this.#clock.nowMs();
    this.#cancel?.();
    this.#write({
      event: 'planned-exits',
      count: this.#count,
      withinMs: Math.round(nowMs - this.#countBeganMs),
    });
    this.#isSumming = this.#count > singly;
    this.#beginMinute(nowMs);
    this.#lastSumMs = nowMs;
    this.#count = 0;
  }

  #beginMinute(nowMs: number): void {
    this.#minuteBeganMs = nowMs;
    this.#written = 0;
  }
}
