// Sources of a listening socket that was there before the start: one that the caller has opened, and one of ours that
// systemd has kept while there was nobody.
import type { ListenAddress } from '../../core/config.ts';
import { SpawnFcgiError } from '../../core/errors.ts';
import { formatAddress } from '../../core/pool-id.ts';
import { printable } from '../../core/text/printable.ts';
import { attempt, libc } from '../../sys/libc/libc.ts';
import { isOfOurNamespace } from '../../sys/socket-state/network-namespace.ts';
import { judgeGiven } from '../../sys/socket/given-socket.ts';
import type { ListenSocket } from '../../sys/socket/listen-socket.ts';
import { setNonBlocking } from '../../sys/socket/non-blocking.ts';
import { readSocketAddress, type SocketAddress } from '../../sys/socket/socket-address.ts';
import { localAddress } from '../../sys/socket-state/socket-facts.ts';
import { inodeOf } from '../../sys/socket/socket-file.ts';
import { checkListeningSocket } from '../../sys/socket/take-socket.ts';
import { printHint } from '../report/print.ts';
import type { Given } from '../start-given.ts';
import { calmSocket, holdSocket } from './hold-socket.ts';
import { adjustLater, isUnreachable, refuseUnendable } from './inherit-socket.ts';
import type { Found, Listening, Sought } from './socket-source.ts';

/** The only source where the caller has opened the socket: old workers on it are taken over, be it the same one or not. */
export function useGiven(sought: Sought): Listening {
  const { config, claim, target, given, proc } = sought;
  // findPlace was there before.
  if (!given) throw new SpawnFcgiError('no socket given (use either -p or -s)');
  refuseUnendable(sought);
  setBacklog(given.descriptor, config.listen);
  const socket = holdSocket(given.descriptor, target, given.label);
  const former = formerOf(claim);
  const earlier = claim.orphans.length > 0 ? claim.socketInode : former?.inode;
  const isTakingOver = earlier === socket.inode;
  if (isTakingOver) calmSocket(socket, claim.orphans, proc);
  else setNonBlocking(socket.descriptor, false);
  return { socket: { ...socket, formerInode: isTakingOver ? undefined : earlier }, isTakingOver, former };
}

/** -b counts; without it the socket keeps what it was opened with. */
function setBacklog(descriptor: number, listen: ListenAddress): void {
  if (listen.kind !== 'given' || listen.backlog === undefined) return;
  const { backlog } = listen;
  attempt(() => libc.listen(descriptor, backlog));
}

/** What the old supervisor offers is a copy of the same socket, or its workers end on one that is of no use any more. */
function formerOf({ giver }: Sought['claim']): ListenSocket | undefined {
  const descriptor = giver?.connection.offer.listening;
  return descriptor === undefined ? undefined : asFormer(descriptor);
}

function asFormer(descriptor: number): ListenSocket {
  return { descriptor, inode: inodeOf(descriptor), file: undefined };
}

/**
 * One of ours that is bound where the pool is to be: clients that came while there was nobody wait in it. One that
 * nobody can reach (a worker has shut it down), or that only has the port, is in the way: the manager has a copy that it
 * will not close before it gets another.
 */
export function fromKept(sought: Sought): Found {
  const { config, target, kept, address } = sought;
  let former: ListenSocket | undefined;
  for (const descriptor of kept) {
    const isMeant = checkListeningSocket(descriptor, target) === undefined && isOfOurNamespace(descriptor);
    if (!isMeant) {
      sayUnused(descriptor, address);
      former ??= holdsPort(descriptor, target) ? asFormer(descriptor) : undefined;
      continue;
    }
    const socket = holdSocket(descriptor, target);
    setNonBlocking(descriptor, false);
    attempt(() => libc.listen(descriptor, config.backlog));
    if (isUnreachable(socket, sought)) {
      former = socket;
      continue;
    }
    adjustLater(socket, sought);
    return { socket, isTakingOver: false, former: undefined };
  }
  return former && { former };
}

/** On whatever address: 0.0.0.0 and 127.0.0.1 cannot listen on one port both. */
function holdsPort(descriptor: number, target: SocketAddress): boolean {
  if (target.kind !== 'tcp') return false;
  const own = readSocketAddress(localAddress(descriptor));
  return own?.kind === 'tcp' && own.port === target.port && isOfOurNamespace(descriptor);
}

function sayUnused(descriptor: number, address: string): void {
  const judged = judgeGiven(descriptor);
  const where = 'problem' in judged ? undefined : formatAddress(judged);
  if (where !== undefined && where !== address)
    printHint(
      `the socket that was kept for us is of ${printable(where)}, and is closed: this pool listens on ${address}`,
    );
}

/** What was not taken: a socket that is open somewhere still listens. */
export function closeKept({ kept, socket, former }: Pick<Given, 'kept'> & Listening): void {
  const spared = new Set([socket.descriptor, former?.descriptor]);
  for (const descriptor of kept) if (!spared.has(descriptor)) libc.close(descriptor);
}
