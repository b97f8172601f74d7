// From -a/-p/-s to an address that bind(2) takes: IP forms as 1.6 reads them, else
// a host name. The only place that asks the resolver.
import { join } from 'node:path';
import type { ListenAddress } from '../../core/config.ts';
import { SpawnFcgiError } from '../../core/errors.ts';
import type { BoundAddress } from '../../core/pool-id.ts';
import { E, libc } from '../../sys/libc/libc.ts';
import { parseIp, type SocketAddress } from '../../sys/socket/socket-address.ts';
import { resolveInRoot } from '../../sys/path/resolve-in-root.ts';
import { resolveLinks } from '../../sys/path/resolve-links.ts';

/** One that we bind ourselves. */
export type OwnAddress = Exclude<ListenAddress, { kind: 'given' }>;

/** The address to bind; a host name gives its first IPv4 address, else its first IPv6 one. */
export async function resolveListenAddress(listen: OwnAddress): Promise<SocketAddress> {
  if (listen.kind === 'unix') return listen;
  const { host, port } = listen;
  const literal = parseIp(host, port);
  if (literal || host === undefined) return literal ?? refuse(host ?? '', undefined);
  // Digits and dots, or a colon, can only be a mistyped address.
  if (host === '' || /^[\d.]+$/.test(host) || host.includes(':')) return refuse(host, undefined);
  const ip = await resolveName(host);
  return (ip === undefined ? undefined : parseIp(ip, port)) ?? refuse(host, `no such host name: '${host}'`);
}

function refuse(host: string, hint: string | undefined): never {
  throw new SpawnFcgiError(`'${host}' is not a valid IP address`, {
    hints: hint === undefined ? [] : [hint],
  });
}

function resolveName(host: string): Promise<string | undefined> {
  return new Promise((done) => {
    // Loaded for names only: it costs 4 ms.
    process
      .getBuiltinModule('node:dns')
      .lookup(host, { all: true, order: 'ipv4first' }, (error, addresses) => {
        done(error ? undefined : addresses[0]?.address);
      });
  });
}

/**
 * Where the pool will be, as one name for it, seen from here: links in the directory part resolved as
 * bind(2) will resolve them.
 */
export function nameAddress(address: SocketAddress, chroot: string | undefined): BoundAddress {
  if (address.kind !== 'unix') return address;
  const { path } = address;
  const name = path.slice(path.lastIndexOf('/') + 1);
  const directory = path.slice(0, path.length - name.length);
  try {
    const found =
      chroot === undefined ? resolveLinks(directory || '.') : resolveInRoot(resolveLinks(chroot), directory);
    return { kind: 'unix', path: join(found, name) };
  } catch (error) {
    // A relative path in a working directory that was removed: what bind(2) would say.
    throw new SpawnFcgiError(`bind failed: ${libc.strerror(E.NOENT)}`, { cause: error });
  }
}
