// The file of a Unix socket: whether it is at its path still, whether a socket was bound to it, and its mode and
// owner. Everything goes by device and inode, and changes by a descriptor of the file itself.
import { constants } from 'node:fs';
import { basename, dirname } from 'node:path';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  O_CLOEXEC,
  O_PATH,
  removeIfSame,
  statAt,
  statDescriptor,
  statIfThere,
  type NameAt,
} from '../path/file-at.ts';
import { attempt, libc } from '../libc/libc.ts';
import { openParent } from '../path/open-parent.ts';
import { askUnixDiag, unixDiag } from '../socket-state/unix-diag.ts';

const SIOCUNIXFILE = 0x89e0;
const longestPath = 4096;

/** The file of a Unix socket that is a pool's. */
export interface SocketFile {
  readonly at: NameAt;
  readonly identity: string;
}

/** What mode and owner a socket file shall have; ids of 0 are root's. */
export interface Adjustment {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** What became of it: it is there, nothing is there, or another file is. */
export type Standing = 'ours' | 'gone' | 'replaced';

/**
 * Seen from the directory that it was bound in, whatever our root and working directory are by now. One that we may not
 * look into (0750 and of the web server's group) has not lost it because of that.
 */
export function standingOf({ at, identity }: SocketFile): Standing {
  try {
    const facts = statIfThere(at);
    if (!facts) return 'gone';
    return facts.identity === identity ? 'ours' : 'replaced';
  } catch {
    return 'ours';
  }
}

/**
 * Gives a socket file that was bound by an earlier start the mode and owner of this one (that it has, without one), by a
 * descriptor of the file itself. False: we may not, or it is another file by now.
 */
export function adjustSocketFile(
  { at, identity }: SocketFile,
  wanted: Pick<Adjustment, 'mode'> & Partial<Adjustment>,
): boolean {
  const file = attempt(() =>
    libc.openat(at.directory, at.name, O_PATH | O_CLOEXEC | constants.O_NOFOLLOW, 0),
  );
  if (file < 0) return false;
  try {
    const facts = statDescriptor(file);
    if (facts.identity !== identity) return false;
    const { uid = facts.uid, gid = facts.gid } = wanted;
    const isOwned = facts.uid === uid && facts.gid === gid;
    const owner = (): number => libc.fchownat(file, '', uid, gid, AT_EMPTY_PATH);
    const mode = (): number => libc.fchmodat(AT_FDCWD, `/proc/self/fd/${file}`, wanted.mode, 0);
    const isDone = isOwned || attempt(owner) === 0;
    // A change of owner may clear bits of the mode.
    return isDone && ((statDescriptor(file).mode & 0o7777) === wanted.mode || attempt(mode) === 0);
  } finally {
    libc.close(file);
  }
}

/** A descriptor (O_PATH) of the very file that the socket was bound to; undefined without CAP_NET_ADMIN (unix(7)). */
export function openBoundFile(descriptor: number): number | undefined {
  const file = attempt(() => libc.ioctl(descriptor, SIOCUNIXFILE, 'int', 0));
  return file < 0 ? undefined : file;
}

/**
 * Removes the file that a socket was bound to, if it is in another directory than it was meant for: bind(2) goes by a
 * path, and somebody may have switched a directory on the way. `proc` is a descriptor of /proc. Takes CAP_NET_ADMIN.
 */
export function removeStray(descriptor: number, meant: NameAt, proc?: number): void {
  const file = openBoundFile(descriptor);
  if (file === undefined) return;
  try {
    const own = proc === undefined ? `/proc/self/fd/${file}` : `${process.pid}/fd/${file}`;
    const bytes = Buffer.alloc(longestPath);
    const length = attempt(() => libc.readlinkat(proc ?? AT_FDCWD, own, bytes, bytes.length));
    if (length <= 0) return;
    const at = openParent(bytes.toString('utf8', 0, length));
    const isElsewhere = statDescriptor(at.directory).identity !== statDescriptor(meant.directory).identity;
    if (isElsewhere) removeIfSame(at, statDescriptor(file).identity);
    libc.close(at.directory);
  } catch {
    // It is not reachable by a name any more.
  } finally {
    libc.close(file);
  }
}

/** `inode`: its number is the same, but devices are numbered in another way (overlay, btrfs). */
export type Match = 'same' | 'inode' | 'other' | 'unknown';

/** Whether the file with that identity is the one that the socket was bound to; needs no privilege. */
export function matchBoundFile(socketInode: string, identity: string): Match {
  const facts = askUnixDiag(socketInode, unixDiag.file);
  if (!facts) return 'unknown';
  const [major = 0, minor = 0, inode = '0'] = identity.split(':').map(String);
  // struct unix_diag_vfs has 32 bits of the inode, and the device as the kernel numbers it.
  if (facts.readUInt32LE(0) !== Number(BigInt(inode) & 0xffff_ffffn)) return 'other';
  return facts.readUInt32LE(4) === ((Number(major) << 20) | Number(minor)) >>> 0 ? 'same' : 'inode';
}

/** The same as a yes or no for who knows the name that the socket was bound by. */
export function isBoundTo(descriptor: number, identity: string, hasName: boolean): boolean {
  const file = openBoundFile(descriptor);
  if (file === undefined) {
    const match = matchBoundFile(inodeOf(descriptor), identity);
    return match === 'same' || (match !== 'other' && hasName);
  }
  try {
    return statDescriptor(file).identity === identity;
  } finally {
    libc.close(file);
  }
}

/** Whether two paths name the same entry of the same directory, however each is spelled. */
export function isSamePath(one: string, other: string): boolean {
  if (one === other) return true;
  if (one === '' || other === '' || basename(one) !== basename(other)) return false;
  const directory = directoryIdentity(one);
  return directory !== undefined && directory === directoryIdentity(other);
}

/** Device and inode of the directory that a path is in, links followed; undefined: there is none. */
function directoryIdentity(path: string): string | undefined {
  // A dot behind it, since the last part of a path is not followed.
  return statAt(AT_FDCWD, `${dirname(path)}/.`)?.identity;
}

/** Of an open socket, as in `socket:[N]` of /proc/PID/fd. */
export function inodeOf(descriptor: number): string {
  return statDescriptor(descriptor).identity.split(':')[2] ?? '';
}
