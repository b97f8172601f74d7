// Addresses for bind(2): IP addresses in every form that 1.6 takes, and paths of Unix sockets.
import { libc } from '../libc/libc.ts';
import { AF_INET, AF_INET6 } from '../libc/socket-numbers.ts';

/** An address that is ready for bind(2). */
export type SocketAddress =
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

function inet4(ip: Buffer, port: number): SocketAddress {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  ip.copy(bytes, 4);
  return { kind: 'tcp', family: 4, bytes, ip: ip.join('.'), port };
}

function inet6(ip: Buffer, port: number): SocketAddress {
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
