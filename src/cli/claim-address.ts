// One pool an address: takes the pool's lock, waits for a pool that is stopping, asks
// one that runs for what it has (--replace) or refuses beside it, and says which.
// Knows nothing of binding.
import { setTimeout as pause } from 'node:timers/promises';
import { join } from 'node:path';
import type { Config } from '../core/config.ts';
import { SpawnFcgiError } from '../core/errors.ts';
import { formatAddress, type BoundAddress } from '../core/pool-id.ts';
import type { PoolState, WorkerRecord } from '../core/pool-state.ts';
import { workerPidPath } from '../core/worker-pid-path.ts';
import { baseDirectories } from '../sys/base-directories.ts';
import { AT_FDCWD, statAt } from '../sys/file-at.ts';
import { E, libc } from '../sys/libc.ts';
import { PoolFiles, prepareBaseDirectory } from '../sys/pool-files.ts';
import type { ProcFs } from '../sys/proc-fs.ts';
import { socketsListeningOn } from '../sys/port-holder.ts';
import { isOrphanOn, sessionsHolding } from '../sys/socket-holders.ts';
import { PoolGiver } from './pool-giver.ts';

export interface Claim {
  /**
   * Whether a PID file (by its identity) with that PID in it belongs to a running pool of this user, other than one
   * that is being replaced: the PID is its supervisor's, or its worker's whose file this is.
   */
  readonly isOfRunningPool: (pid: number, file: string) => boolean;
  /** Waits for a pool that is stopping on whatever address: its PID file may be wanted next. */
  readonly waitForStop: (supervisor: number) => Promise<void>;
  /** Undefined where no base directory can be used: the pool runs without lock and state. */
  readonly files: PoolFiles | undefined;
  readonly hints: readonly string[];
  /** Workers of a supervisor that was killed, still alive. */
  readonly orphans: readonly WorkerRecord[];
  /** Whom the recorded workers run as. */
  readonly workerUid: number | undefined;
  /** The supervisor that gives its pool to us. */
  readonly giver: { readonly connection: PoolGiver; readonly state: PoolState } | undefined;
}

export interface ClaimOptions {
  readonly config: Pick<Config, 'stateDir' | 'replace' | 'readyTimeoutMs' | 'stopTimeoutMs' | 'workers'>;
  readonly runtimeDir: string | undefined;
  readonly address: BoundAddress;
  readonly proc: ProcFs | undefined;
}

const pollMs = 5;
const dyingMs = 1000;
/** A pool that just got its TERM may not have said so yet, on a busy machine not for long. */
const patienceMs = { serving: 60, busy: 2000, afterDeadline: 5000 } as const;

export async function claimAddress(options: ClaimOptions): Promise<Claim> {
  const { config, runtimeDir, proc } = options;
  const problems: string[] = [];
  for (const base of baseDirectories(config.stateDir, runtimeDir)) {
    const problem = prepareBaseDirectory(base) ?? (await claimIn(base, options));
    if (typeof problem !== 'string') return problem;
    if (config.stateDir !== undefined) throw new SpawnFcgiError(`--state-dir cannot be used: ${problem}`);
    problems.push(problem);
  }
  const why = problems.join('; ');
  if (config.replace) throw new SpawnFcgiError(`--replace needs a state directory: ${why}`);
  const hint = `no lock and no state file for this pool: ${why}; --state-dir names another directory`;
  return {
    files: undefined,
    isOfRunningPool: () => false,
    waitForStop: () => Promise.resolve(),
    hints: [hint],
    orphans: [],
    workerUid: undefined,
    giver: undefined,
  };

  /** Or why the directory cannot be used. */
  async function claimIn(base: string, wanted: ClaimOptions): Promise<Claim | string> {
    const lock = await takeLock(base, wanted);
    if (typeof lock === 'string') return lock;
    const { files, giver } = lock;
    const runningPools = (): PoolState[] =>
      PoolFiles.readStates(base).filter((state) => state.pid !== giver?.state.pid && proc?.isAlive(state));
    let pools: PoolState[] | undefined;
    // There may be as many questions as workers.
    const isOfRunningPool = (pid: number, file: string): boolean =>
      (pools ??= runningPools()).some((state) => state.pid === pid || isWorkersFile(state, pid, file, proc));
    const waitForStop = async (pid: number): Promise<void> => {
      const startedMs = performance.now();
      for (;;) {
        const state = runningPools().find((pool) => pool.pid === pid);
        if (!state || performance.now() - startedMs > patienceFor(state, proc)) return;
        await pause(pollMs);
      }
    };
    const left = giver ? undefined : files.state.read();
    const orphans = left && proc ? await findOrphansThatStay(left, wanted.address, proc) : [];
    return { files, giver, isOfRunningPool, waitForStop, hints: [], orphans, workerUid: left?.workerUid };
  }
}

