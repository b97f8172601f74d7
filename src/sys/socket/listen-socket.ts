// Makes the listening socket as 1.6's bind_socket does, without its holes: what
// is at the path is looked at first, its mode is right from birth, and owner and
// mode are set through a descriptor of the very file that was bound.
import { constants } from 'node:fs';
import type { Config } from '../../core/config.ts';
import { errnoOf, SpawnFcgiError } from '../../core/errors.ts';
import {
  AT_FDCWD,
  O_CLOEXEC,
  fileType,
  O_PATH,
  removeIfSame,
  statAt,
  statIfThere,
  statDescriptor,
  withUmask,
  type FileFacts,
  type NameAt,
} from '../path/file-at.ts';
import type { Identity } from '../process/identity.ts';
import { attempt, check, E, libc } from '../libc/libc.ts';
import { isNonBlocking, setNonBlocking } from './non-blocking.ts';
import { describeOpenFailure, openParent } from '../path/open-parent.ts';
import { UnsafeLinkError } from '../path/path-walk.ts';
import type { SocketAddress } from './socket-address.ts';
import {
  inodeOf,
  matchBoundFile,
  openBoundFile,
  removeStray,
  type Adjustment,
  type SocketFile,
} from './socket-file.ts';
import { unixAddress } from '../connection/unix-socket.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const AT_EMPTY_PATH = 0x1000;
const SHUT_RD = 0;

export interface ListenSocket {
  readonly descriptor: number;
  /** The socket's inode number, as in `socket:[N]` of /proc/PID/fd. It and the file change when the socket is renewed. */
  readonly inode: string;
  readonly file: SocketFile | undefined;
  /** Of the socket that was there before, and that workers may have still. */
  readonly formerInode?: string | undefined;
}

/**
 * Puts a socket that was bound anew in the place of one whose file was lost: whoever knows the old one has the new one
 * from now on, by the same descriptor. The processes that inherited the old one keep it.
 */
export function renewSocket(socket: ListenSocket, fresh: ListenSocket): void {
  const { descriptor, inode, file } = fresh;
  // A program that works with a non-blocking socket only may have found it so.
  setNonBlocking(descriptor, isNonBlocking(socket.descriptor));
  check('dup3', () => libc.dup3(descriptor, socket.descriptor, O_CLOEXEC));
  libc.close(descriptor);
  if (socket.file) libc.close(socket.file.at.directory);
  Object.assign(socket, { inode, file, formerInode: socket.inode });
}

/** Lets a TCP socket of ours listen once more that was shut down, or connected somewhere; whether it does. */
export function listenAgain(descriptor: number, backlog: number): boolean {
  if (attempt(() => libc.listen(descriptor, backlog)) === 0) return true;
  // AF_UNSPEC: it lets go of whatever it was connected to, and stays bound.
  attempt(() => libc.connect(descriptor, Buffer.alloc(16), 16));
  return attempt(() => libc.listen(descriptor, backlog)) === 0;
}

const placeAttempts = 20;

/**
 * Binds a TCP address anew while a socket of ours that is of no use any more listens there: that one is shut down first, if
 * the other may be bound at all. Who has it may let it listen again at any moment, but not beside another.
 */
export function listenInPlaceOf(
  old: number,
  address: SocketAddress,
  listen: () => ListenSocket,
): ListenSocket {
  for (let attemptsLeft = placeAttempts; ; attemptsLeft -= 1) {
    try {
      return listen();
    } catch (error) {
      if (address.kind === 'unix' || attemptsLeft === 0 || !isTaken(error)) throw error;
      libc.shutdown(old, SHUT_RD);
    }
  }
}

function isTaken(error: unknown): boolean {
  return ((error as SpawnFcgiError).cause as { errno?: number } | undefined)?.errno === E.ADDRINUSE;
}

/** Who and what a Unix socket's file is for. */
export interface SocketOwner extends Adjustment {
  /** Owners of a directory in which others may replace files: root need not be told of it. */
  readonly trustedUids: readonly number[];
  /** A descriptor of /proc, to change a mode through /proc/self/fd after chroot. */
  readonly proc: number | undefined;
}

/** 1.6's rule for who owns the socket: -U/-G, else -u/-g; 0 leaves it. */
export function socketOwner(
  config: Pick<Config, 'socketMode'>,
  worker: Identity,
  socket: Identity,
  proc: number | undefined,
): SocketOwner {
  return {
    uid: socket.uid || worker.uid,
    gid: socket.gid || worker.gid,
    mode: config.socketMode ?? 0o660 & ~currentUmask(),
    trustedUids: [worker.uid, socket.uid].filter((uid) => uid !== 0),
    proc,
  };
}

