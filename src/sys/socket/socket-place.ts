// The place where a socket's file will be: its directory, who else may replace files there, and what is in the way.
import { errnoOf, SpawnFcgiError } from '../../core/errors.ts';
import { attempt, check, E, libc } from '../libc/libc.ts';
import { AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from '../libc/socket-numbers.ts';
import { fileType, statAt, statDescriptor, type NameAt } from '../path/file-at.ts';
import { describeOpenFailure, openParent } from '../path/open-parent.ts';
import { UnsafeLinkError } from '../path/path-walk.ts';
import { unixAddress } from '../connection/unix-socket.ts';
import { refuse } from './stream-socket.ts';

/** The directory that a socket's file is in; throws 1.6's refusal. */
export function openSocketDirectory(path: string): NameAt {
  try {
    return openParent(path);
  } catch (error) {
    if (error instanceof UnsafeLinkError) {
      const { reason, hints } = describeOpenFailure(error);
      throw new SpawnFcgiError(`binding socket '${path}' failed: ${reason}`, { cause: error, hints });
    }
    const number = errnoOf(error) || E.NOENT;
    if (number === E.MFILE) throw error;
    // 1.6 finds a missing directory out by bind, all else by its unlink before that.
    throw number === E.NOENT ? refuse('bind', -number) : refuseRemoval(number);
  }
}

/** Whether others than those whom the pool is for may put something else in the place of root's socket. */
export function isOpenToEverybody(at: NameAt, trustedUids: readonly number[]): boolean {
  if (process.getuid?.() !== 0) return false;
  const { mode, uid } = statDescriptor(at.directory);
  return (mode & 0o002) !== 0 && (mode & 0o1000) === 0 && !trustedUids.includes(uid);
}

export function directoryOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) || '/' : '.';
}

/** Looks at what is in the way: a stale socket is removed, all else is a refusal. */
export function removeStale(path: string, at: NameAt): void {
  const facts = statAt(at.directory, at.name);
  if (!facts) return requireSearchable(at);
  if ((facts.mode & fileType.mask) === fileType.directory) throw refuseRemoval(E.ISDIR);
  if ((facts.mode & fileType.mask) !== fileType.socket) {
    throw new SpawnFcgiError(`'${path}' exists and is not a socket`, {
      hints: ['nothing was removed; name another path, or remove the file yourself'],
    });
  }
  if (isLive(path)) throw new SpawnFcgiError("socket is already in use, can't spawn");
  const result = attempt(() => libc.unlinkat(at.directory, at.name, 0));
  if (result < 0 && result !== -E.NOENT) throw refuseRemoval(-result);
}

/** "Not there" is fine; "may not look" is what 1.6's unlink would say. */
function requireSearchable(at: NameAt): void {
  if (attempt(() => libc.accessAt(at.directory, at.name, 0, 0)) === -E.ACCES) throw refuseRemoval(E.ACCES);
}

function refuseRemoval(number: number): SpawnFcgiError {
  return new SpawnFcgiError(`removing old socket failed: ${libc.strerror(number)}`, {
    cause: { syscall: 'unlink', errno: number },
  });
}

/**
 * Whether somebody listens. Only "refused" and "not there" prove that nobody
 * does: a full queue (EAGAIN), a socket of another type, or one that we may not
 * connect to counts as in use.
 */
export function isLive(path: string): boolean {
  const probe = check('socket', () => libc.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const bytes = unixAddress(path);
  const result = attempt(() => libc.connect(probe, bytes, bytes.length));
  libc.close(probe);
  return result !== -E.CONNREFUSED && result !== -E.NOENT;
}
