// What a socket says of itself: its own address, and its numeric options.
import { attempt, libc } from '../libc/libc.ts';
import { addressOf } from '../libc/memory.ts';
import { poll, POLLHUP } from '../libc/poll.ts';
import { SOL_SOCKET, SO_ATTACH_FILTER } from '../libc/socket-numbers.ts';

const SIOCINQ = 0x541b;
const SO_GET_FILTER = 26;
const SO_NETNS_COOKIE = 71;
/** Options of SOL_SOCKET that are read here (asm-generic/socket.h). */
const option = { type: 3, error: 4, isListening: 30, protocol: 38, domain: 39 } as const;

/** getsockname(2): an accepted socket has the name of the one it came from. Empty for what is no socket. */
export function localAddress(descriptor: number): Buffer {
  const bytes = Buffer.alloc(128);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  const result = attempt(() => libc.getsockname(descriptor, bytes, length));
  return result < 0 ? Buffer.alloc(0) : bytes.subarray(0, Math.min(bytes.length, length.readUInt32LE()));
}

/** An int of getsockopt(2); undefined for what is no socket. */
export function socketOption(descriptor: number, name: keyof typeof option): number | undefined {
  const value = Buffer.alloc(4);
  const length = Buffer.of(4, 0, 0, 0);
  const result = libc.getsockopt(descriptor, SOL_SOCKET, option[name], value, length);
  return result === 0 ? value.readInt32LE() : undefined;
}

/** Any option as its bytes; undefined where the kernel does not tell. */
export function rawOption(descriptor: number, level: number, name: number, bytes = 4): Buffer | undefined {
  const value = Buffer.alloc(bytes);
  const length = Buffer.of(bytes, 0, 0, 0);
  const result = attempt(() => libc.getsockopt(descriptor, level, name, value, length));
  return result === 0 ? value.subarray(0, length.readUInt32LE()) : undefined;
}

/** Whether the kernel took it. */
export function setRawOption(descriptor: number, level: number, name: number, value: Buffer): boolean {
  return attempt(() => libc.setsockopt(descriptor, level, name, value, value.length)) === 0;
}

/** The filter of a socket, empty without one; undefined where it cannot be told. Its length counts instructions. */
export function attachedFilter(descriptor: number): Buffer | undefined {
  const length = Buffer.alloc(4);
  const ask = (into: Buffer): number =>
    attempt(() => libc.getsockopt(descriptor, SOL_SOCKET, SO_GET_FILTER, into, length));
  if (ask(Buffer.alloc(8)) < 0) return undefined;
  const program = Buffer.alloc(8 * length.readUInt32LE());
  return program.length === 0 || ask(program) === 0 ? program : undefined;
}

/** A program of classic BPF (struct sock_filter each instruction, in struct sock_fprog); the result is setsockopt(2)'s. */
export function attachFilter(descriptor: number, filter: Buffer): number {
  const program = Buffer.alloc(16);
  program.writeUInt16LE(filter.length / 8);
  program.writeBigUInt64LE(addressOf(filter), 8);
  return libc.setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, program, program.length);
}

/** A number that no two network namespaces share; undefined before Linux 5.14. */
export function namespaceOf(descriptor: number): bigint | undefined {
  return rawOption(descriptor, SOL_SOCKET, SO_NETNS_COOKIE, 8)?.readBigUInt64LE();
}

/** What has come and was not read yet; undefined where that cannot be asked. */
export function unreadBytes(descriptor: number): number | undefined {
  const count = Buffer.alloc(4);
  return attempt(() => libc.ioctlPointer(descriptor, SIOCINQ, 'void *', count)) < 0
    ? undefined
    : count.readInt32LE();
}

/** Whether nothing can come or be sent any more: for a Unix socket as soon as its peer has closed. */
export function isHungUp(descriptor: number): boolean {
  return (poll(descriptor, 0) & POLLHUP) !== 0;
}
