// `stop` of a pool whose supervisor was killed: its workers end as it would have ended them, under the pool's lock,
// and what it left is removed as at a clean end. Loaded with libc, and only for this. Root acts as the pool's owner.
import { join } from 'node:path';
import { SpawnFcgiError } from '../core/errors.ts';
import { describeEvent } from '../core/text/event-text.ts';
import { parseAddress, type BoundAddress } from '../core/pool-id.ts';
import type { PoolState, WorkerRecord } from '../core/pool-state.ts';
import { Roster } from '../core/pool/roster.ts';
import { workerPidPath } from '../core/worker-pid-path.ts';
import { AdoptedWorkers } from '../supervisor/ending/adopted-workers.ts';
import { EndedSessions } from '../supervisor/ending/ended-sessions.ts';
import type { AdoptedSessions, EventLog } from '../core/machine.ts';
import { acceptQueue } from '../sys/socket/accept-queue.ts';
import { systemClock } from '../sys/process/clock.ts';
import { fileType, removeIfSame, statAt } from '../sys/path/file-at.ts';
import { resolveIdentity, setGroups, setUser } from '../sys/process/identity.ts';
import { SessionLeftovers } from '../sys/session/leftovers.ts';
import { libc } from '../sys/libc/libc.ts';
import type { ListenSocket } from '../sys/socket/listen-socket.ts';
import { openParent } from '../sys/path/open-parent.ts';
import { PidFile } from '../sys/file/pid-file.ts';
import { PoolFiles } from '../sys/file/pool-files.ts';
import { ProcFs } from '../sys/proc/proc-fs.ts';
import { SessionFreezer } from '../sys/session/session-freeze.ts';
import { parseIp, type SocketAddress } from '../sys/socket/socket-address.ts';
import { SocketDoor } from '../sys/socket/socket-door.ts';
import { checkListeningSocket, takeSocketOf } from '../sys/socket/take-socket.ts';
import { adoptedSessions } from '../sys/session/adopted-sessions.ts';
import { findOrphans, socketsShutDown } from '../start/source/find-orphans.ts';
import { holdSocket } from '../start/source/inherit-socket.ts';
import { describeEntry, type DeadPool } from './pools.ts';
import { ctlStatus } from './statuses.ts';

export interface EndOptions {
  readonly timeoutMs: number | undefined;
  readonly tell: (text: string) => void;
}

const lookMs = 20;
/** From the last TERM to KILL for a worker that never was idle. */
const lastTermMs = 1000;
/** After KILL the kernel needs a moment; longer than this is a process in uninterruptible sleep. */
const afterKillMs = 2000;
const defaultMethod = 'auto';

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
    await new Ending(state, proc, { socket, door }, options).end(orphans);
    removeFiles(state, { socket, door }, files, pool.base);
    return `stopped: ended ${orphans.length === 1 ? '1 worker' : `${orphans.length} workers`} of a supervisor that was killed`;
  } catch (error) {
    files.giveUp();
    throw error;
  }
}

