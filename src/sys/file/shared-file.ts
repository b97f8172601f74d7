// A file that a start made and that another one may have found and use by the time the
// first has failed: whoever uses it holds a shared flock(2), and only a file that nobody
// else holds is removed. The lock decides nothing else: anybody who may read the file can take it.
import { closeSync, constants } from 'node:fs';
import { O_CLOEXEC, removeIfSame, statAt, statDescriptor, type NameAt } from '../path/file-at.ts';
import { attempt, E, libc } from '../libc/libc.ts';

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

/** Keeps a start that failed from removing the file. False: it is being removed, or was. */
export function holdFile(at: NameAt, identity: string, descriptor: number): boolean {
  const isHeld = attempt(() => libc.flock(descriptor, LOCK_SH | LOCK_NB)) !== -E.AGAIN;
  // One that fails looks like a file that is gone, and what we made would be taken for another start's.
  const look = (): string | undefined => statAt(at.directory, at.name)?.identity;
  return isHeld && (look() ?? look()) === identity;
}

export function letGoOf(descriptor: number): void {
  attempt(() => libc.flock(descriptor, LOCK_UN));
}

const holdPauseUs = 1000;
const mostTries = 100;

/** Opens anew what was removed meanwhile; gives up on a lock that stays, which is somebody else's mischief. */
export function openHolding<F>(open: () => F, hold: (file: F) => boolean, close: (file: F) => void): F {
  for (let tries = 1; ; tries++) {
    const file = open();
    if (hold(file) || tries === mostTries) return file;
    close(file);
    libc.usleep(holdPauseUs);
  }
}

/** Removes a file that a failed start made, unless another start has it by now. False: we may not. */
export function removeUnheld(at: NameAt, identity: string, descriptor: number): boolean {
  const isHeld = attempt(() => libc.flock(descriptor, LOCK_EX | LOCK_NB)) === -E.AGAIN;
  if (isHeld || removeIfSame(at, identity)) return true;
  // The guard, which may, must not take us for another start.
  letGoOf(descriptor);
  return false;
}

/** The same for who has only its path, as the guard; with `onlyEmpty` what was written stays. */
export function removeUnheldAt(at: NameAt, identity: string, onlyEmpty: boolean): void {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | O_CLOEXEC;
  const descriptor = attempt(() => libc.openat(at.directory, at.name, flags, 0));
  if (descriptor < 0) return;
  const facts = statDescriptor(descriptor);
  if (facts.identity === identity && !(onlyEmpty && facts.size > 0n)) removeUnheld(at, identity, descriptor);
  closeSync(descriptor);
}