/** A number alone says nothing: it may be left from a worker that was another process. */
function isWorkersFile(
  { workers, workerPidFile }: PoolState,
  pid: number,
  file: string,
  proc: ProcFs | undefined,
): boolean {
  const worker = workers.find((candidate) => candidate.pid === pid);
  if (!worker || workerPidFile === undefined || !proc?.isAlive(worker)) return false;
  return statAt(AT_FDCWD, workerPidPath(workerPidFile, worker.slot))?.identity === file;
}

/** A stop that was cut short has a guard, which is ending them. */
async function findOrphansThatStay(
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
 * Those that the state names, and those that were started in the moment in which their supervisor was killed. All that
 * the state says is a hint: it is the kernel that says who serves there.
 */
function findOrphans(state: PoolState, address: BoundAddress, proc: ProcFs): WorkerRecord[] {
  const { workers, sockets, startTime, workerUid } = state;
  // The socket of a worker on trial is none of the address.
  const inodes = new Set([...socketsListeningOn(proc, address, sockets), ...sockets.slice(1)]);
  const isOrphan = ({ pid }: { pid: number }): boolean => isOrphanOn(proc, pid, workerUid, inodes);
  const told = workers.filter((worker) => proc.isAlive(worker) && isOrphan(worker));
  const known = new Set(told.map(({ pid }) => pid));
  const untold = sockets
    .flatMap((inode) => sessionsHolding(proc, inode, known))
    // The number may be another socket's since a reboot.
    .filter((worker) => Number(worker.startTime) >= Number(startTime) && isOrphan(worker))
    .map((worker) => ({ ...worker, slot: 0 }));
  return [...told, ...untold];
}

interface Lock {
  readonly files: PoolFiles;
  readonly giver: Claim['giver'];
}

/** A string says that the directory has no room for the pool's files. */
async function takeLock(base: string, { config, address, proc }: ClaimOptions): Promise<Lock | string> {
  const startedMs = performance.now();
  let isLastTry = false;
  for (;;) {
    const files = openLock(base, address, config.workers);
    if (typeof files === 'string') return files;
    if (files) return { files, giver: undefined };
    const holder = PoolFiles.readState(base, address);
    const live = holder && proc?.isAlive(holder) ? holder : undefined;
    if (config.replace && live?.phase === 'serving') {
      const lock = await askHolder(base, address, live, config.readyTimeoutMs, proc);
      if (lock) {
        // Without room a state stays as it was.
        lock.files.state.reserve(config.workers);
        return lock;
      }
    }
    // Whoever does not say what it is may be a pool of the same options that is stopping.
    const patience = live ? patienceFor(live, proc) : config.stopTimeoutMs;
    const isThere = !live || proc?.isAlive(live) === true;
    const isOver = isThere && performance.now() - startedMs > patience;
    if (isOver && isLastTry) throw refuse(base, address, live);
    // We may have been stopped ourselves, and the holder have ended, since we tried.
    isLastTry = isOver;
    await pause(pollMs);
  }
}

/** Undefined when the holder ended meanwhile: the lock is, or will be, free. */
async function askHolder(
  base: string,
  address: BoundAddress,
  holder: PoolState,
  busyPatienceMs: number,
  proc: ProcFs | undefined,
): Promise<Lock | undefined> {
  const where = formatAddress(address);
  if (holder.control === undefined) {
    throw new SpawnFcgiError(`cannot take over the pool on ${where}: it has no control socket`);
  }
  let connection: PoolGiver | undefined;
  try {
    connection = await PoolGiver.ask(join(base, holder.control), where, busyPatienceMs);
  } catch (error) {
    const isBroken = (error as Error).cause !== undefined;
    if (!isBroken || !(await endsSoon(holder, proc))) throw error;
  }
  if (!connection) {
    await endsSoon(holder, proc);
    return undefined;
  }
  const { lock, state, control } = connection.offer;
  const files = PoolFiles.adopt(base, address, [lock, state, control], holder.control);
  if (files) return { files, giver: { connection, state: holder } };
  connection.close();
  throw new SpawnFcgiError(`cannot take over the pool on ${where}: its files in ${base} were replaced`);
}

/** One that was killed loses its sockets a moment before it is gone itself. */
async function endsSoon(holder: PoolState, proc: ProcFs | undefined): Promise<boolean> {
  const deadlineMs = performance.now() + dyingMs;
  while (proc?.isAlive(holder) && performance.now() < deadlineMs) await pause(pollMs);
  return proc?.isAlive(holder) === false;
}

/** The lock, with room for the state; undefined while another process has it; or why there is no room. */
function openLock(base: string, address: BoundAddress, workers: number): PoolFiles | string | undefined {
  try {
    const files = PoolFiles.tryLock(base, address);
    const failure = files?.state.reserve(workers);
    if (failure === undefined) return files;
    files?.giveUp();
    return `${base}: ${libc.strerror(failure)}`;
  } catch (error) {
    const errno = -((error as { errno?: number }).errno ?? 0);
    if (errno === E.NOSPC || errno === E.DQUOT) return `${base}: ${libc.strerror(errno)}`;
    throw new SpawnFcgiError(`lock of this pool cannot be used: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function patienceFor(holder: PoolState, proc: ProcFs | undefined): number {
  if (holder.phase === 'stopping') return holder.stopTimeoutMs + patienceMs.afterDeadline;
  return !proc || isAtRest(proc, holder.pid) ? patienceMs.serving : patienceMs.busy;
}

/** Whether a supervisor has followed every signal that it was sent, and waits for the next one. */
function isAtRest(proc: ProcFs, pid: number): boolean {
  const pending = /^ShdPnd:\s*([0-9a-f]+)/m.exec(proc.readText(`${pid}/status`) ?? '')?.[1];
  return proc.stat(pid)?.state === 'S' && !/[1-9a-f]/.test(pending ?? '');
}

function refuse(base: string, address: BoundAddress, holder: PoolState | undefined): SpawnFcgiError {
  const line =
    address.kind === 'unix' ? "socket is already in use, can't spawn" : 'bind failed: Address already in use';
  if (!holder) {
    const { lock, state } = PoolFiles.paths(base, address);
    return new SpawnFcgiError(line, {
      hints: [
        `another process holds ${lock}, and ${state} does not say which: a pool on this address, or a start or stop of one; fuser '${lock}' names it`,
      ],
    });
  }
  const what = holder.phase === 'serving' ? 'runs' : 'is ' + holder.phase;
  const stop = holder.pidFile === undefined ? `kill ${holder.pid}` : `kill $(cat ${holder.pidFile})`;
  return new SpawnFcgiError(line, {
    hints: [
      `pool '${holder.name}' (supervisor PID ${holder.pid}) ${what} on ${holder.address}; stop it first: ${stop}; new workers of it: kill -HUP ${holder.pid}; take it over: --replace`,
    ],
  });
}
