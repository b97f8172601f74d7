// Sources of the listening socket of a pool that is taken over: the supervisor that gives it,
// or a worker of one that was killed. Mode, owner and backlog of the new command
// are applied when everything else has succeeded.
import { SpawnFcgiError } from '../../core/errors.ts';
import { formatAddress, type BoundAddress } from '../../core/pool-id.ts';
import type { WorkerRecord } from '../../core/pool-state.ts';
import { fileType, statAt } from '../../sys/path/file-at.ts';
import { libc } from '../../sys/libc/libc.ts';
import { resetOptions } from '../../sys/socket-state/listener-options.ts';
import { listenAgain } from '../../sys/socket/renew-socket.ts';
import { openSocketDirectory } from '../../sys/socket/socket-place.ts';
import type { ListenSocket } from '../../sys/socket/listen-socket.ts';
import type { SocketAddress } from '../../sys/socket/socket-address.ts';
import { isNonBlocking, setNonBlocking } from '../../sys/socket/non-blocking.ts';
import { blocksInAccept } from '../../sys/proc/waiting.ts';
import { describeReach, reachOf } from '../../sys/socket-state/reach.ts';
import { isOfOtherNamespace } from '../../sys/socket-state/network-namespace.ts';
import { socketOption } from '../../sys/socket-state/socket-facts.ts';
import { inodeOf, isBoundTo, type SocketFile } from '../../sys/socket/socket-file.ts';
import type { ProcFs } from '../../sys/proc/proc-fs.ts';
import { othersOf } from '../../sys/session/socket-holders.ts';
import {
  checkListeningSocket,
  takeListeningSocket,
  type Search,
  type TakenSocket,
} from '../../sys/socket/take-socket.ts';
import { lineInUse } from '../address/bind-hints.ts';
import { printHint } from '../report/print.ts';
import type { Found, Sought } from './socket-source.ts';

/** A socket whose file is gone is of no use to anybody: bound anew, while the old workers end. */
export function fromGiver(sought: Sought): Found {
  const { claim, target } = sought;
  if (!claim.giver) return undefined;
  const descriptor = claim.giver.connection.offer.listening;
  // The whole pool is elsewhere: ours would be another.
  if (target.kind === 'tcp' && isOfOtherNamespace(descriptor))
    throw new SpawnFcgiError(
      `cannot take over the pool on ${formatAddress(target)}: it listens in another network namespace`,
    );
  const isListening = target.kind === 'unix' || socketOption(descriptor, 'isListening') === 1;
  const isMeant = !isListening || checkListeningSocket(descriptor, target) === undefined;
  return isMeant ? hold(descriptor, sought) : undefined;
}

/** Asks while we still are privileged; the path is looked at from where the socket will be bound. */
export function fromOrphans(sought: Sought): Found {
  if (sought.claim.orphans.length === 0) return undefined;
  const taken = takeFromOrphans(sought);
  return taken === undefined ? undefined : hold(taken, sought);
}

/** Undefined: nobody has it any more. */
function takeFromOrphans({ claim, target, bound, proc, identity }: Sought): number | undefined {
  const { orphans, workerUid, socketInode } = claim;
  const uidAfterDrop = identity.uid || (process.getuid?.() ?? 0);
  const pids = orphans.map(({ pid }) => pid).join(' ');
  // We could take the socket, but not end those who accept on it.
  if (uidAfterDrop !== 0 && uidAfterDrop !== workerUid) {
    throw refuseInUse(
      bound,
      `workers of another user (uid ${workerUid}) still serve there: PID ${pids}; end them first: kill ${pids}`,
    );
  }
  let refusal: number | undefined;
  for (const { pid, startTime } of orphans) {
    if (!proc?.isAlive({ pid, startTime })) continue;
    const taken = takeFromSession(proc, pid, target, { told: socketInode, onForeign: refuseForeign });
    if (taken && 'descriptor' in taken) return taken.descriptor;
    if (taken) refusal = taken.errno;
  }
  if (refusal === undefined) return undefined;
  const why = libc.strerror(refusal);
  throw refuseInUse(
    bound,
    `workers of a pool whose supervisor was killed still serve, and their socket may not be taken (pidfd_getfd: ${why}): PID ${pids}; end them first: kill ${pids}`,
  );
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

/** Mode and owner become what a socket that is bound now would get. */
function hold(descriptor: number, sought: Sought): Found {
  const { config, target, bound, address, owner, journal, claim, proc } = sought;
  const socket = holdSocket(descriptor, target);
  // First: whoever is asked by a connection does not wait any more.
  calmSocket(socket, claim.orphans, proc);
  const problem = refuseUnreachable(socket, target, config.backlog);
  if (problem !== undefined) {
    printHint(`nobody could reach the pool on ${address}: ${problem}; it is bound anew`);
    return { former: socket };
  }
  if (socket.file && bound.kind === 'unix') {
    const [uid, gid] = [owner.uid || (process.getuid?.() ?? 0), owner.gid || (process.getgid?.() ?? 0)];
    journal.adjust(bound.path, socket.file, { uid, gid, mode: owner.mode });
  }
  return { socket, isTakingOver: true, former: undefined };
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
function refuseUnreachable(socket: ListenSocket, target: SocketAddress, backlog: number): string | undefined {
  if (socketOption(socket.descriptor, 'isListening') !== 1) listenAgain(socket.descriptor, backlog);
  return describeReach(reachOf({ socket, path: target.kind === 'unix' ? target.path : undefined }));
}

/** O_NONBLOCK ends programs that know nothing of it: where one of the old workers is such a program, a worker has set it. */
function calmSocket(socket: ListenSocket, orphans: readonly WorkerRecord[], proc: ProcFs | undefined): void {
  if (!proc || !isNonBlocking(socket.descriptor)) return;
  if (orphans.some(({ pid }) => blocksInAccept(proc, pid, socket))) setNonBlocking(socket.descriptor, false);
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

function refuseInUse(address: BoundAddress, hint: string): SpawnFcgiError {
  return new SpawnFcgiError(lineInUse(address), { hints: [`${formatAddress(address)}: ${hint}`] });
}
