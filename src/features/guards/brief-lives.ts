// Workers that are over the limit a moment after they are up, one after the other: the limit is too low for the program, or
// it leaks faster than anybody can look. Replacing them goes on, but slowly, and is told of once.

/** From up to over the limit. */
const briefMs = 3000;
/** In a row, before it goes on slowly. */
const most = 5;
const longestPauseMs = 10_000;

export class BriefLives {
  #inARow = 0;
  #notBeforeMs = 0;
  #isTold = false;

  isDue(nowMs: number): boolean {
    return nowMs >= this.#notBeforeMs;
  }

  /** One is replaced that was over the limit after so long; true: from now on it goes slowly, which nobody was told. */
  note(lifeMs: number, nowMs: number): boolean {
    if (lifeMs >= briefMs) {
      this.#inARow = 0;
      this.#isTold = false;
      return false;
    }
    this.#inARow++;
    if (this.#inARow < most) return false;
    this.#notBeforeMs = nowMs + Math.min(1000 * 2 ** (this.#inARow - most + 1), longestPauseMs);
    const isNews = !this.#isTold;
    this.#isTold = true;
    return isNews;
  }
}
