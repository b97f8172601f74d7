// The last lines of a file that a pool writes, as root only of files that may be the pool's.
import { closeSync, fstatSync, readSync } from 'node:fs';
import { keptBytes, lastWords } from '../../sys/log/last-words.ts';
import { LogFile } from '../logs/log-file.ts';
import type { Pool } from '../target/pools.ts';

/** Empty where it is not there, or may not be read. */
export async function lastLinesOf(
  path: string,
  { uid, isForeign, state }: Pool,
  most = 3,
): Promise<string[]> {
  const isRoot = process.getuid?.() === 0;
  const owners = isRoot ? (isForeign ? [uid] : [0, state.workerUid]) : undefined;
  try {
    const open = await new LogFile(path, owners).open();
    if (!open) return [];
    try {
      const { size } = fstatSync(open.descriptor);
      const buffer = Buffer.alloc(Math.min(size, keptBytes));
      const length = readSync(open.descriptor, buffer, 0, buffer.length, size - buffer.length);
      return lastWords(buffer.subarray(0, length)).slice(-most);
    } finally {
      closeSync(open.descriptor);
    }
  } catch {
    return [];
  }
}
