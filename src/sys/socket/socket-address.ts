// Addresses of sockets: IP addresses in every form that 1.6 takes, paths of Unix sockets; and what the kernel says that a
// socket is bound to.
import type { AbstractAddress } from '../../core/pool-id.ts';
import { libc } from '../libc/libc.ts';
import { AF_INET, AF_INET6, AF_UNIX } from '../libc/socket-numbers.ts';

/** An address for bind(2), but for an abstract one, which is never bound here. */
export type SocketAddress =
  | AbstractAddress
  | {
      readonly kind: 'tcp';
      readonly family: 4 | 6;
      readonly bytes: Buffer;
      readonly ip: string;
      readonly port: number;
    }
  | { readonly kind: 'unix'; readonly path: string };

/** An IP address in any form inet_addr(3) or inet_pton(3) takes; undefined for anything else. */
export function parseIp(host: string | undefined, port: number): SocketAddress | undefined {
  const four = Buffer.alloc(4);
  if (host === undefined) return inet4(four, port);
  // 1.6 uses inet_addr, for which 255.255.255.255 is the error value.
  if (libc.inetAton(host, four) === 1 && four.readUInt32LE() !== 0xffffffff) return inet4(four, port);
  const sixteen = Buffer.alloc(16);
  return libc.inetPton(AF_INET6, host, sixteen) === 1 ? inet6(sixteen, port) : undefined;
}

/** Of getsockname(2); undefined: it has no name, or one that is no text, or it is of another family. */
export function readSocketAddress(name: Buffer): SocketAddress | undefined {
  const family = name.length < 2 ? undefined : name.readUInt16LE(0);
  if (family === AF_INET) return inet4(name.subarray(4, 8), name.readUInt16BE(2));
  // With its scope, which a link-local address has.
  if (family === AF_INET6)
    return { ...inet6(name.subarray(8, 24), name.readUInt16BE(2)), bytes: Buffer.from(name) };
  return family === AF_UNIX ? readUnixAddress(name.subarray(2)) : undefined;
}

function readUnixAddress(name: Buffer): SocketAddress | undefined {
  const isAbstract = name[0] === 0;
  const end = name.indexOf(0, 1);
  const bytes = isAbstract ? name.subarray(1) : name.subarray(0, end < 0 ? name.length : end);
  const text = bytes.toString();
  const isText = bytes.length > 0 && !text.includes('\0') && Buffer.from(text).equals(bytes);
  if (!isText) return undefined;
  return isAbstract ? { kind: 'abstract', name: text } : { kind: 'unix', path: text };
}

type TcpAddress = Extract<SocketAddress, { kind: 'tcp' }>;

function inet4(ip: Buffer, port: number): TcpAddress {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  ip.copy(bytes, 4);
  return { kind: 'tcp', family: 4, bytes, ip: ip.join('.'), port };
}

function inet6(ip: Buffer, port: number): TcpAddress {
  const bytes = Buffer.alloc(28);
  bytes.writeUInt16LE(AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  ip.copy(bytes, 8);
  const groups = Array.from({ length: 8 }, (_unused, index) => ip.readUInt16BE(index * 2).toString(16)).join(
    ':',
  );
  // The URL parser writes IPv6 in its canonical short form.
  return { kind: 'tcp', family: 6, bytes, ip: new URL(`http://[${groups}]`).hostname.slice(1, -1), port };
}
