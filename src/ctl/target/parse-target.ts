// What a TARGET may mean, by its form alone. Pure.
import { parseWhole } from '../../core/quantity.ts';

export const maxPort = 65_535;

export type Target =
  /** The PID of a supervisor, or a port. */
  | { readonly kind: 'number'; readonly number: number }
  /** `host` is an address or a name; empty: any. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  /** A Unix socket without a file (unix(7)). */
  | { readonly kind: 'abstract'; readonly name: string }
  /** A PID file or a socket. */
  | { readonly kind: 'path'; readonly path: string };

/** Undefined for what can be none. A path that looks like a number, a name or an address is written with `./`. */
export function parseTarget(text: string): Target | undefined {
  if (text === '') return undefined;
  if (/^\d+$/.test(text)) {
    const number = parseWhole(text, 1, 2 ** 31 - 1);
    return number === undefined ? undefined : { kind: 'number', number };
  }
  if (/^@./.test(text)) return { kind: 'abstract', name: text.slice(1) };
  const match = /^(?:\[([^[\]/]+)\]|([^[\]/:]*)):(\d+)$/.exec(text);
  if (!match) return { kind: 'path', path: text };
  const port = parseWhole(match[3] ?? '', 1, maxPort);
  return port === undefined ? undefined : { kind: 'tcp', host: match[1] ?? match[2] ?? '', port };
}

export interface Endpoint {
  readonly ip: string;
  readonly port: number;
}

/** The IP address and port of a pool's address; undefined for that of a socket file. */
export function parseEndpoint(address: string): Endpoint | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([\d.]+)):(\d+)$/.exec(address);
  return match ? { ip: match[1] ?? match[2] ?? '', port: Number(match[3]) } : undefined;
}

/** An IP address as pools write theirs (`127.1` is 127.0.0.1, `::0:1` is ::1); undefined for a name. */
export function canonicalIp(host: string): string | undefined {
  const isSix = host.includes(':');
  if (!isSix && !/^[\d.]+$/.test(host)) return undefined;
  try {
    const { hostname } = new URL(isSix ? `http://[${host}]` : `http://${host}`);
    return isSix ? hostname.slice(1, -1) : hostname;
  } catch {
    return undefined;
  }
}
