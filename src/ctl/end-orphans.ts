// `stop` of a pool whose supervisor was killed: its workers end as it would have ended them, under the pool's lock,
// and what it left is removed as at a clean end. Loaded with libc, and only for this. Root acts as the pool's owner.
import { join } from 'node:path';
import { SpawnFcgiError } from '../core/errors.ts';
import { parseAddress, type BoundAddress } from '../core/pool-id.ts';
import type { PoolState } from '../core/pool-state.ts';
import { forSlot } from '../core/slot-pattern.ts';
import { fileType, removeIfSame, statAt } from '../sys/path/file-at.ts';
import { resolveIdentity, setGroups, setUser } from '../sys/process/identity.ts';
import { libc } from '../sys/libc/libc.ts';
import type { ListenSocket } from '../sys/socket/listen-socket.ts';
import { openParent } from '../sys/path/open-parent.ts';
import { PidFile } from '../sys/file/pid-file.ts';
import { PoolFiles } from '../sys/file/pool-files.ts';
import { ProcFs } from '../sys/proc/proc-fs.ts';
import { parseIp, type SocketAddress } from '../sys/socket/socket-address.ts';
import { SocketDoor } from '../sys/socket/socket-door.ts';
import { checkListeningSocket, takeSocketOf } from '../sys/socket/take-socket.ts';
import { findOrphans, socketsShutDown } from '../start/source/find-orphans.ts';
import { holdSocket } from '../start/source/hold-socket.ts';
import { OrphansEnd, type EndOptions, type Entrance } from './orphans-end.ts';
import { describeEntry, type DeadPool } from './target/pools.ts';
import { removeStatusSocket } from './remove-status-socket.ts';
import { ctlStatus } from './statuses.ts';

/** Ends them and says so; throws what stands in the way. An interruption leaves nobody stopped. */
export async function endOrphans(pool: DeadPool, options: EndOptions): Promise<string> {
  const proc = ProcFs.open();
  const address = parseAddress(pool.state.address);
  const target = address && toSocketAddress(address);
  if (!proc || !target) throw refuse(pool, 'its workers cannot be looked into', ctlStatus.noAnswer);
  const socket = takeSocket(pool, proc, address, target);
  becomeOwner(pool);
  const files = takeLock(pool, address);
  try {
    const state = files.state.read();
    if (state?.pid !== pool.state.pid || state.startTime !== pool.state.startTime || proc.isAlive(state))
      throw refuse(pool, 'it was started again meanwhile', ctlStatus.noAnswer);
    const orphans = findOrphans(state, address, proc);
    const door = new SocketDoor(socket, proc.descriptor);
    // Stays shut when we fail: whoever is left was told to end, and the next start opens it.
    door.shut();
    await new OrphansEnd(state, proc, { socket, door }, options).end(orphans);
    removeFiles(state, { socket, door }, files, pool.base);
    return `stopped: ended ${orphans.length === 1 ? '1 worker' : `${orphans.length} workers`} of a supervisor that was killed`;
  } catch (error) {
    files.giveUp();
    throw error;
  }
}

function toSocketAddress(address: BoundAddress): SocketAddress | undefined {
  return address.kind === 'tcp' ? parseIp(address.ip, address.port) : address;
}

/** What the workers accept on, to know their connections by; a Unix one with its file, if it is at the path still. */
function takeSocket(
  pool: DeadPool,
  proc: ProcFs,
  address: BoundAddress,
  target: SocketAddress,
): ListenSocket {
  const taken = takeSocketOf(
    proc,
    pool.orphans.flatMap(({ pids }) => pids),
    address,
    pool.state,
    socketsShutDown(pool.state, address, proc),
  );
  if ('errno' in taken) {
    const pids = pool.orphans.map(({ pid }) => pid).join(' ');
    const why =
      taken.errno === 0 ? 'they have no socket any more' : `pidfd_getfd: ${libc.strerror(taken.errno)}`;
    throw refuse(
      pool,
      `its workers may not be looked into (${why}); end them yourself: kill ${pids}`,
      ctlStatus.notPermitted,
    );
  }
  const isAtPath = checkListeningSocket(taken.descriptor, target) === undefined;
  return isAtPath ? holdSocket(taken.descriptor, target, pool.state.given) : { ...taken, file: undefined };
}

/**
 * For good: whatever another user's files name, nothing is done to it that the user could not do. The groups are those
 * of the account: that of a file could be any, by a link to somebody else's.
 */
function becomeOwner({ uid }: DeadPool): void {
  if (process.getuid?.() !== 0 || uid === 0) return;
  const account = resolveIdentity(String(uid), undefined);
  const owner = { ...account, gid: account.gid || uid };
  setGroups(owner);
  setUser(owner);
}

/** Nobody starts on the address, or adopts the workers, while we have it. */
function takeLock(pool: DeadPool, address: BoundAddress): PoolFiles {
  let files: PoolFiles | undefined;
  try {
    // Its files may have another name of the same path; of one that was shortened only the address has the whole.
    files = PoolFiles.tryLock(pool.base, parseAddress(pool.address) ?? address);
  } catch (error) {
    throw refuse(pool, `its lock cannot be used: ${(error as Error).message}`, ctlStatus.notPermitted);
  }
  if (files) return files;
  throw refuse(pool, 'a start on its address, or another stop, is under way', ctlStatus.noAnswer);
}

/** As at a clean end: what still is the pool's, and as far as we may. */
function removeFiles(state: PoolState, { socket, door }: Entrance, files: PoolFiles, base: string): void {
  if (socket.file && !socket.given && !door.isFileGone) removeIfSame(socket.file.at, socket.file.identity);
  // Before the lock is free: the start that waits for it binds at once.
  libc.close(socket.descriptor);
  door.leave();
  if (state.pidFile !== undefined) removePidFile(state.pidFile, state.pid);
  const { workerPidFile } = state;
  if (workerPidFile !== undefined)
    for (const { slot, pid } of state.workers)
      if (slot !== undefined) removePidFile(forSlot(workerPidFile, slot), pid);
  removeStatusSocket(state);
  if (state.control !== undefined) removeSocket(join(base, state.control));
  files.release();
}

/** Only if it says what that supervisor wrote. */
function removePidFile(path: string, pid: number): void {
  try {
    PidFile.openIfThere(path)?.releaseFor(pid);
  } catch {
    // Its directory is gone, or it became something else: it is nobody's any more.
  }
}

/** The lock says that nobody listens on it. */
function removeSocket(path: string): void {
  const at = openParent(path);
  const facts = statAt(at.directory, at.name);
  if (facts && (facts.mode & fileType.mask) === fileType.socket) removeIfSame(at, facts.identity);
  libc.close(at.directory);
}

function refuse(pool: DeadPool, why: string, exitCode: number): SpawnFcgiError {
  return new SpawnFcgiError(`${describeEntry(pool)}: ${why}`, { exitCode });
}
