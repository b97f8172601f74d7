// STATUS= of a pool: looked at when something has happened, sent when it reads differently. An idle pool is left alone.
import type { Clock } from '../../core/machine.ts';

/** What happens within that time is looked at once. */
const quietMs = 200;
const betweenLooksMs = 1000;
/** A look at many workers takes milliseconds: it may cost a hundredth of a processor, whatever happens how often. */
const restPerLook = 100;
/** Workers come up without a word: until they have, each further look comes later. */
const longestWaitMs = 30_000;

export interface StatusLook {
  readonly text: string;
  /** It will be another one soon, and nobody will say so. */
  readonly isPassing: boolean;
}

export interface StatusLineOptions {
  readonly look: () => StatusLook;
  readonly tell: (text: string) => void;
  readonly clock: Clock;
}

export class StatusLine {
  readonly #options: StatusLineOptions;
  #told: string | undefined;
  #isDue = false;
  #isOver = false;
  #generation = 0;
  #notBeforeMs = 0;

  constructor(options: StatusLineOptions) {
    this.#options = options;
  }

  /** What STATUS= says now, for a message that says more than that. */
  now(): string {
    this.#told = this.#options.look().text;
    return `STATUS=${this.#told}`;
  }

  /** Something has happened. */
  soon(waitMs = quietMs): void {
    if (this.#isDue || this.#isOver) return;
    this.#isDue = true;
    const generation = ++this.#generation;
    const { clock } = this.#options;
    clock.after(Math.max(quietMs, this.#notBeforeMs - clock.nowMs()), () => {
      this.#isDue = false;
      if (!this.#isOver) this.#renew(waitMs, generation);
    });
  }

  /** The last one stays. */
  end(): void {
    this.#isOver = true;
  }

  /** Undefined: it failed. To tell of that would be something that happens, and so on without end. */
  #tryToLook(): StatusLook | undefined {
    const { look, clock } = this.#options;
    const beganMs = clock.nowMs();
    try {
      return look();
    } catch {
      return undefined;
    } finally {
      const endedMs = clock.nowMs();
      this.#notBeforeMs = endedMs + Math.max(betweenLooksMs, restPerLook * (endedMs - beganMs));
    }
  }

  #renew(waitMs: number, generation: number): void {
    const look = this.#tryToLook();
    if (!look) return;
    const { text, isPassing } = look;
    if (text !== this.#told) this.#options.tell(text);
    this.#told = text;
    if (!isPassing) return;
    const nextMs = Math.min(2 * waitMs, longestWaitMs);
    this.#options.clock.after(nextMs, () => {
      // Something has happened since, and was looked at.
      if (generation === this.#generation && !this.#isOver) this.#renew(nextMs, generation);
    });
  }
}
