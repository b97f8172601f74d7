// --start-limit: so many failures of a serving pool within so long are too many.
import type { RestartPolicy } from '../config.ts';

export class StartLimit {
  readonly #limit: RestartPolicy['startLimit'];
  #recentMs: number[] = [];

  constructor({ startLimit }: RestartPolicy) {
    this.#limit = startLimit;
  }

  /** One more failure; true when the limit is reached. */
  isReachedBy(atMs: number): boolean {
    const limit = this.#limit;
    if (!limit) return false;
    this.#recentMs = [...this.#recentMs, atMs].filter((at) => atMs - at < limit.withinMs);
    return this.#recentMs.length >= limit.count;
  }
}
