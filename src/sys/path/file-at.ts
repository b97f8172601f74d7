// Files by directory descriptor and name, never following a link: stat, compare,
// remove. Works after chroot, where the path no longer does.
import { errnoOf } from '../../core/errors.ts';
import { attempt, check, E, libc } from '../libc/libc.ts';

const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_EMPTY_PATH = 0x1000;
/** By the effective user. */
export const AT_EACCESS = 0x200;
const STATX_BASIC = 0x7ff;
/** Same number on every Linux architecture; Node's constants lack it. */
export const O_PATH = 0o10000000;
/** Node has no name for it. */
export const O_CLOEXEC = 0o2000000;
/** Relative to the working directory. */
export const AT_FDCWD = -100;

export interface FileFacts {
  /** `major:minor:inode`, what makes two names the same file. */
  readonly identity: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly size: bigint;
}

export const fileType = {
  mask: 0o170000,
  socket: 0o140000,
  regular: 0o100000,
  directory: 0o040000,
  pipe: 0o010000,
} as const;

const statBuffer = Buffer.alloc(256);

/** statx(2) of `name` in `directory` (a descriptor), without following a link; undefined when it is not there. */
export function statAt(directory: number, name: string): FileFacts | undefined {
  const result = attempt(() => libc.statx(directory, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC, statBuffer));
  return result < 0 ? undefined : readFacts();
}

/** The same, but what may not be looked at is no proof that nothing is there: throws a SyscallError then. */
export function statIfThere({ directory, name }: Pick<NameAt, 'directory' | 'name'>): FileFacts | undefined {
  try {
    check('statx', () => libc.statx(directory, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC, statBuffer));
    return readFacts();
  } catch (error) {
    if ([E.NOENT, E.NOTDIR].some((number) => number === errnoOf(error))) return undefined;
    throw error;
  }
}

/** statx(2) of an open descriptor, O_PATH ones included. */
export function statDescriptor(descriptor: number): FileFacts {
  check('statx', () => libc.statx(descriptor, '', AT_EMPTY_PATH, STATX_BASIC, statBuffer));
  return readFacts();
}

// Layout of struct statx is the same on every architecture (statx(2)).
function readFacts(): FileFacts {
  const device = `${statBuffer.readUInt32LE(136)}:${statBuffer.readUInt32LE(140)}`;
  return {
    identity: `${device}:${statBuffer.readBigUInt64LE(32)}`,
    links: statBuffer.readUInt32LE(16),
    uid: statBuffer.readUInt32LE(20),
    gid: statBuffer.readUInt32LE(24),
    mode: statBuffer.readUInt16LE(28),
    size: statBuffer.readBigUInt64LE(40),
  };
}

/** Runs with another umask, for files whose mode must not be the caller's choice. */
export function withUmask<T>(mask: number, run: () => T): T {
  const before = process.umask(mask);
  try {
    return run();
  } finally {
    process.umask(before);
  }
}

/** A name in a directory that is held open, so that it can be reached after chroot and chdir. */
export interface NameAt {
  readonly directory: number;
  readonly name: string;
  readonly path: string;
}

/**
 * Removes the name if it still is the file with that identity. Returns whether
 * nothing of ours is left under the name; false: we may not.
 */
export function removeIfSame(at: NameAt, identity: string): boolean {
  try {
    if (lookTwice(() => statIfThere(at))?.identity !== identity) return true;
  } catch {
    return false;
  }
  const remove = (): number => attempt(() => libc.unlinkat(at.directory, at.name, 0));
  const result = remove();
  // What a file system cannot do at one moment (EIO, ENOMEM) it may do at the next.
  return result === 0 || (!isForGood(result) && remove() === 0);
}

/** A look at what a start has made, once more if it fails: nobody removes what nobody could tell of. */
export function lookTwice<T>(look: () => T): T {
  try {
    return look();
  } catch {
    return look();
  }
}

function isForGood(result: number): boolean {
  return [-E.PERM, -E.ACCES, -E.ROFS].includes(result);
}

/** A text to write over a longer one: readers find it, and only newlines after it, at every moment. */
export function padWithNewlines(content: Buffer, length: number): Buffer {
  return content.length >= length
    ? content
    : Buffer.concat([content, Buffer.alloc(length - content.length, '\n')]);
}

/** Whether a file has an access control list, or gives one to what is made in it (acl(5)). */
export function hasAccessList(path: string): boolean {
  return ['access', 'default'].some((kind) => libc.getxattr(path, `system.posix_acl_${kind}`, null, 0) > 0);
}
