// Lines of a log on stdout: the bytes as they are, but on a terminal, where whoever wrote the log must not steer it.
import { isatty } from 'node:tty';
import { printableLines } from '../../core/text/printable.ts';
import { writeFully } from '../print/write-fully.ts';
import { everyLine, type Accept } from './last-lines.ts';

const newline = 0x0a;
/** What is longer is printed in pieces. */
const longestLine = 1024 * 1024;

export class LinePrinter {
  readonly #accept: Accept;
  readonly #isTerminal = isatty(1);
  /** The beginning of a line. */
  #rest = Buffer.alloc(0);

  constructor(accept: Accept = everyLine) {
    this.#accept = accept;
  }

  /** False: nobody reads any more. */
  print(chunk: Buffer): boolean {
    if (!this.#isTerminal && this.#accept === everyLine) return writeFully(1, chunk, true);
    const all = Buffer.concat([this.#rest, chunk]);
    const end = all.length > longestLine ? all.length : all.lastIndexOf(newline) + 1;
    this.#rest = all.subarray(end);
    return this.#write(all.subarray(0, end));
  }

  /** A line that has no end yet. */
  finish(): void {
    this.#write(this.#rest);
  }

  #write(lines: Buffer): boolean {
    const accepted = this.#accept === everyLine ? lines : this.#select(lines);
    if (accepted.length === 0) return true;
    return writeFully(1, this.#isTerminal ? printableLines(accepted.toString()) : accepted, true);
  }

  #select(lines: Buffer): Buffer {
    const selected: Buffer[] = [];
    for (let start = 0; start < lines.length;) {
      const at = lines.indexOf(newline, start);
      const end = at < 0 ? lines.length : at + 1;
      const line = lines.subarray(start, end);
      if (this.#accept(line)) selected.push(line);
      start = end;
    }
    return Buffer.concat(selected);
  }
}
