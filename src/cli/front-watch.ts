// The command that waits for the pool, as its supervisor sees it: one that was ended takes its start with it.
import { systemClock } from '../sys/clock.ts';
import { hasFrontRead, letFrontGo, type Front } from '../sys/front.ts';

/** How often the start looks whether its command is still there. */
const lookMs = 10;
/** The command wakes up within a fraction of this, unless it is stopped: each further look comes later. */
const readLookMs = 1;
const longestReadLookMs = 100;

export interface FrontWatchOptions {
  readonly front: Front | undefined;
  readonly isUp: () => boolean;
  /** The start is being undone. */
  readonly isAbandoned: () => boolean;
  readonly abandon: (reason: string) => void;
}

export class FrontWatch {
  readonly #options: FrontWatchOptions;

  constructor(options: FrontWatchOptions) {
    this.#options = options;
  }

  /** While the start lasts. */
  begin(): void {
    systemClock.after(lookMs, () => {
      const { front, isUp, isAbandoned } = this.#options;
      if (isUp() || isAbandoned()) return;
      if (front?.isGone()) this.abandon();
      else this.begin();
    });
  }

  /** Success is final once the command has read its status: one that was ended before has failed. */
  awaitReading(proceed: () => void, afterMs = readLookMs): void {
    const { front, isAbandoned } = this.#options;
    if (isAbandoned()) return;
    if (front?.isGone()) this.abandon();
    else if (hasFrontRead()) proceed();
    else {
      const laterMs = Math.min(2 * afterMs, longestReadLookMs);
      systemClock.after(afterMs, () => this.awaitReading(proceed, laterMs));
    }
  }

  /** It has heard everything: it ends, and the descriptor of its process is of no use any more. */
  letGo(): void {
    letFrontGo();
    this.#options.front?.release();
  }

  abandon(): void {
    this.#options.abandon('the command was ended');
  }
}
