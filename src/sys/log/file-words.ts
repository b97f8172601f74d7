// What was printed into a file since a moment: its last words.
import { readSync } from 'node:fs';
import { libc } from '../libc/libc.ts';
import type { AppendFile } from './append-file.ts';
import { keptBytes, lastWords } from './last-words.ts';

/** The result reads what came into the file from now on; nothing where we may not read it, or it has another name by then. */
export function listenTo(file: AppendFile): () => string[] {
  const from = file.size;
  return () => {
    const to = file.size;
    const descriptor = file.openForReading();
    // Its directory may be closed to who we are by now.
    if (descriptor === undefined) return to > from ? [`(see ${file.path})`] : [];
    try {
      // Somebody may have emptied it meanwhile.
      const begin = to < from ? 0n : from;
      return lastWords(readEnd(descriptor, begin, to));
    } catch {
      return [];
    } finally {
      libc.close(descriptor);
    }
  };
}

function readEnd(descriptor: number, from: bigint, to: bigint): Buffer {
  const length = Math.min(Number(to - from), keptBytes);
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, readSync(descriptor, buffer, 0, length, to - BigInt(length)));
}
