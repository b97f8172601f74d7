// Where a directory is, as seen from here.
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';

/** A directory that is not there stays as it is; throws for a relative one in a directory that was removed. */
export function resolveLinks(directory: string): string {
  try {
    // Not the variant in JavaScript, which takes `link/..` for nothing.
    return realpathSync.native(directory);
  } catch {
    return resolve(directory);
  }
}