function currentUmask(): number {
  return process.umask();
}

/** Hears of the file before it can be there and right after, so that a KILL in between leaves none. */
export interface BindWitness {
  /** Nothing is at the path, and a socket of ours will be. */
  binding(): void;
  /** Undefined: it could not be bound, and what is at the path is somebody else's. */
  bound(file: SocketFile | undefined): void;
  /** We are root, and everybody may replace files in this directory. */
  exposed(directory: string): void;
}

const nobody: BindWitness = { binding: () => undefined, bound: () => undefined, exposed: () => undefined };

/** Binds and listens; throws 1.6's refusal. A failure leaves no socket file of ours, and no descriptor. */
export function listenOn(
  address: SocketAddress,
  backlog: number,
  owner: SocketOwner,
  witness = nobody,
): ListenSocket {
  return address.kind === 'unix'
    ? listenUnix(address.path, backlog, owner, witness)
    : listenTcp(address.bytes, backlog);
}

function listenTcp(bytes: Buffer, backlog: number): ListenSocket {
  return withSocket(bytes.readUInt16LE(0), (descriptor) => {
    bindTo(descriptor, bytes);
    startListening(descriptor, backlog);
    return { descriptor, inode: inodeOf(descriptor), file: undefined };
  });
}

function listenUnix(path: string, backlog: number, owner: SocketOwner, witness: BindWitness): ListenSocket {
  // 1.6 gets an abstract name from the kernel and fails at the chmod.
  if (path === '') throw new SpawnFcgiError(`couldn't chmod socket: ${libc.strerror(E.NOENT)}`);
  const at = openSocketDirectory(path);
  try {
    const isExposed = isOpenToEverybody(at, owner);
    if (isExposed) witness.exposed(directoryOf(path));
    removeStale(path, at);
    return withSocket(AF_UNIX, (descriptor) => {
      let file: SocketFile | undefined;
      try {
        file = bindFile(at, descriptor, owner, witness);
        takeFile(file, descriptor, owner, isExposed);
        startListening(descriptor, backlog);
        return { descriptor, inode: inodeOf(descriptor), file };
      } catch (error) {
        if (file) removeIfSame(at, file.identity);
        removeStray(descriptor, at, owner.proc);
        throw error;
      }
    });
  } catch (error) {
    libc.close(at.directory);
    throw error;
  }
}

/** Binds at the path; the file that is there then counts as ours only if it can be. */
function bindFile(at: NameAt, descriptor: number, owner: SocketOwner, witness: BindWitness): SocketFile {
  witness.binding();
  try {
    withUmask(~owner.mode & 0o777, () => bindTo(descriptor, unixAddress(at.path)));
  } catch (error) {
    witness.bound(undefined);
    throw error;
  }
  // What may not be looked at stays to be told of.
  const facts = statIfThere(at);
  if (!facts || !isFreshSocket(facts)) {
    witness.bound(undefined);
    throw refuseReplaced(at);
  }
  const file = { at, identity: facts.identity };
  witness.bound(file);
  return file;
}

/** Whether a file can be the one that we bound a moment ago. */
function isFreshSocket({ mode, uid, links }: FileFacts): boolean {
  return (mode & fileType.mask) === fileType.socket && uid === process.geteuid?.() && links === 1;
}

function refuseReplaced(at: NameAt): SpawnFcgiError {
  return new SpawnFcgiError(`'${at.path}' was replaced by somebody else while it was bound`);
}

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
function isOpenToEverybody(at: NameAt, owner: SocketOwner): boolean {
  if (process.getuid?.() !== 0) return false;
  const { mode, uid } = statDescriptor(at.directory);
  return (mode & 0o002) !== 0 && (mode & 0o1000) === 0 && !owner.trustedUids.includes(uid);
}

function directoryOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) || '/' : '.';
}

