// Files of a pool that its supervisor holds open for life: a lock and what it guards.
import { constants } from 'node:fs';
import { errnoOf } from '../../core/errors.ts';
import { check, E, libc } from '../libc/libc.ts';
import { fileType, removeIfSame, statAt, statDescriptor, withUmask, type NameAt } from '../path/file-at.ts';
import { openAt, openParent } from '../path/open-parent.ts';

const LOCK_EX_NB = 2 | 4;

/** A file that this start created, to be removed when it fails. */
export interface CreatedFile {
  readonly at: NameAt;
  readonly identity: string;
}

export interface HeldFile extends CreatedFile {
  readonly wasCreated: boolean;
  readonly descriptor: number;
}

export function openHeld(path: string): HeldFile {
  const at = openParent(path);
  const wasCreated = statAt(at.directory, at.name) === undefined;
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  const descriptor = withUmask(0o077, () => openAt(at, flags, 0o600));
  const facts = statDescriptor(descriptor);
  if ((facts.mode & fileType.mask) !== fileType.regular || facts.uid !== process.getuid?.()) {
    libc.close(descriptor);
    libc.close(at.directory);
    throw new Error(`${path} is not a regular file of ours`);
  }
  return { wasCreated, descriptor, at, identity: facts.identity };
}

/** False: another process has it. A lock that cannot be had at all proves nothing, and is thrown. */
export function takeLock(lock: HeldFile): boolean {
  try {
    check('flock', () => libc.flock(lock.descriptor, LOCK_EX_NB));
    return true;
  } catch (error) {
    closeHeld(lock);
    if (errnoOf(error) === E.AGAIN) return false;
    throw error;
  }
}

export function holdGiven(path: string, descriptor: number): HeldFile {
  const { identity } = statDescriptor(descriptor);
  return { wasCreated: false, descriptor, at: openParent(path), identity };
}

/** The state file of a lock just taken; a lock that we created does not stay behind a failure. */
export function openStateUnder(path: string, lock: HeldFile): HeldFile {
  try {
    return openHeld(path);
  } catch (error) {
    if (lock.wasCreated) removeIfSame(lock.at, lock.identity);
    closeHeld(lock);
    throw error;
  }
}

export function closeHeld(file: HeldFile): void {
  libc.close(file.descriptor);
  libc.close(file.at.directory);
}
