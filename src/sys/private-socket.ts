// Sockets for asking a worker: one that only we know, for a worker beside the pool,
// and connections to a listening socket of ours, whatever its path is by now.
import { closeSync } from 'node:fs';
import { check, libc } from './libc.ts';

const AF_UNIX = 1;
const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const loopback4 = 0x7f000001;

/** A listening socket of the same family: an abstract name that the kernel chose, or a port of the loopback interface. */
export function listenPrivately(like: number): number {
  const family = localAddress(like).readUInt16LE(0);
  const descriptor = check('socket', () => libc.socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const address = loopbackAddress(family);
  check('bind', () => libc.bind(descriptor, address, address.length));
  check('listen', () => libc.listen(descriptor, 16));
  return descriptor;
}

/** A connection to that listening socket, close-on-exec; waits in its queue until somebody accepts it. */
export function connectTo(listening: number): number {
  const address = reachable(localAddress(listening));
  const family = address.readUInt16LE(0);
  const descriptor = check('socket', () => libc.socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  try {
    check('connect', () => libc.connect(descriptor, address, address.length));
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  return descriptor;
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
  // Only the family: the kernel chooses an abstract name (unix(7), "autobind").
  if (family === AF_UNIX) return Buffer.of(AF_UNIX, 0);
  const bytes = Buffer.alloc(family === AF_INET ? 16 : 28);
  bytes.writeUInt16LE(family, 0);
  if (family === AF_INET) bytes.writeUInt32BE(loopback4, 4);
  else bytes[23] = 1;
  return bytes;
}

/** "Every address" is reached by the loopback one. */
function reachable(address: Buffer): Buffer {
  const family = address.readUInt16LE(0);
  if (family === AF_UNIX) return address;
  const host = family === AF_INET ? address.subarray(4, 8) : address.subarray(8, 24);
  if (host.some((byte) => byte !== 0)) return address;
  const port = address.readUInt16BE(2);
  const bytes = loopbackAddress(family);
  bytes.writeUInt16BE(port, 2);
  return bytes;
}
