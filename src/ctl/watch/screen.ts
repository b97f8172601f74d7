// The terminal while something is watched on it: the alternate screen, one write a frame, keys without Enter. Whatever ends
// or stops us, it is the caller's again before.
import { writeFully } from '../print/write-fully.ts';
import { renderLine, widthOfLine, type Line } from '../print/line.ts';

/** Alternate screen; no cursor; what is wider than the terminal thinks is cut, not wrapped. */
const enterScreen = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const leaveScreen = '\x1b[?7h\x1b[?25h\x1b[?1049l';
const home = '\x1b[H';
const clearToEndOfLine = '\x1b[K';
const clearBelow = '\x1b[J';

const ends = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** As the terminal would send them to our process group, if it were not for its raw mode. */
const signalOfKey: Readonly<Record<string, NodeJS.Signals>> = {
  '\x03': 'SIGINT',
  '\x1a': 'SIGTSTP',
  '\x1c': 'SIGQUIT',
};

/** A character, or the sequence that an arrow sends. */
const oneKey = new RegExp(String.raw`${'\x1b'}(?:\[[\d;]*[A-Za-z~]|O[A-Z])|[^]`, 'g');

export interface ScreenUser {
  key(key: string): void;
  /** Its size, or what is on it, is another. */
  redraw(): void;
  /** Nobody will press a key any more. */
  hungUp(): void;
}

export class Screen {
  readonly #user: ScreenUser;
  readonly #isColoured: boolean;
  readonly #hasKeys = process.stdin.isTTY;
  #isEntered = false;

  constructor(user: ScreenUser, isColoured: boolean) {
    this.#user = user;
    this.#isColoured = isColoured;
  }

  open(): void {
    for (const signal of ends) process.on(signal, this.#end);
    process.on('SIGTSTP', this.#suspend).on('SIGCONT', this.#resume).on('exit', this.#leave);
    // Nothing is written by it: it tells the size.
    process.stdout.on('resize', () => this.#user.redraw());
    this.#enter();
    if (!this.#hasKeys) return;
    process.stdin
      .on('data', (bytes: Buffer) => this.#read(bytes.toString('latin1')))
      .on('end', () => this.#user.hungUp())
      .on('error', () => this.#user.hungUp());
  }

  close(): void {
    for (const signal of ends) process.removeListener(signal, this.#end);
    process.removeListener('SIGTSTP', this.#suspend).removeListener('SIGCONT', this.#resume);
    this.#leave();
  }

  /** One that does not know its size has that of the first ones. */
  get size(): { readonly columns: number; readonly rows: number } {
    return { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 };
  }

  /** False: there is no terminal any more. */
  draw(lines: readonly Line[]): boolean {
    const { columns, rows } = this.size;
    const drawn = lines.map((line) => {
      // Behind a full line the cursor is still on its last character.
      const isFull = widthOfLine(line) >= columns;
      return renderLine(line, this.#isColoured) + (isFull ? '' : clearToEndOfLine);
    });
    const rest = lines.length < rows ? `\r\n${clearBelow}` : '';
    return writeFully(1, home + drawn.join('\r\n') + rest);
  }

  /** Keys first: in the background the kernel stops us there, before anything is drawn. */
  #enter(): void {
    if (this.#hasKeys) process.stdin.setRawMode(true);
    this.#isEntered = true;
    writeFully(1, enterScreen);
  }

  readonly #leave = (): void => {
    if (!this.#isEntered) return;
    this.#isEntered = false;
    writeFully(1, leaveScreen);
    try {
      if (this.#hasKeys) process.stdin.setRawMode(false);
    } catch {
      // There is no terminal any more.
    }
  };

  /** By the same signal, as whoever waits for us expects. */
  readonly #end = (signal: NodeJS.Signals): void => {
    this.close();
    process.kill(process.pid, signal);
  };

  readonly #suspend = (): void => {
    this.#leave();
    process.removeListener('SIGTSTP', this.#suspend).removeListener('SIGCONT', this.#resume);
    // Stops us here; not where no shell could let us go on (an orphaned process group).
    process.kill(process.pid, 'SIGTSTP');
    process.on('SIGTSTP', this.#suspend).on('SIGCONT', this.#resume);
    this.#resume();
  };

  /** Also after a STOP, of which we could not know: the shell has set the terminal for itself meanwhile. */
  readonly #resume = (): void => {
    this.#leave();
    this.#enter();
    this.#user.redraw();
  };

  #read(keys: string): void {
    for (const [key] of keys.matchAll(oneKey)) {
      const signal = signalOfKey[key];
      if (signal === undefined) this.#user.key(key);
      else process.kill(0, signal);
    }
  }
}
