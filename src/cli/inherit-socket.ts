// The listening socket of a pool that is taken over: from the supervisor that gives it,
// or from a worker of one that was killed. Mode, owner and backlog of the new command
// are applied when everything else has succeeded.
import { SpawnFcgiError } from '../core/errors.ts';
import { formatAddress, type BoundAddress } from '../core/pool-id.ts';
import { fileType, statAt } from '../sys/file-at.ts';
import type { Identity } from '../sys/identity.ts';
import { libc } from '../sys/libc.ts';
import { resetOptions } from '../sys/listener-options.ts';
import { listenAgain, openSocketDirectory, type ListenSocket } from '../sys/listen-socket.ts';
import type { SocketAddress } from '../sys/socket-address.ts';
import { describeReach, isOfOurNamespace, reachOf } from '../sys/reach.ts';
import { socketOption } from '../sys/socket-facts.ts';
import { inodeOf, isBoundTo, type SocketFile } from '../sys/socket-file.ts';
import type { ProcFs } from '../sys/proc-fs.ts';
import { othersOf } from '../sys/socket-holders.ts';
import {
  checkListeningSocket,
  takeListeningSocket,
  type Search,
  type TakenSocket,
} from '../sys/take-socket.ts';
import type { Claim } from './claim-address.ts';
import { printHint } from './print.ts';

/** What was found; undefined: nobody has the socket, or nobody could reach it, and it is bound anew. */
export type Inheritance =
  | { readonly descriptor: number; readonly from: 'supervisor' | 'workers' }
  | { readonly hint: string }
  | undefined;

/** Asks while we still are privileged; the path is looked at from where the socket will be bound. */
export function findSocket(
  claim: Claim,
  target: SocketAddress,
  proc: ProcFs | undefined,
  identity: Identity,
): Inheritance {
  if (claim.giver) return takeOffer(claim.giver.connection.offer.listening, target);
  return claim.orphans.length === 0 ? undefined : takeFromOrphans(claim, target, proc, identity);
}

/** A socket whose file is gone is of no use to anybody: bound anew, while the old workers end. */
function takeOffer(descriptor: number, target: SocketAddress): Inheritance {
  // The whole pool is elsewhere: ours would be another.
  if (target.kind === 'tcp' && !isOfOurNamespace(descriptor))
    throw new SpawnFcgiError('cannot take over the pool: it listens in another network namespace');
  const isListening = target.kind === 'unix' || socketOption(descriptor, 'isListening') === 1;
  const isMeant = !isListening || checkListeningSocket(descriptor, target) === undefined;
  return isMeant ? { descriptor, from: 'supervisor' } : undefined;
}

function takeFromOrphans(
  { orphans, workerUid, socketInode }: Claim,
  target: SocketAddress,
  proc: ProcFs | undefined,
  identity: Identity,
): Inheritance {
  const uidAfterDrop = identity.uid || (process.getuid?.() ?? 0);
  const pids = orphans.map(({ pid }) => pid).join(' ');
  // We could take the socket, but not end those who accept on it.
  if (uidAfterDrop !== 0 && uidAfterDrop !== workerUid) {
    return {
      hint: `workers of another user (uid ${workerUid}) still serve there: PID ${pids}; end them first: kill ${pids}`,
    };
  }
  let refusal: number | undefined;
  for (const { pid, startTime } of orphans) {
    if (!proc?.isAlive({ pid, startTime })) continue;
    const taken = takeFromSession(proc, pid, target, { told: socketInode, onForeign: refuseForeign });
    if (taken && 'descriptor' in taken) return { descriptor: taken.descriptor, from: 'workers' };
    if (taken) refusal = taken.errno;
  }
  if (refusal === undefined) return undefined;
  const why = libc.strerror(refusal);
  return {
    hint: `workers of a pool whose supervisor was killed still serve, and their socket may not be taken (pidfd_getfd: ${why}): PID ${pids}; end them first: kill ${pids}`,
  };
}

/** From the leader, else from who has it for a leader that has closed it. */
function takeFromSession(
  proc: ProcFs,
  leader: number,
  target: SocketAddress,
  search: Search,
): TakenSocket | undefined {
  const taken = takeListeningSocket(proc, leader, target, search);
  if (taken) return taken;
  for (const pid of othersOf(proc, leader)) {
    const found = takeListeningSocket(proc, pid, target, search);
    if (found) return found;
  }
  return undefined;
}

function refuseForeign(pid: number): void {
  printHint(
    `PID ${pid} has a socket of another network namespace that is bound to this address; it is not taken`,
  );
}

/**
 * The socket as a pool has it, without what a worker may have set on it; a Unix one with its file, which must be the one
 * at the path.
 */
export function holdSocket(descriptor: number, target: SocketAddress): ListenSocket {
  resetOptions(descriptor);
  const file = target.kind === 'unix' ? holdFile(descriptor, target.path) : undefined;
  return { descriptor, inode: inodeOf(descriptor), file };
}

/** Why nobody would reach the workers on a socket that was taken, though all that can be was set right; undefined: they would. */
export function refuseUnreachable(
  socket: ListenSocket,
  target: SocketAddress,
  backlog: number,
): string | undefined {
  if (socketOption(socket.descriptor, 'isListening') !== 1) listenAgain(socket.descriptor, backlog);
  return describeReach(reachOf({ socket, path: target.kind === 'unix' ? target.path : undefined }));
}

/** Asked again of what is held: in a directory of others it may have been exchanged since it was checked. */
function holdFile(descriptor: number, path: string): SocketFile | undefined {
  const at = openSocketDirectory(path);
  const facts = statAt(at.directory, at.name);
  const isSocket = facts !== undefined && (facts.mode & fileType.mask) === fileType.socket;
  return isSocket && isBoundTo(descriptor, facts.identity, true)
    ? { at, identity: facts.identity }
    : undefined;
}

/** 1.6's words for an address that is taken. */
export function refuseInUse(address: BoundAddress, hint: string): SpawnFcgiError {
  const line =
    address.kind === 'unix' ? "socket is already in use, can't spawn" : 'bind failed: Address already in use';
  return new SpawnFcgiError(line, { hints: [`${formatAddress(address)}: ${hint}`] });
}
