// A step of a start: where the pool will listen, and by which name that is known. Nothing is made before the host name
// is resolved.
import type { Config } from '../../core/config.ts';
import { formatAddress, type BoundAddress } from '../../core/pool-id.ts';
import type { SocketAddress } from '../../sys/socket/socket-address.ts';
import { nameAddress, resolveListenAddress } from '../address/listen-address.ts';
import type { Given } from '../start-given.ts';

export interface Place {
  /** For bind(2), seen from where it is called. */
  readonly target: SocketAddress;
  /** Seen from outside any chroot, links resolved. */
  readonly bound: BoundAddress;
  /** The same for people, and for who looks the pool up. */
  readonly address: string;
  /** Where clients find a Unix socket, from where we are after any chroot; undefined: there is no such path any more. */
  readonly clientPath: string | undefined;
}

export async function findPlace({ config }: Pick<Given, 'config'>): Promise<Place> {
  const target = await resolveListenAddress(config.listen);
  const bound = nameAddress(target, config.socketBeforeChroot ? undefined : config.chroot);
  return { target, bound, address: formatAddress(bound), clientPath: clientPathOf(config, target, bound) };
}

/** As a client names it that sees what we see. */
function clientPathOf(
  { chroot, socketBeforeChroot }: Config,
  target: SocketAddress,
  bound: BoundAddress,
): string | undefined {
  if (target.kind === 'tcp' || bound.kind === 'tcp') return undefined;
  if (chroot === undefined) return bound.path;
  return !socketBeforeChroot && target.path.startsWith('/') ? target.path : undefined;
}
