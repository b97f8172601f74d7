// Between which numbers of workers a pool may move by itself, and what becomes of them when somebody asks for another
// number. Kept while its supervisor lives, over reloads.
import { maxWorkers, within, type WorkerRange } from './worker-range.ts';

/** N for good; so many more or fewer; or other bounds. */
export type AskedWorkers =
  | { readonly kind: 'number'; readonly workers: number }
  | { readonly kind: 'difference'; readonly by: number }
  | { readonly kind: 'range'; readonly range: WorkerRange };

export interface NewWorkers {
  readonly range: WorkerRange;
  /** The number that follows from it. */
  readonly workers: number;
}

export class WorkerBounds {
  #range: WorkerRange;

  constructor(range: WorkerRange) {
    this.#range = range;
  }

  get range(): WorkerRange {
    return this.#range;
  }

  /** Whether the load decides. */
  get areApart(): boolean {
    return this.#range.min < this.#range.max;
  }

  set(range: WorkerRange): void {
    this.#range = range;
  }

  /**
   * What would be, with so many workers now; changes nothing. A difference moves a pool of a fixed number for good, and
   * one that the load moves within its bounds, from where the load moves it on.
   */
  after(asked: AskedWorkers, current: number): NewWorkers {
    if (asked.kind === 'range') return { range: asked.range, workers: within(current, asked.range) };
    if (asked.kind === 'difference' && this.areApart)
      return { range: this.#range, workers: within(current + asked.by, this.#range) };
    const number = asked.kind === 'number' ? asked.workers : current + asked.by;
    const workers = within(number, { min: 1, max: maxWorkers });
    return { range: { min: workers, max: workers }, workers };
  }
}
