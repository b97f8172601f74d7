// The directory that has the files of pools: made where it is missing, and used only if nobody else could put files there.
import { constants } from 'node:fs';
import { dirname } from 'node:path';
import { attempt, E, libc } from '../libc/libc.ts';
import { O_PATH, statDescriptor, withUmask, type NameAt } from '../path/file-at.ts';
import { describeOpenFailure, openAt, openParent } from '../path/open-parent.ts';
import { UnsafeLinkError } from '../path/path-walk.ts';

/**
 * Creates the base directory if need be and checks that nobody else could put
 * files there: a directory, ours, not a link, writable by its owner only. Directories above it are made
 * for root's own place alone: one that somebody named may be a slip.
 * Returns why it cannot be used, or undefined.
 */
export function prepareBaseDirectory(path: string, isNamed: boolean): string | undefined {
  const uid = process.getuid?.() ?? 0;
  try {
    const at = withUmask(0o022, () => makeDirectory(path, uid === 0 ? 0o755 : 0o700, uid === 0 && !isNamed));
    try {
      return describeUnfit(at, uid);
    } finally {
      libc.close(at.directory);
    }
  } catch (error) {
    const { path: which = path } = error as { path?: string };
    return `${which}: ${describeOpenFailure(error).reason}`;
  }
}

function describeUnfit(at: NameAt, uid: number): string | undefined {
  const descriptor = openAt(at, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  const facts = statDescriptor(descriptor);
  libc.close(descriptor);
  if (facts.uid !== uid) return `${at.path} belongs to uid ${facts.uid}`;
  if ((facts.mode & 0o022) !== 0) return `${at.path} is writable by others`;
  const refusal = attempt(() => libc.accessAt(at.directory, at.name, constants.W_OK, 0));
  return refusal < 0 ? `${at.path}: ${libc.strerror(-refusal)}` : undefined;
}

/** Not by Node's `recursive`, which says ENOENT for every failure on the way. */
function makeDirectory(path: string, mode: number, makesParents: boolean): NameAt {
  const at = openOrMakeParent(path, mode, makesParents);
  // The root directory has no name.
  const named = { ...at, name: at.name || '.' };
  const result = attempt(() => libc.mkdirat(named.directory, named.name, mode));
  if (result === 0 || result === -E.EXIST) return named;
  libc.close(at.directory);
  throw Object.assign(new Error(), { path, errno: result });
}

function openOrMakeParent(path: string, mode: number, makesParents: boolean): NameAt {
  try {
    return openParent(path);
  } catch (error) {
    const { code } = error as { code?: string };
    if (error instanceof UnsafeLinkError) throw error;
    if (code !== 'ENOENT' || !makesParents || dirname(path) === path)
      throw Object.assign(error as Error, { path });
    libc.close(makeDirectory(dirname(path), mode, true).directory);
    return openParent(path);
  }
}
