// One pool an address: finds the base directory and the name that the address has there, gets the lock, and says what
// is there: a supervisor that gives its pool, workers of one that was killed, other pools. Knows nothing of binding.
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Config } from '../core/config.ts';
import { SpawnFcgiError } from '../core/errors.ts';
import type { BoundAddress } from '../core/pool-id.ts';
import type { PoolState, WorkerRecord } from '../core/pool-state.ts';
import { workerPidPath } from '../core/worker-pid-path.ts';
import { baseDirectories, type RuntimeDirectories } from '../sys/base-directories.ts';
import { pause } from '../sys/clock.ts';
import { AT_FDCWD, statAt } from '../sys/file-at.ts';
import { libc } from '../sys/libc.ts';
import { walkedPath } from '../sys/open-parent.ts';
import { PoolFiles, prepareBaseDirectory } from '../sys/pool-files.ts';
import type { ProcFs } from '../sys/proc-fs.ts';
import { findOrphansThatStay, isRunningHere } from './find-orphans.ts';
import { lockAddress, patienceFor, type Lock } from './lock-address.ts';

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
  /** The listening socket that the killed supervisor named. */
  readonly socketInode: string | undefined;
  /** The supervisor that gives its pool to us. */
  readonly giver: Lock['giver'];
}

export interface ClaimOptions {
  readonly config: Pick<
    Config,
    'stateDir' | 'replace' | 'readyTimeoutMs' | 'stopTimeoutMs' | 'workers' | 'model'
  >;
  readonly runtime: RuntimeDirectories;
  readonly address: BoundAddress;
  readonly proc: ProcFs | undefined;
  /** Called again and again as long as another process has the lock; may not return. */
  readonly whileWaiting: () => void;
}

const pollMs = 5;

export async function claimAddress(options: ClaimOptions): Promise<Claim> {
  const { config, runtime, proc } = options;
  const problems: string[] = [];
  for (const base of findBases(config.stateDir, runtime)) {
    const isNamed = config.stateDir !== undefined;
    const hints = isNamed ? describeNewDirectory(base) : [];
    const problem = prepareBaseDirectory(base, isNamed) ?? (await claimIn(base, options));
    if (typeof problem !== 'string') return { ...problem, hints: [...hints, ...problem.hints] };
    if (isNamed) throw refuseDirectory(base, problem);
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
    socketInode: undefined,
    giver: undefined,
  };

  /** Or why the directory cannot be used. */
  async function claimIn(base: string, wanted: ClaimOptions): Promise<Claim | string> {
    const address = PoolFiles.knownAddress(base, wanted.address);
    const lock = await lockAddress({ config, base, address, proc, whileWaiting: wanted.whileWaiting });
    if (typeof lock === 'string') return lock;
    const { files, giver } = lock;
    const runningPools = (): PoolState[] =>
      PoolFiles.readStates(base).filter(
        (state) => state.pid !== giver?.state.pid && isRunningHere(state, proc),
      );
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
    const hints = lock.wasCutOff && giver ? [describeCutOff(giver.state)] : [];
    return {
      files,
      giver,
      isOfRunningPool,
      waitForStop,
      hints,
      orphans,
      workerUid: left?.workerUid,
      socketInode: left?.sockets[0],
    };
  }
}

/** Root's way to a directory that somebody named is walked once; its links are not asked again. */
function findBases(stateDir: string | undefined, runtime: RuntimeDirectories): string[] {
  if (stateDir === undefined || process.getuid?.() !== 0) return baseDirectories(stateDir, runtime);
  try {
    return [walkedPath(stateDir)];
  } catch (error) {
    throw refuseDirectory(stateDir, `${stateDir}: ${(error as Error).message}`, error);
  }
}

/** For people alone: a script that starts after each boot makes it anew in /run each time. */
function describeNewDirectory(path: string): string[] {
  if (libc.isatty(2) !== 1 || existsSync(path)) return [];
  return [
    `--state-dir '${path}' was not there and is made; spawn-fcgictl finds this pool with the same option`,
  ];
}

function refuseDirectory(path: string, problem: string, cause?: unknown): SpawnFcgiError {
  const above = dirname(path);
  return new SpawnFcgiError(`--state-dir cannot be used: ${problem}`, {
    cause,
    hints:
      cause instanceof SpawnFcgiError
        ? cause.hints
        : existsSync(above)
          ? []
          : [`the directory '${above}' does not exist: create it first`],
  });
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

function describeCutOff({ name, pid, address }: PoolState): string {
  return `nobody could connect to pool '${name}' (supervisor PID ${pid}) any more: its socket file ${address} was removed or replaced; it is taken over as by --replace`;
}
