// Sources of the listening socket of a pool that is taken over: the supervisor that gives it,
// or a worker of one that was killed. Mode, owner and backlog of the new command
// are applied when everything else has succeeded.
import { SpawnFcgiError } from '../../core/errors.ts';
import { formatAddress, type BoundAddress } from '../../core/pool-id.ts';
import type { WorkerRecord } from '../../core/pool-state.ts';
import { libc } from '../../sys/libc/libc.ts';
import { listenAgain } from '../../sys/socket/renew-socket.ts';
import type { ListenSocket } from '../../sys/socket/listen-socket.ts';
import type { SocketAddress } from '../../sys/socket/socket-address.ts';
import { describeReach, reachOf } from '../../sys/socket-state/reach.ts';
import { isOfOtherNamespace } from '../../sys/socket-state/network-namespace.ts';
import { socketOption } from '../../sys/socket-state/socket-facts.ts';
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
import { calmSocket, holdSocket } from './hold-socket.ts';
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
  const isListening = target.kind !== 'tcp' || socketOption(descriptor, 'isListening') === 1;
  const isMeant = !isListening || checkListeningSocket(descriptor, target) === undefined;
  return isMeant ? holdTaken(descriptor, sought, claim.orphans) : undefined;
}

/** Asks while we still are privileged; the path is looked at from where the socket will be bound. */
export function fromOrphans(sought: Sought): Found {
  if (sought.claim.orphans.length === 0) return undefined;
  const taken = takeFromOrphans(sought);
  return taken === undefined ? undefined : holdTaken(taken, sought, sought.claim.orphans);
}

/** Undefined: nobody has it any more. */
function takeFromOrphans({ claim, target, bound, proc, identity }: Sought): number | undefined {
  const { orphans, socketInode } = claim;
  refuseUnendable({ claim, bound, identity });
  const pids = orphans.map(({ pid }) => pid).join(' ');
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

/** We could take the socket, but not end those who accept on it. */
export function refuseUnendable({
  claim,
  bound,
  identity,
}: Pick<Sought, 'claim' | 'bound' | 'identity'>): void {
  const { orphans, workerUid } = claim;
  const uidAfterDrop = identity.uid || (process.getuid?.() ?? 0);
  if (orphans.length === 0 || uidAfterDrop === 0 || uidAfterDrop === workerUid) return;
  const pids = orphans.map(({ pid }) => pid).join(' ');
  throw refuseInUse(
    bound,
    `workers of another user (uid ${workerUid}) still serve there: PID ${pids}; end them first: kill ${pids}`,
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

/**
 * The socket of these workers. Mode and owner become what a socket that is bound now would get, but of one that somebody
 * else has opened.
 */
export function holdTaken(descriptor: number, sought: Sought, workers: readonly WorkerRecord[]): Found {
  const { config, target, address, claim, proc } = sought;
  const socket = holdSocket(descriptor, target, claim.given);
  // First: whoever is asked by a connection does not wait any more.
  calmSocket(socket, workers, proc);
  if (isUnreachable(socket, sought)) return { former: socket };
  if (socket.given) sayUnapplied(config, address);
  else adjustLater(socket, sought);
  return { socket, isTakingOver: true, former: undefined };
}

/** When everything else has succeeded. */
export function adjustLater(
  { file }: ListenSocket,
  { bound, owner, journal }: Pick<Sought, 'bound' | 'owner' | 'journal'>,
): void {
  if (!file || bound.kind !== 'unix') return;
  const [uid, gid] = [owner.uid || (process.getuid?.() ?? 0), owner.gid || (process.getgid?.() ?? 0)];
  journal.adjust(bound.path, file, { uid, gid, mode: owner.mode });
}

function sayUnapplied({ socketMode, socketUser, socketGroup }: Sought['config'], address: string): void {
  const named = { '-M': socketMode, '-U': socketUser, '-G': socketGroup };
  const flags = Object.entries(named).flatMap(([flag, value]) => (value === undefined ? [] : [flag]));
  if (flags.length > 0)
    printHint(`${flags.join(', ')} not applied: ${address} was opened by somebody else, whose it stays`);
}

/** Whether nobody would reach the workers on a socket that was taken, though all that can be was set right; says why. */
export function isUnreachable(
  socket: ListenSocket,
  { config, target, address }: Pick<Sought, 'config' | 'target' | 'address'>,
): boolean {
  if (socketOption(socket.descriptor, 'isListening') !== 1) listenAgain(socket.descriptor, config.backlog);
  const path = target.kind === 'unix' ? target.path : undefined;
  const problem = describeReach(reachOf({ socket, path }));
  if (problem === undefined) return false;
  printHint(`nobody could reach the pool on ${address}: ${problem}; it is bound anew`);
  return true;
}

function refuseInUse(address: BoundAddress, hint: string): SpawnFcgiError {
  return new SpawnFcgiError(lineInUse(address), { hints: [`${formatAddress(address)}: ${hint}`] });
}
