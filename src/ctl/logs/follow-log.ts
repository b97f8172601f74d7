// Reads on in a log, also when it is renamed and made anew, or truncated: by what the kernel tells of the file and of its
// directory, and by a look each second for what it does not tell (file systems of other machines, directories that may
// not be read).
import { closeSync, watch, type FSWatcher } from 'node:fs';
import { dirname } from 'node:path';
import { read } from './last-lines.ts';
import type { LogFile, OpenLog } from './log-file.ts';
import type { LinePrinter } from './line-printer.ts';

const chunkBytes = 65_536;
const lookEveryMs = 1000;
/** Many lines at once are one look. */
const gatherMs = 20;
const markBytes = 64;

interface Followed extends OpenLog {
  offset: number;
  /** The last bytes before it: others there say that the file was truncated, however long it is again. */
  mark: Buffer;
  readonly watcher: FSWatcher | undefined;
}

export class LogFollower {
  readonly #file: LogFile;
  readonly #printer: LinePrinter;
  /** The newest is the last. One before it is read on until there is a line in the newest: its writer may not know yet. */
  #followed: Followed[] = [];
  #isDue = false;
  #isLooking = false;
  readonly #over = Promise.withResolvers<void>();

  constructor(file: LogFile, printer: LinePrinter) {
    this.#file = file;
    this.#printer = printer;
  }

  /** From there on, until nobody reads what is printed. Undefined: from the beginning of what comes to be there. */
  async run(open: OpenLog | undefined, offset: number): Promise<void> {
    if (open) this.#followed.push(this.#follow(open, offset));
    const directory = this.#watch(dirname(this.#file.path));
    const timer = setInterval(() => this.#lookSoon(), lookEveryMs);
    this.#lookSoon();
    try {
      await this.#over.promise;
    } finally {
      clearInterval(timer);
      directory?.close();
    }
  }

  #follow(open: OpenLog, offset: number): Followed {
    const mark = markAt(open.descriptor, offset);
    return { ...open, offset, mark, watcher: this.#watch(`/proc/self/fd/${open.descriptor}`) };
  }

  /** Undefined where there is nothing to watch by. */
  #watch(path: string): FSWatcher | undefined {
    try {
      const watcher = watch(path, () => this.#lookSoon());
      return watcher.on('error', () => undefined);
    } catch {
      return undefined;
    }
  }

  #lookSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setTimeout(() => {
      this.#isDue = false;
      this.#look().catch((error: unknown) => this.#over.reject(error as Error));
    }, gatherMs);
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return this.#lookSoon();
    this.#isLooking = true;
    try {
      await this.#takeNewest();
      if (!this.#drain()) this.#over.resolve();
    } finally {
      this.#isLooking = false;
    }
  }

  async #takeNewest(): Promise<void> {
    const identity = this.#file.identity();
    if (identity === undefined || identity === this.#followed.at(-1)?.identity) return;
    const open = await this.#file.open();
    if (open) this.#followed.push(this.#follow(open, 0));
  }

  /** False: nobody reads any more. */
  #drain(): boolean {
    for (const followed of this.#followed) if (!this.#printOf(followed)) return false;
    const newest = this.#followed.at(-1);
    if (!newest || newest.offset === 0) return true;
    const former = this.#followed.slice(0, -1);
    this.#followed = [newest];
    return former.every((followed) => this.#leave(followed));
  }

  /** Once more: what came before the first line in the newest. */
  #leave(followed: Followed): boolean {
    const isRead = this.#printOf(followed);
    followed.watcher?.close();
    closeSync(followed.descriptor);
    return isRead;
  }

  #printOf(followed: Followed): boolean {
    const { descriptor, mark } = followed;
    // Truncated: what is there now is new.
    if (!markAt(descriptor, followed.offset).equals(mark)) followed.offset = 0;
    const end = printFrom(descriptor, followed.offset, this.#printer);
    if (end === undefined) return false;
    followed.mark = markAt(descriptor, end);
    followed.offset = end;
    return true;
  }
}

function markAt(descriptor: number, offset: number): Buffer {
  const from = Math.max(0, offset - markBytes);
  return read(descriptor, from, offset - from);
}

/** Prints what is there from the offset on; returns where that ends, undefined when nobody reads it. */
export function printFrom(descriptor: number, offset: number, printer: LinePrinter): number | undefined {
  let end = offset;
  for (;;) {
    const chunk = read(descriptor, end, chunkBytes);
    if (chunk.length === 0) return end;
    if (!printer.print(chunk)) return undefined;
    end += chunk.length;
  }
}