function toSocketAddress(address: BoundAddress): SocketAddress | undefined {
  return address.kind === 'unix' ? address : parseIp(address.ip, address.port);
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
  return isAtPath ? holdSocket(taken.descriptor, target) : { ...taken, file: undefined };
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

interface Entrance {
  readonly socket: ListenSocket;
  readonly door: SocketDoor;
}

/** One stop, as a supervisor does it. */
class Ending {
  readonly #state: PoolState;
  readonly #sessions: AdoptedSessions;
  readonly #freezer: SessionFreezer;
  readonly #options: EndOptions;
  readonly #entrance: Entrance;
  readonly #endAtMs: number;

  constructor(state: PoolState, proc: ProcFs, entrance: Entrance, options: EndOptions) {
    this.#state = state;
    this.#entrance = entrance;
    this.#freezer = new SessionFreezer(proc, entrance.socket);
    const left = new SessionLeftovers(proc, undefined, entrance.socket.inode);
    this.#sessions = adoptedSessions(proc, this.#freezer, left);
    this.#options = options;
    this.#endAtMs = systemClock.nowMs() + state.stopTimeoutMs;
  }

  /** Throws when somebody is left, or on a signal to us. */
  async end(orphans: readonly WorkerRecord[]): Promise<void> {
    const { stopTimeoutMs, stopMethod = defaultMethod } = this.#state;
    const { timeoutMs } = this.#options;
    // A supervisor that died while it looked at a worker may have left it stopped.
    for (const { pid, session = pid } of orphans) this.#freezer.thaw(session);
    const ended = new EndedSessions(this.#sessions);
    const refused = new Set<number>();
    const workers = new AdoptedWorkers(
      {
        clock: systemClock,
        sessions: this.#sessions,
        roster: new Roster(),
        log: this.#log,
        method: stopMethod,
        queued: () => this.#queued(),
        onLeft: (pid, why) => void (why === 'refused' && refused.add(pid)),
      },
      (pid) => ended.add(pid),
    );
    workers.end(orphans, {
      termAtMs: this.#endAtMs - Math.min(lastTermMs, stopTimeoutMs / 2),
      killAtMs: this.#endAtMs,
      isReplaced: false,
    });
    const limitMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : systemClock.nowMs() + timeoutMs;
    const interruption = watchInterruption();
    for (;;) {
      const nowMs = systemClock.nowMs();
      // What a worker leaves of its session has until the same deadline.
      const look = ended.signal(nowMs < this.#endAtMs ? 'SIGTERM' : 'SIGKILL');
      const left = [...workers.pids, ...look.members.map(({ pid }) => pid)];
      if (left.length === 0 && look.isCertain) return;
      if (interruption.signal) throw describeLeft(left, `interrupted by ${interruption.signal}`, 1);
      if (nowMs >= limitMs) throw describeLeft(left, 'not ended within --timeout', ctlStatus.noAnswer);
      if (left.length > 0 && left.every((pid) => refused.has(pid)))
        throw describeLeft(left, 'Operation not permitted', 1);
      if (nowMs >= this.#endAtMs + afterKillMs) throw describeLeft(left, 'not even ended by KILL', 1);
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
  }

  get #log(): EventLog {
    return { write: (event) => this.#options.tell(describeEvent(event)), reopen: () => undefined };
  }

  /** Who waits to be accepted, where nobody else can come. */
  #queued(): number | undefined {
    const { socket, door } = this.#entrance;
    return door.isShut ? acceptQueue(socket)?.length : undefined;
  }
}

/** A worker that is stopped for a look goes on before JavaScript hears of a signal. */
function watchInterruption(): { readonly signal: NodeJS.Signals | undefined } {
  const interruption: { signal: NodeJS.Signals | undefined } = { signal: undefined };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => (interruption.signal = signal));
  return interruption;
}

function describeLeft(pids: readonly number[], why: string, exitCode: number): SpawnFcgiError {
  const who = pids.length > 0 ? `PID ${pids.join(' ')}` : 'somebody who cannot be seen';
  return new SpawnFcgiError(`${why}: ${who} still there, and the files of the pool`, { exitCode });
}

/** As at a clean end: what still is the pool's, and as far as we may. */
function removeFiles(state: PoolState, { socket, door }: Entrance, files: PoolFiles, base: string): void {
  if (socket.file && !door.isFileGone) removeIfSame(socket.file.at, socket.file.identity);
  // Before the lock is free: the start that waits for it binds at once.
  libc.close(socket.descriptor);
  door.leave();
  if (state.pidFile !== undefined) removePidFile(state.pidFile, state.pid);
  const { workerPidFile } = state;
  if (workerPidFile !== undefined)
    for (const { slot, pid } of state.workers) removePidFile(workerPidPath(workerPidFile, slot), pid);
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
