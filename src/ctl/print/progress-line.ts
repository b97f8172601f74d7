// One line on a terminal's stderr that says what a long wait is at; nothing in a pipe.
import { isatty } from 'node:tty';
import { writeFully } from './write-fully.ts';
import { printable } from '../../core/text/printable.ts';
import { cutEnd } from './printable.ts';
import { describeDuration } from '../../core/text/amount-text.ts';

const tickMs = 1000;
const clearLine = '\r\x1b[K';

export class ProgressLine {
  readonly #heading: string;
  readonly #startedMs = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;
  #step = '';
  #isShown = false;

  /** Nothing is shown before the first step or the first second. */
  constructor(heading: string) {
    this.#heading = heading;
    this.#timer = isatty(2) ? setInterval(() => this.#draw(), tickMs) : undefined;
  }

  show(step: string): void {
    this.#step = `: ${printable(step)}`;
    this.#draw();
  }

  /** Leaves an empty line at the cursor. */
  end(): void {
    clearInterval(this.#timer);
    if (this.#isShown) writeFully(2, clearLine);
    this.#isShown = false;
  }

  #draw(): void {
    if (!this.#timer) return;
    this.#isShown = true;
    const elapsed = ` (${describeDuration(performance.now() - this.#startedMs)})`;
    const columns = (process.stderr.columns || 80) - 1 - elapsed.length;
    writeFully(2, clearLine + cutEnd(this.#heading + this.#step, columns) + elapsed);
  }
}
