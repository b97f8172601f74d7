// `status --watch` on a terminal: looks, draws, and does what keys say.
import { frameLines, furthestAbove, type FrameLook } from './frame.ts';
import { Screen } from './screen.ts';
import { orderOfKey, type Order } from './sorting.ts';
import { StatusWatch, type Frame, type WatchOptions } from './status-watch.ts';

/** What + and - choose from. */
const intervals = [100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000];

/** How far keys move the pools; more than there is: to their end. */
const moves: Readonly<Record<string, 'line' | 'page' | 'end' | undefined>> = {
  j: 'line',
  '\x1b[B': 'line',
  '\x1bOB': 'line',
  '\x1b[6~': 'page',
  G: 'end',
  '\x1b[F': 'end',
};
const movesBack: typeof moves = {
  k: 'line',
  '\x1b[A': 'line',
  '\x1bOA': 'line',
  '\x1b[5~': 'page',
  g: 'end',
  '\x1b[H': 'end',
};

export class Display {
  readonly #watch: StatusWatch;
  readonly #screen: Screen;
  readonly #over = Promise.withResolvers<undefined>();
  #looksLeft: number;
  #intervalMs: number;
  #order: Order = 'slot';
  #above = 0;
  #frame: Frame | undefined;
  /** Ends the pause; `again`: begins it anew. */
  #wake: ((again: boolean) => void) | undefined;

  constructor(options: WatchOptions, isColoured: boolean) {
    this.#watch = new StatusWatch(options);
    this.#intervalMs = options.intervalMs;
    this.#looksLeft = options.count ?? Number.POSITIVE_INFINITY;
    this.#screen = new Screen(
      {
        key: (key) => this.#key(key),
        redraw: () => this.#draw(),
        hungUp: () => this.#over.resolve(undefined),
      },
      isColoured,
    );
  }

  async run(): Promise<void> {
    this.#frame = await this.#watch.look(this.#intervalMs);
    this.#screen.open();
    try {
      while (this.#frame) {
        this.#draw();
        await Promise.race([this.#pause(), this.#over.promise]);
        this.#looksLeft -= 1;
        if (this.#looksLeft <= 0) return;
        this.#frame = await Promise.race([this.#watch.look(this.#intervalMs), this.#over.promise]);
      }
    } finally {
      this.#screen.close();
    }
  }

  #key(key: string): void {
    if (key === 'q' || key === 'Q') this.#over.resolve(undefined);
    else if (key === ' ' || key === '\r') this.#wake?.(false);
    else if (key === '+' || key === '-') this.#changeInterval(key);
    else this.#changeView(key);
  }

  /** + is slower, as its number is larger. */
  #changeInterval(key: '+' | '-'): void {
    const next =
      key === '+'
        ? intervals.find((ms) => ms > this.#intervalMs)
        : intervals.findLast((ms) => ms < this.#intervalMs);
    if (next === undefined) return;
    this.#intervalMs = next;
    this.#draw();
    this.#wake?.(true);
  }

  #changeView(key: string): void {
    const order = orderOfKey(key);
    const [forth, back] = [moves[key], movesBack[key]];
    if (!this.#frame || !(order ?? forth ?? back)) return;
    if (order) this.#order = order;
    const look = this.#look();
    const lines = { line: 1, page: Math.max(1, look.rows - 3), end: Number.MAX_SAFE_INTEGER };
    const wanted = this.#above + (forth ? lines[forth] : 0) - (back ? lines[back] : 0);
    this.#above = Math.max(0, Math.min(wanted, furthestAbove(this.#frame, look)));
    this.#draw();
  }

  #look(): FrameLook {
    const time = new Date().toTimeString().slice(0, 8);
    const { columns, rows } = this.#screen.size;
    return { columns, rows, intervalMs: this.#intervalMs, time, order: this.#order, above: this.#above };
  }

  #draw(): void {
    if (!this.#frame) return;
    if (!this.#screen.draw(frameLines(this.#frame, this.#look()))) this.#over.resolve(undefined);
  }

  async #pause(): Promise<void> {
    for (let again = true; again;) {
      again = await new Promise((resolve) => {
        const timer = setTimeout(() => resolve(false), this.#intervalMs);
        this.#wake = (isAnew) => {
          clearTimeout(timer);
          resolve(isAnew);
        };
      });
    }
  }
}
