// The command that waits for the pool, as its supervisor sees it: one that was ended takes its start with it.
import type { Life } from '../core/life.ts';
import { systemClock } from '../sys/process/clock.ts';
import { hasFrontRead, letFrontGo, type Front } from '../sys/process/front.ts';
import type { StartVerdict } from './start-verdict.ts';

/** How often the start looks whether its command is still there. */
const lookMs = 10;
/** The command wakes up within a fraction of this, unless it is stopped: each further look comes later. */
const readLookMs = 1;
const longestReadLookMs = 100;

export class FrontWatch {
  readonly #front: Front | undefined;
  readonly #life: Pick<Life, 'state' | 'wasUp' | 'abandonment'>;
  readonly #verdict: StartVerdict;

  constructor(front: Front | undefined, life: Life, verdict: StartVerdict) {
    this.#front = front;
    this.#life = life;
    this.#verdict = verdict;
  }

  /** While the start lasts, and while one that has failed finds out why. */
  begin(): void {
    systemClock.after(lookMs, () => {
      if (this.#life.wasUp || this.#life.abandonment) return;
      if (this.#front?.isGone()) this.abandon();
      else this.begin();
    });
  }

  /** Success is final once the command has read its status: one that was ended before has failed. */
  awaitReading(proceed: () => void, afterMs = readLookMs): void {
    if (this.#life.state.kind !== 'announcing') return;
    if (this.#front?.isGone()) this.abandon();
    else if (hasFrontRead()) proceed();
    else {
      const laterMs = Math.min(2 * afterMs, longestReadLookMs);
      systemClock.after(afterMs, () => this.awaitReading(proceed, laterMs));
    }
  }

  /** It has heard everything: it ends, and the descriptor of its process is of no use any more. */
  letGo(): void {
    letFrontGo();
    this.#front?.release();
  }

  abandon(): void {
    this.#verdict.abandon('the command was ended');
  }
}
