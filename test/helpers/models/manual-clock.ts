// A clock that only moves when told to.
import type { Clock } from '../../../src/core/machine.ts';

export class ManualClock implements Clock {
  #nowMs = 5000;
  #nextId = 0;
  readonly #timers = new Map<number, { readonly atMs: number; readonly run: () => void }>();

  /** How many timers are armed: each of them would wake an idle machine. */
  get pending(): number {
    return this.#timers.size;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const id = this.#nextId++;
    this.#timers.set(id, { atMs: this.#nowMs + delayMs, run });
    return () => {
      this.#timers.delete(id);
    };
  }

  /** Lets time pass; timers run in their order, each at its own time, those that it arms as well. */
  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs;
    for (let next = this.#nextDue(untilMs); next !== undefined; next = this.#nextDue(untilMs)) {
      const [id, { atMs, run }] = next;
      this.#timers.delete(id);
      this.#nowMs = Math.max(this.#nowMs, atMs);
      run();
    }
    this.#nowMs = untilMs;
  }

  /** Lets time pass without running a timer, as when the process gets no processor. */
  stall(byMs: number): void {
    this.#nowMs += byMs;
  }

  #nextDue(untilMs: number): [number, { readonly atMs: number; readonly run: () => void }] | undefined {
    return [...this.#timers]
      .filter(([, timer]) => timer.atMs <= untilMs)
      .sort(([idA, a], [idB, b]) => a.atMs - b.atMs || idA - idB)[0];
  }
}
