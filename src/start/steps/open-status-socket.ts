// A step of a start: the socket of --status-socket, before chroot and the drop of privileges. The one of the supervisor that
// gives us its pool is taken over if it is at the same address, so that nobody who asks meanwhile is refused. And the page
// that is answered there.
import { openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SpawnFcgiError } from '../../core/errors.ts';
import { formatAddress, type BoundAddress } from '../../core/pool-id.ts';
import { statusBacklog } from '../../sys/connection/unix-socket.ts';
import { listenOn, type ListenSocket } from '../../sys/socket/listen-socket.ts';
import type { SocketAddress } from '../../sys/socket/socket-address.ts';
import { inodeOf } from '../../sys/socket/socket-file.ts';
import { checkListeningSocket } from '../../sys/socket/take-socket.ts';
import type { SocketOwner } from '../../sys/socket/take-socket-file.ts';
import { withBindHints } from '../address/bind-hints.ts';
import { nameAddress, resolveListenAddress } from '../address/listen-address.ts';
import { witnessOf } from '../source/bind-socket.ts';
import { holdFile } from '../source/hold-socket.ts';
import { adjustLater } from '../source/inherit-socket.ts';
import type { Given } from '../start-given.ts';
import type { Claimed } from './claim-place.ts';
import type { Owned } from './socket-owner.ts';

/** Name of the feature, and of its gift. */
export const statusSocketFeature = 'status-socket';

export interface StatusSocket {
  readonly socket: ListenSocket;
  /** As people write it, seen from outside any chroot. */
  readonly address: string;
  /** Descriptor of the page; undefined: the installation lacks it. */
  readonly page: number | undefined;
}

export interface WithStatusSocket {
  /** Undefined: --status-socket was not given. */
  readonly statusSocket: StatusSocket | undefined;
}

/** Whoever may use the pool may ask how it is: mode and owner are its socket's, whatever -M says of the mode. */
const statusMode = 0o660;

type Have = Pick<Given, 'config' | 'journal' | 'proc'> & Claimed & Owned;

export async function openStatusSocket(have: Have): Promise<WithStatusSocket> {
  const { config, journal } = have;
  if (config.statusSocket === undefined) return { statusSocket: undefined };
  const target = await resolveListenAddress(config.statusSocket);
  const bound = nameAddress(target, undefined);
  const owner = { ...have.owner, mode: statusMode };
  const taken = takeGivers(have, target);
  if (taken) adjustLater(taken, { bound, owner, journal });
  const socket = taken ?? bind(target, bound, owner, have);
  return { statusSocket: { socket, address: formatAddress(bound), page: openPage() } };
}

/** Beside the bundle, which nobody can reach any more from a chroot, and not every user. */
function openPage(): number | undefined {
  try {
    return openSync(join(dirname(__filename), 'status-page.html'), 'r');
  } catch {
    return undefined;
  }
}

/** The giver's, if it is at that address still; undefined: there is none. */
function takeGivers({ claim }: Have, target: SocketAddress): ListenSocket | undefined {
  const gift = claim.giver?.connection.gifts.find(({ feature }) => feature === statusSocketFeature);
  const [descriptor] = gift?.descriptors ?? [];
  if (descriptor === undefined || checkListeningSocket(descriptor, target) !== undefined) return undefined;
  // Nothing that is set on it is changed: its supervisor may go on with it.
  const inode = inodeOf(descriptor);
  if (target.kind !== 'unix') return { descriptor, inode, file: undefined };
  const file = holdFile(descriptor, target.path);
  return file && { descriptor, inode, file };
}

function bind(
  target: SocketAddress,
  bound: BoundAddress,
  owner: SocketOwner,
  { journal, proc }: Have,
): ListenSocket {
  try {
    return listenOn(target, statusBacklog, owner, witnessOf(bound, journal));
  } catch (error) {
    throw nameOption(withBindHints(error, bound, proc, []), bound);
  }
}

/** 1.6's words alone would be understood of the pool's own socket. */
function nameOption(error: unknown, bound: BoundAddress): unknown {
  if (!(error instanceof SpawnFcgiError)) return error;
  const { message, exitCode, hints } = error;
  return new SpawnFcgiError(`--status-socket ${formatAddress(bound)}: ${message}`, {
    exitCode,
    hints,
    cause: error,
  });
}
