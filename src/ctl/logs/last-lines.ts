// Where in an open file its last lines begin: read from its end, so that a log of gigabytes costs what is shown of it.
import { readSync } from 'node:fs';

const chunkBytes = 65_536;
/** A line that is longer counts as several. */
const longestLine = 4 * 1024 * 1024;
const newline = 0x0a;

/** Lines that count; of other pools' there may be any number between. */
export type Accept = (line: Buffer) => boolean;

export const everyLine: Accept = () => true;

export interface LastLines {
  readonly offset: number;
  /** How many there are from there on. */
  readonly count: number;
}

/** The offset of the first of the last `wanted` lines before `end`; a line that is not complete yet counts. */
export function findLastLines(
  descriptor: number,
  end: number,
  wanted: number,
  accept: Accept = everyLine,
): LastLines {
  let [count, position, offset] = [0, end, end];
  let rest = Buffer.alloc(0);
  while (position > 0 && count < wanted) {
    const from = Math.max(0, position - chunkBytes);
    const block = Buffer.concat([read(descriptor, from, position - from), rest]);
    let stop = block.length;
    while (stop > 0 && count < wanted) {
      const start = stop < 2 ? 0 : block.lastIndexOf(newline, stop - 2) + 1;
      if (start === 0 && from > 0 && stop < longestLine) break;
      if (accept(block.subarray(start, stop))) {
        count++;
        offset = from + start;
      }
      stop = start;
    }
    rest = block.subarray(0, stop);
    position = from;
  }
  return { offset, count };
}

/** Shorter where the file ends before, as one that was truncated meanwhile. */
export function read(descriptor: number, offset: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, readSync(descriptor, buffer, 0, length, offset));
}
