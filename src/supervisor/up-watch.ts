// Finds out when starting workers are up: looked at side by side, often while
// they are young, never again once none is starting.
import { defaults } from '../core/config.ts';
import type { Clock, Readiness } from './interfaces.ts';

export interface StartingWorker {
  readonly slot: number;
  readonly pid: number;
  readonly startedAtMs: number;
}

export class UpWatch {
  readonly #clock: Clock;
  readonly #readiness: Readiness;
  readonly #starting: () => readonly StartingWorker[];
  readonly #onUp: (slot: number, atMs: number) => void;
  #isArmed = false;

  constructor(
    clock: Clock,
    readiness: Readiness,
    starting: () => readonly StartingWorker[],
    onUp: (slot: number, atMs: number) => void,
  ) {
    this.#clock = clock;
    this.#readiness = readiness;
    this.#starting = starting;
    this.#onUp = onUp;
  }

  /** To be called after a spawn; does nothing while the watch runs. */
  wake(): void {
    if (!this.#isArmed) this.#lookAfter(1);
  }

  #look(): void {
    this.#isArmed = false;
    for (const worker of this.#starting()) {
      const nowMs = this.#clock.nowMs();
      const isOld = nowMs - worker.startedAtMs >= defaults.upAfterMs;
      const isUp = isOld ? !this.#readiness.hasEnded(worker.pid) : this.#readiness.isWaiting(worker.pid);
      if (isUp) this.#onUp(worker.slot, nowMs);
    }
    const left = this.#starting();
    if (left.length > 0 && !this.#isArmed) this.#lookAfter(this.#pauseMs(left));
  }

  #lookAfter(delayMs: number): void {
    this.#isArmed = true;
    this.#clock.after(delayMs, () => this.#look());
  }

  /** A sixth of the youngest worker's age: fine where it matters, cheap afterwards. */
  #pauseMs(workers: readonly StartingWorker[]): number {
    const nowMs = this.#clock.nowMs();
    const youngest = Math.min(...workers.map((worker) => nowMs - worker.startedAtMs));
    return Math.min(5, Math.max(1, youngest / 6));
  }
}
