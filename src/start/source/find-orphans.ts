// Workers of a supervisor that was killed, by the state that it left. All that the state says is a hint: it is the
// kernel that says who serves there.
import type { BoundAddress } from '../../core/pool-id.ts';
import type { PoolState, WorkerRecord } from '../../core/pool-state.ts';
import { pause } from '../../sys/process/clock.ts';
import { isListeningInode, socketsListeningOn } from '../../sys/proc/port-holder.ts';
import type { ProcFs } from '../../sys/proc/proc-fs.ts';
import { parseIp } from '../../sys/socket/socket-address.ts';
import { isOrphanOn, isStrayOn, sessionsHolding, straysHolding } from '../../sys/session/socket-holders.ts';
import { hasBoundSocket } from '../../sys/socket/take-socket.ts';

const pollMs = 5;
const dyingMs = 1000;

/** A stop that was cut short has a guard, which is ending them. */
export async function findOrphansThatStay(
  state: PoolState,
  address: BoundAddress,
  proc: ProcFs,
): Promise<WorkerRecord[]> {
  const deadlineMs = performance.now() + (state.phase === 'stopping' ? dyingMs : 0);
  for (;;) {
    const orphans = findOrphans(state, address, proc);
    if (orphans.length === 0 || performance.now() >= deadlineMs) return orphans;
    await pause(pollMs);
  }
}

/**
 * Those that the state names; those that were started in the moment in which their supervisor was killed; those of a
 * supervisor before that one, which was killed while it drained; and those that have left their worker's session.
 */
export function findOrphans(state: PoolState, address: BoundAddress, proc: ProcFs): WorkerRecord[] {
  // Its PIDs are no PIDs of ours.
  if (isElsewhere(state, proc)) return [];
  const { workers, sockets, startTime, workerUid, given } = state;
  // The socket of a worker on trial is none of the address.
  const listening = socketsListeningOn(proc, address, state);
  const inodes = new Set([...listening, ...socketsShutDown(state, address, proc), ...sockets.slice(1)]);
  const isOrphan = ({ pid, session = pid }: WorkerRecord): boolean =>
    session === pid
      ? isOrphanOn(proc, pid, workerUid, inodes)
      : isStrayOn(proc, { pid, session }, workerUid, inodes);
  const told = workers.filter((worker) => proc.isAlive(worker) && isOrphan(worker));
  const known = new Set(told.map(({ pid }) => pid));
  // The number may be another socket's since a reboot. One that was given may have been others' descriptor 0 before.
  const isOfPool = (inode: string, since: string): boolean =>
    (listening.has(inode) && given === undefined) || Number(since) >= Number(startTime);
  const untold = sockets.flatMap((inode) =>
    sessionsHolding(proc, inode, known)
      .map((worker) => ({ ...worker, slot: 0 }))
      .filter((worker) => isOfPool(inode, worker.startTime) && isOrphan(worker)),
  );
  const found = [...told, ...untold];
  // Whoever has opened a socket that was given has it by right, and need not be older than the pool.
  if (given !== undefined) return found;
  const strays = straysHolding(proc, {
    inodes: new Set(sockets.filter((inode) => listening.has(inode))),
    uid: workerUid,
    since: startTime,
    known: new Set(found.map(({ pid, session = pid }) => session)),
  });
  return [...found, ...strays.map((stray) => ({ ...stray, slot: 0 }))];
}

/**
 * A worker may have shut the socket down for all: then nobody listens on the address, and what the state names counts if
 * one of its workers has it, still bound there. (A Unix socket listens on in the kernel's tables.)
 */
export function socketsShutDown(
  { sockets, workers }: PoolState,
  address: BoundAddress,
  proc: ProcFs,
): readonly string[] {
  const [told] = sockets;
  const target = address.kind === 'tcp' ? parseIp(address.ip, address.port) : undefined;
  if (told === undefined || target?.kind !== 'tcp' || isListeningInode(proc, told)) return [];
  const isHeld = workers.some(
    (worker) => proc.isAlive(worker) && hasBoundSocket(proc, worker.pid, told, target.bytes),
  );
  return isHeld ? [told] : [];
}

/** Whether the pool lives, or lived, in another container, whose PIDs mean nothing here. */
export function isElsewhere({ pidNamespace }: PoolState, proc: ProcFs | undefined): boolean {
  const own = proc?.pidNamespace;
  return pidNamespace !== undefined && own !== undefined && pidNamespace !== own;
}

/** Whether the supervisor that wrote the state lives, as far as can be seen from here. */
export function isRunningHere(state: PoolState, proc: ProcFs | undefined): boolean {
  return !isElsewhere(state, proc) && proc?.isAlive(state) === true;
}
