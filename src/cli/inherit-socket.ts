// The listening socket of a pool that is taken over: from the supervisor that gives it,
// or from a worker of one that was killed. Mode, owner and backlog of the new command
// are applied when everything else has succeeded.
import { SpawnFcgiError } from '../core/errors.ts';
import { formatAddress, type BoundAddress } from '../core/pool-id.ts';
import type { WorkerRecord } from '../core/pool-state.ts';
import { fileType, statAt } from '../sys/file-at.ts';
import type { Identity } from '../sys/identity.ts';
import { libc } from '../sys/libc.ts';
import { openSocketDirectory, type ListenSocket } from '../sys/listen-socket.ts';
import { unbar } from '../sys/socket-door.ts';
import type { SocketAddress } from '../sys/socket-address.ts';
import { inodeOf, isBoundTo, type SocketFile } from '../sys/socket-file.ts';
import type { ProcFs } from '../sys/proc-fs.ts';
import { othersOf } from '../sys/socket-holders.ts';
import { checkListeningSocket, takeListeningSocket, type TakenSocket } from '../sys/take-socket.ts';
import type { Claim } from './claim-address.ts';

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
  if (claim.giver) {
    const descriptor = claim.giver.connection.offer.listening;
    // A socket whose file is gone is of no use to anybody: bound anew, while the old workers end.
    return checkListeningSocket(descriptor, target) === undefined
      ? { descriptor, from: 'supervisor' }
      : undefined;
  }
  return claim.orphans.length === 0
    ? undefined
    : takeFromOrphans(claim.orphans, claim.workerUid, target, proc, identity);
}

function takeFromOrphans(
  orphans: readonly WorkerRecord[],
  workerUid: number | undefined,
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
    const taken = takeFromSession(proc, pid, target);
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
function takeFromSession(proc: ProcFs, leader: number, target: SocketAddress): TakenSocket | undefined {
  const taken = takeListeningSocket(proc, leader, target);
  if (taken) return taken;
  for (const pid of othersOf(proc, leader)) {
    const found = takeListeningSocket(proc, pid, target);
    if (found) return found;
  }
  return undefined;
}

/** The socket as a pool has it; a Unix one with its file, which must be the one at the path. */
export function holdSocket(descriptor: number, target: SocketAddress): ListenSocket {
  unbar(descriptor);
  const file = target.kind === 'unix' ? holdFile(descriptor, target.path) : undefined;
  return { descriptor, inode: inodeOf(descriptor), file };
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
