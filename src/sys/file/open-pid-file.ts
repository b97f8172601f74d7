// Opens a PID file, or creates it, for one who writes it later: a regular file without other names, never through a
// symbolic link, held against a failed start that would remove it. Refusals are those of 1.6.
import { constants, fstatSync } from 'node:fs';
import { errnoOf, SpawnFcgiError } from '../../core/errors.ts';
import { attempt, E, libc } from '../libc/libc.ts';
import {
  AT_EACCESS,
  fileType,
  lookTwice,
  O_CLOEXEC,
  statAt,
  statDescriptor,
  type NameAt,
} from '../path/file-at.ts';
import { describeOpenFailure, openAt, openParent } from '../path/open-parent.ts';
import { describeLease, openPastLease } from '../path/past-lease.ts';
import { holdFile, openHolding } from './shared-file.ts';

/** More than the PIDs of as many workers as `--no-supervise` can start. */
export const longestContent = 1024 * 1024;

export interface OpenedPidFile {
  readonly at: NameAt;
  readonly descriptor: number;
  readonly identity: string;
  readonly wasCreated: boolean;
}

/** Undefined: it is not there, but could be made. */
export function findPidFile(path: string): OpenedPidFile | undefined {
  return holding(() => findExisting(path));
}

/** Opens or creates the file (0644 & ~umask). */
export function openPidFile(path: string): OpenedPidFile {
  return holding(() => openOrCreate(path));
}

/** A start that failed, and made it before us, must not remove the file. */
function holding<F extends OpenedPidFile | undefined>(open: () => F): F {
  return openHolding(
    open,
    (file) => file === undefined || holdFile(file.at, file.identity, file.descriptor),
    (file) => file && closePidFile(file),
  );
}

export function closePidFile({ at, descriptor }: Pick<OpenedPidFile, 'at' | 'descriptor'>): void {
  libc.close(descriptor);
  libc.close(at.directory);
}

function findExisting(path: string): OpenedPidFile | undefined {
  const at = openDirectoryOf(path);
  const file = statAt(at.directory, at.name) && openExisting(path, at);
  if (file) return file;
  const refusal = attempt(() =>
    libc.accessAt(at.directory, '.', constants.W_OK | constants.X_OK, AT_EACCESS),
  );
  libc.close(at.directory);
  if (refusal < 0) throw refuseOpen(path, { errno: refusal });
  return undefined;
}

function openOrCreate(path: string): OpenedPidFile {
  const at = openDirectoryOf(path);
  const create = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  for (;;) {
    try {
      const descriptor = openAt(at, create, 0o644);
      return take(at, descriptor, true);
    } catch (error) {
      if (error instanceof SpawnFcgiError || errnoOf(error) !== E.EXIST) throw refuseOpen(path, error);
    }
    const file = openExisting(path, at);
    if (file) return file;
  }
}

/** Undefined: who had it has removed it meanwhile. */
function openExisting(path: string, at: NameAt): OpenedPidFile | undefined {
  const facts = statAt(at.directory, at.name);
  if (facts && (facts.mode & fileType.mask) !== fileType.regular) throw refuseIrregular(path);
  const flags = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK | O_CLOEXEC;
  const result = openPastLease(() => attempt(() => libc.openat(at.directory, at.name, flags, 0)));
  if (result === -E.NOENT) return undefined;
  if (result < 0) throw refuseOpen(path, { errno: result });
  return take(at, result, false);
}

function take(at: NameAt, descriptor: number, wasCreated: boolean): OpenedPidFile {
  const facts = lookTwice(() => statDescriptor(descriptor));
  if ((facts.mode & fileType.mask) !== fileType.regular) throw refuseIrregular(at.path);
  if (lookTwice(() => fstatSync(descriptor)).size > longestContent) {
    throw new SpawnFcgiError(`PID-file is too long to be one: '${at.path}'`, {
      hints: ['nothing was written; remove the file, or name another one for -P'],
    });
  }
  if (facts.links > 1) {
    throw new SpawnFcgiError(`PID-file has other names (hard links): '${at.path}'`, {
      hints: ['nothing was written; remove the file, or name another one for -P'],
    });
  }
  return { at, descriptor, identity: facts.identity, wasCreated };
}

function openDirectoryOf(path: string): NameAt {
  try {
    return openParent(path);
  } catch (error) {
    const { reason, hints } = describeOpenFailure(error);
    throw new SpawnFcgiError(`opening PID-file '${path}' failed: ${reason}`, { cause: error, hints });
  }
}

function refuseOpen(path: string, error: unknown): SpawnFcgiError {
  if (error instanceof SpawnFcgiError) return error;
  if (errnoOf(error) === E.LOOP) return refuseIrregular(path);
  return new SpawnFcgiError(`opening PID-file '${path}' failed: ${libc.strerror(errnoOf(error))}`, {
    cause: error,
    hints: errnoOf(error) === E.AGAIN ? [describeLease(path)] : [],
  });
}

function refuseIrregular(path: string): SpawnFcgiError {
  return new SpawnFcgiError(`PID-file exists and isn't regular file: '${path}'`);
}