/** Looks at what is in the way: a stale socket is removed, all else is a refusal. */
function removeStale(path: string, at: NameAt): void {
  const facts = statAt(at.directory, at.name);
  if (!facts) return requireSearchable(at);
  if ((facts.mode & fileType.mask) === fileType.directory) throw refuseRemoval(E.ISDIR);
  if ((facts.mode & fileType.mask) !== fileType.socket) {
    throw new SpawnFcgiError(`'${path}' exists and is not a socket`, {
      hints: ['nothing was removed; name another path for -s, or remove the file yourself'],
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

/**
 * Holds the file just bound by O_PATH|O_NOFOLLOW, checks that it is that socket, and sets mode and owner through the
 * descriptor. Where others may put something else in its place, another socket of root's too, and the kernel does not
 * tell which file is ours, nothing is changed.
 */
function takeFile(
  { at, identity }: SocketFile,
  descriptor: number,
  owner: SocketOwner,
  isExposed: boolean,
): void {
  const byKernel = openBoundFile(descriptor);
  const file = byKernel ?? openByName(at);
  try {
    const facts = statDescriptor(file);
    const match = byKernel === undefined ? matchBoundFile(inodeOf(descriptor), facts.identity) : 'same';
    if (!isFreshSocket(facts) || facts.identity !== identity || match === 'other') throw refuseReplaced(at);
    // Needed only for bits above 0777 and where a default ACL overrules the umask.
    const changesMode = (facts.mode & 0o7777) !== owner.mode;
    const changesOwner = owner.uid !== 0 || owner.gid !== 0;
    if (isExposed && match === 'unknown' && (changesMode || changesOwner)) throw refuseUnproven(at);
    if (changesMode) setMode(file, owner);
    if (changesOwner) setOwner(file, owner);
  } finally {
    libc.close(file);
  }
}

function openByName(at: NameAt): number {
  const file = attempt(() =>
    libc.openat(at.directory, at.name, O_PATH | O_CLOEXEC | constants.O_NOFOLLOW, 0),
  );
  if (file === -E.NOENT) throw refuseReplaced(at);
  if (file < 0) throw refuse('openat', file);
  return file;
}

function refuseUnproven(at: NameAt): SpawnFcgiError {
  const directory = directoryOf(at.path);
  return new SpawnFcgiError(
    `refusing to change owner or mode in '${directory}': everybody may replace files there, and this system does not tell which is ours`,
    { hints: [`set the sticky bit: chmod +t ${directory}`] },
  );
}

function setMode(file: number, owner: SocketOwner): void {
  const path = owner.proc === undefined ? `/proc/self/fd/${file}` : `${process.pid}/fd/${file}`;
  const result = attempt(() => libc.fchmodat(owner.proc ?? AT_FDCWD, path, owner.mode, 0));
  if (result < 0) throw new SpawnFcgiError(`couldn't chmod socket: ${libc.strerror(-result)}`);
}

function setOwner(file: number, owner: SocketOwner): void {
  if (process.getuid?.() !== 0) return;
  const keep = 0xffffffff;
  const result = attempt(() => libc.fchownat(file, '', owner.uid || keep, owner.gid || keep, AT_EMPTY_PATH));
  if (result < 0) throw new SpawnFcgiError(`couldn't chown socket: ${libc.strerror(-result)}`);
}

/** Runs with a new socket, which stays open only if that succeeds: a start that waits for a port tries often. */
function withSocket<T>(family: number, run: (descriptor: number) => T): T {
  const descriptor = createSocket(family);
  try {
    return run(descriptor);
  } catch (error) {
    libc.close(descriptor);
    throw error;
  }
}

function createSocket(family: number): number {
  const descriptor = attempt(() => libc.socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (descriptor < 0) {
    throw new SpawnFcgiError(`couldn't create socket: ${libc.strerror(-descriptor)}`, {
      cause: { syscall: 'socket', errno: -descriptor },
    });
  }
  const one = Buffer.alloc(4);
  one.writeInt32LE(1);
  const result = attempt(() => libc.setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, one, 4));
  if (result < 0) throw new SpawnFcgiError(`couldn't set SO_REUSEADDR: ${libc.strerror(-result)}`);
  return descriptor;
}

function bindTo(descriptor: number, bytes: Buffer): void {
  const result = attempt(() => libc.bind(descriptor, bytes, bytes.length));
  if (result < 0) throw refuse('bind', result);
}

function startListening(descriptor: number, backlog: number): void {
  const result = attempt(() => libc.listen(descriptor, backlog));
  if (result < 0) throw refuse('listen', result);
}

function refuse(call: string, negativeErrno: number): SpawnFcgiError {
  return new SpawnFcgiError(`${call} failed: ${libc.strerror(-negativeErrno)}`, {
    cause: { syscall: call, errno: -negativeErrno },
  });
}
