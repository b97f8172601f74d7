// Sockets for asking a worker: one that nobody else can reach, for a worker beside the
// pool, and connections to a listening socket of ours, whatever its path is by now.
import { lstatSync, mkdtempSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { SyscallError } from '../../core/errors.ts';
import { statDescriptor, withUmask } from '../path/file-at.ts';
import { attempt, check, E, libc } from '../libc/libc.ts';
import { AF_INET, AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from '../libc/socket-numbers.ts';
import { unixAddress } from './unix-socket.ts';

/** Of the directories in which a private socket has its name for a moment; what stays there is swept by the next one. */
const directoryPrefix = 'spawn-fcgi-trial-';
/** Younger ones may be in use, by a process that cannot be seen from here (a container that shares /tmp). */
const leftoverAgeMs = 10_000;

const loopback4 = 0x7f000001;
const backlog = 16;
/** The kernel takes no more than net.core.somaxconn. */
const longBacklog = 65_535;

export interface PrivateSocket {
  readonly descriptor: number;
  readonly inode: string;
  /** One connection that waits in its queue, where it was asked for. */
  readonly connection: number | undefined;
}

/**
 * A listening socket of the same family. A Unix one has lost its name already, so that nobody can
 * connect: programs run code for whoever does. For a pool on TCP it is a port of the
 * loopback interface, which is no more open than the pool's own.
 */
export function listenPrivately(like: number, connects: boolean): PrivateSocket {
  const family = localAddress(like).readUInt16LE(0);
  const descriptor = check('socket', () => libc.socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  try {
    const connection =
      family === AF_UNIX
        ? listenUnseen(descriptor, connects)
        : listenOnLoopback(descriptor, family, connects);
    const inode = statDescriptor(descriptor).identity.split(':')[2] ?? '';
    return { descriptor, inode, connection };
  } catch (error) {
    libc.close(descriptor);
    throw error;
  }
}

function listenOnLoopback(descriptor: number, family: number, connects: boolean): number | undefined {
  const address = loopbackAddress(family);
  check('bind', () => libc.bind(descriptor, address, address.length));
  check('listen', () => libc.listen(descriptor, backlog));
  return connects ? connectTo(descriptor) : undefined;
}

/** In a directory of our own for the moment that it takes, then unlinked. Named for who would leave it, if killed there. */
function listenUnseen(descriptor: number, connects: boolean): number | undefined {
  sweepLeftovers();
  const directory = withUmask(0o077, () => mkdtempSync(`/tmp/${directoryPrefix}${process.pid}-`));
  const path = `${directory}/socket`;
  try {
    const address = unixAddress(path);
    withUmask(0o077, () => check('bind', () => libc.bind(descriptor, address, address.length)));
    check('listen', () => libc.listen(descriptor, backlog));
    return connects ? connectTo(descriptor) : undefined;
  } finally {
    removeDirectory(directory);
  }
}

/** What a call that failed, or a kill, has left of ours: nobody is in there for longer than some microseconds. */
function sweepLeftovers(): void {
  quietly(() => {
    for (const name of readdirSync('/tmp')) {
      if (!name.startsWith(directoryPrefix)) continue;
      const facts = lstatSync(`/tmp/${name}`);
      const isLeft =
        Date.now() - facts.mtimeMs > leftoverAgeMs || name.startsWith(`${directoryPrefix}${process.pid}-`);
      const isOurs = facts.uid === process.getuid?.() && facts.isDirectory();
      if (isOurs && isLeft) removeDirectory(`/tmp/${name}`);
    }
  });
}

/** Each step twice: what a file system cannot do at one moment (EIO) it may do at the next. */
function removeDirectory(directory: string): void {
  for (const step of [() => unlinkSync(`${directory}/socket`), () => rmdirSync(directory)]) {
    if (!quietly(step)) quietly(step);
  }
}

/** Whether it went well. */
function quietly(step: () => void): boolean {
  try {
    step();
    return true;
  } catch {
    return false;
  }
}

/**
 * A connection to that listening socket, close-on-exec and non-blocking; waits in its queue until somebody accepts it.
 * On TCP it may be on its way there still. Throws EAGAIN where a Unix socket's queue is full.
 */
function connectTo(listening: number): number {
  const address = reachableAddress(localAddress(listening));
  const family = address.readUInt16LE(0);
  const type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  const descriptor = check('socket', () => libc.socket(family, type, 0));
  const result = attempt(() => libc.connect(descriptor, address, address.length));
  if (result === 0 || result === -E.INPROGRESS) return descriptor;
  libc.close(descriptor);
  throw new SyscallError('connect', -result, libc.strerror(-result));
}

/** The same for a socket whose queue others may have filled: for this moment it has room for more. Undefined: not enough. */
export function connectAhead(listening: number, itsBacklog: number): number | undefined {
  attempt(() => libc.listen(listening, longBacklog));
  try {
    return connectIfRoom(listening);
  } finally {
    attempt(() => libc.listen(listening, itsBacklog));
  }
}

/** Undefined: the queue is full now. */
export function connectIfRoom(listening: number): number | undefined {
  try {
    return connectTo(listening);
  } catch (error) {
    if (error instanceof SyscallError && error.errno === E.AGAIN) return undefined;
    throw error;
  }
}

/** getsockname(2). */
function localAddress(descriptor: number): Buffer {
  const bytes = Buffer.alloc(128);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  check('getsockname', () => libc.getsockname(descriptor, bytes, length));
  return bytes.subarray(0, Math.min(bytes.length, length.readUInt32LE()));
}

function loopbackAddress(family: number): Buffer {
  const bytes = Buffer.alloc(family === AF_INET ? 16 : 28);
  bytes.writeUInt16LE(family, 0);
  if (family === AF_INET) bytes.writeUInt32BE(loopback4, 4);
  else bytes[23] = 1;
  return bytes;
}

/** "Every address" is reached by the loopback one. */
export function reachableAddress(address: Buffer): Buffer {
  const family = address.readUInt16LE(0);
  if (family === AF_UNIX) return address;
  const host = family === AF_INET ? address.subarray(4, 8) : address.subarray(8, 24);
  if (host.some((byte) => byte !== 0)) return address;
  const port = address.readUInt16BE(2);
  const bytes = loopbackAddress(family);
  bytes.writeUInt16BE(port, 2);
  return bytes;
}
