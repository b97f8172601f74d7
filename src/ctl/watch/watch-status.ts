// `spawn-fcgictl status --watch`: a table that renews itself on a terminal, or a line of JSON each time.
import { setTimeout as delay } from 'node:timers/promises';
import { takesColours } from '../print/line.ts';
import { printError } from '../print/print-ctl.ts';
import { printableJson } from '../print/printable.ts';
import { writeFully } from '../print/write-fully.ts';
import { poolsJson } from '../status/show-status.ts';
import { ctlStatus } from '../statuses.ts';
import { frameLines } from './frame.ts';
import { Screen } from './screen.ts';
import { StatusWatch, type Frame, type WatchOptions } from './status-watch.ts';

/** Until q; every other way out ends the process by a signal. */
export async function watchOnTerminal(options: WatchOptions): Promise<number> {
  await new Display(options).run();
  return ctlStatus.ok;
}

/** An array a line, as long as somebody reads. */
export async function watchAsJson(options: WatchOptions): Promise<number> {
  const watch = new StatusWatch(options);
  let said = '';
  for (;;) {
    const { measured, silent, problems } = await watch.look();
    const missing = silent.map(({ pool }) => `no answer yet from PID ${pool.state.pid}`);
    const text = [...problems, ...missing].join('\n');
    if (text !== '' && text !== said) printError(text);
    said = text;
    if (!writeFully(1, `${printableJson(poolsJson(measured), 0)}\n`, true)) return ctlStatus.ok;
    await delay(options.intervalMs);
  }
}

class Display {
  readonly #options: WatchOptions;
  readonly #watch: StatusWatch;
  readonly #screen: Screen;
  readonly #over = Promise.withResolvers<undefined>();
  #frame: Frame | undefined;
  /** Ends the pause. */
  #wake: (() => void) | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#watch = new StatusWatch(options);
    this.#screen = new Screen(
      {
        key: (key) => this.#key(key),
        redraw: () => this.#draw(),
        hungUp: () => this.#over.resolve(undefined),
      },
      takesColours(1, process.env),
    );
  }

  async run(): Promise<void> {
    this.#frame = await this.#watch.look();
    this.#screen.open();
    try {
      while (this.#frame) {
        this.#draw();
        await Promise.race([this.#pause(), this.#over.promise]);
        this.#frame = await Promise.race([this.#watch.look(), this.#over.promise]);
      }
    } finally {
      this.#screen.close();
    }
  }

  #key(key: string): void {
    if (key === 'q' || key === 'Q') this.#over.resolve(undefined);
    else if (key === ' ' || key === '\r') this.#wake?.();
  }

  #draw(): void {
    if (!this.#frame) return;
    const time = new Date().toTimeString().slice(0, 8);
    const look = { ...this.#screen.size, intervalMs: this.#options.intervalMs, time };
    if (!this.#screen.draw(frameLines(this.#frame, look))) this.#over.resolve(undefined);
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#options.intervalMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
