// A step of a start: where the pool will listen, and by which name that is known. Nothing is made before the host name
// is resolved.
import type { Config } from '../../core/config.ts';
import { SpawnFcgiError } from '../../core/errors.ts';
import { formatAddress, type BoundAddress } from '../../core/pool-id.ts';
import { AT_FDCWD, statAt } from '../../sys/path/file-at.ts';
import type { SocketAddress } from '../../sys/socket/socket-address.ts';
import { nameAddress, resolveListenAddress } from '../address/listen-address.ts';
import { isBoundTo } from '../../sys/socket/socket-file.ts';
import type { GivenSocket } from '../choose-given.ts';
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

export async function findPlace({ config, given }: Pick<Given, 'config' | 'given'>): Promise<Place> {
  const { listen, chroot } = config;
  if (given) return placeOf(given, chroot);
  // Where one was asked for that is not there, nobody comes here.
  if (listen.kind === 'given') throw new SpawnFcgiError('no socket given (use either -p or -s)');
  const target = await resolveListenAddress(listen);
  const bound = nameAddress(target, config.socketBeforeChroot ? undefined : config.chroot);
  return { target, bound, address: formatAddress(bound), clientPath: clientPathOf(config, target, bound) };
}

/** As a client names it that sees what we see. */
function clientPathOf(
  { chroot, socketBeforeChroot }: Config,
  target: SocketAddress,
  bound: BoundAddress,
): string | undefined {
  if (target.kind !== 'unix' || bound.kind !== 'unix') return undefined;
  if (chroot === undefined) return bound.path;
  return !socketBeforeChroot && target.path.startsWith('/') ? target.path : undefined;
}

/** A path may lead nowhere from here, or elsewhere (PrivateTmp=, a chroot): then it is known by its name alone. */
function placeOf({ descriptor, address: target, label }: GivenSocket, chroot: string | undefined): Place {
  if (target.kind !== 'unix') {
    const clientPath = target.kind === 'abstract' ? `\0${target.name}` : undefined;
    return { target, bound: target, address: formatAddress(target), clientPath };
  }
  const { path } = target;
  const there = statAt(AT_FDCWD, path)?.identity;
  const isThere = there !== undefined && isBoundTo(descriptor, there, true);
  if (!isThere && !path.startsWith('/')) {
    throw new SpawnFcgiError(
      `the socket that was given, ${label}, is bound to '${path}', which does not lead to it`,
      {
        hints: [
          'it was bound from another directory: start where that is, or have it bound by an absolute path',
        ],
      },
    );
  }
  const bound = isThere ? nameAddress(target, undefined) : target;
  const clientPath = isThere && chroot === undefined ? formatAddress(bound) : undefined;
  return { target, bound, address: formatAddress(bound), clientPath };
}
