// Room that is asked of the disk before it is needed.
import { attempt, E, libc } from '../libc/libc.ts';

const FALLOC_FL_KEEP_SIZE = 1;

/** Why there is none for so many bytes (errno), or undefined. Not every file system can reserve. */
export function reserveRoom(descriptor: number, bytes: number): number | undefined {
  const result = attempt(() => libc.fallocate(descriptor, FALLOC_FL_KEEP_SIZE, 0, bytes));
  return result < 0 && result !== -E.OPNOTSUPP && result !== -E.NOSYS ? -result : undefined;
}
