// The name of a pool's files: its address as bound, as one file name.

/** sizeof(sun_path) - 1. */
export const maxSocketPath = 107;

/** A Unix socket without a file, `@name` (unix(7)): only somebody else can have given it to us. */
export interface AbstractAddress {
  readonly kind: 'abstract';
  readonly name: string;
}

/** What a pool is bound to; `path` is absolute as seen from outside any chroot. */
export type BoundAddress =
  | { readonly kind: 'tcp'; readonly family: 4 | 6; readonly ip: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }
  | AbstractAddress;

/** The address for people: `127.0.0.1:9000`, `[::1]:9000`, `/run/app.sock`, `@app`. */
export function formatAddress(address: BoundAddress): string {
  if (address.kind === 'unix') return address.path;
  if (address.kind === 'abstract') return `@${address.name}`;
  return address.family === 6 ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`;
}

/** The reverse; undefined for what is no address. */
export function parseAddress(text: string): BoundAddress | undefined {
  if (text.startsWith('/')) return { kind: 'unix', path: text };
  if (text.startsWith('@')) return { kind: 'abstract', name: text.slice(1) };
  const match = /^(?:\[([0-9a-f:.]+)\]|([\d.]+)):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const [, six, four = '', port] = match;
  return { kind: 'tcp', family: six === undefined ? 4 : 6, ip: six ?? four, port: Number(port) };
}

/**
 * The pool's ID as a file name: `/` and `%` percent-encoded. A name too long
 * for a directory entry (255 bytes with the suffix) keeps its end and gets a
 * hash of the whole in front.
 */
export function poolId(address: BoundAddress, hash: (text: string) => string): string {
  const escaped = formatAddress(address).replace(/[%/]/g, (char) => (char === '/' ? '%2F' : '%25'));
  if (new TextEncoder().encode(escaped).length <= 240) return escaped;
  const end = [...escaped].slice(-100);
  while (new TextEncoder().encode(end.join('')).length > 200) end.shift();
  return `${hash(escaped).slice(0, 32)}~${end.join('')}`;
}

/** The reverse of poolId's escapes; of an address that was shortened only the end. */
export function addressOfId(id: string): string {
  return id.replaceAll(/%2F|%25/g, (escape) => (escape === '%2F' ? '/' : '%'));
}
