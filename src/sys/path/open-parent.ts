// The door to every path that root's start goes by: a directory is opened so that nobody else's link leads root into what
// is not his, and used by its descriptor from then on. For whoever is not root, a plain open: only his own is at stake.
import { closeSync, constants, openSync, readlinkSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { errnoOf } from '../../core/errors.ts';
import { AT_FDCWD, O_CLOEXEC, O_PATH, statAt, statDescriptor, type NameAt } from './file-at.ts';
import { attempt, E, libc } from '../libc/libc.ts';
import { openError, UnsafeLinkError, walkPath } from './path-walk.ts';

/** Opens the directory of `path`; throws Node's error when that fails, or UnsafeLinkError. */
export function openParent(path: string): NameAt {
  return { directory: openDirectory(dirname(path)), name: basename(path), path };
}

/** The same of a directory itself: a descriptor (O_PATH). */
export function openDirectory(path: string): number {
  if (process.getuid?.() !== 0) return openSync(path, O_PATH | constants.O_DIRECTORY);
  return walkPath(path);
}

/** Opens what is there by that name, close-on-exec; throws Node's error. */
export function openAt({ directory, name, path }: NameAt, flags: number, mode = 0): number {
  const descriptor = attempt(() => libc.openat(directory, name, flags | O_CLOEXEC, mode));
  if (descriptor < 0) throw openError(-descriptor, path);
  return descriptor;
}

/**
 * The path of a directory without the links on the way, for use by names from then on. As it was where it is not there
 * yet, or has no name here.
 */
export function walkedPath(path: string): string {
  let directory: number;
  try {
    directory = openDirectory(path);
  } catch (error) {
    if (error instanceof UnsafeLinkError) throw error;
    return path;
  }
  try {
    const name = readlinkSync(`/proc/self/fd/${directory}`);
    return statAt(AT_FDCWD, name)?.identity === statDescriptor(directory).identity ? name : path;
  } catch {
    return path;
  } finally {
    closeSync(directory);
  }
}

/** Why a path could not be opened, as the end of a sentence, and the ways out. */
export function describeOpenFailure(error: unknown): {
  readonly reason: string;
  readonly hints: readonly string[];
} {
  if (error instanceof UnsafeLinkError) return { reason: error.message, hints: error.hints };
  return { reason: libc.strerror(errnoOf(error) || E.NOENT), hints: [] };
}
