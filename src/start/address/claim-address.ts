// One pool an address: finds the base directory and the name that the address has there, gets the lock, and says what
// is there: a supervisor that gives its pool, workers of one that was killed, other pools. Knows nothing of binding.
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Config } from '../../core/config.ts';
import { SpawnFcgiError } from '../../core/errors.ts';
import type { PoolState, WorkerRecord } from '../../core/pool-state.ts';
import { baseDirectories, type RuntimeDirectories } from '../../sys/file/base-directories.ts';
import { libc } from '../../sys/libc/libc.ts';
import { walkedPath } from '../../sys/path/open-parent.ts';
import { PoolFiles } from '../../sys/file/pool-files.ts';
import { prepareBaseDirectory } from '../../sys/file/base-directory.ts';
import { knownAddress } from '../../sys/file/pool-names.ts';
import { findOrphansThatStay } from '../source/find-orphans.ts';
import { lockAddress, type Lock, type LockOptions } from './lock-address.ts';
import { RunningPools } from './running-pools.ts';

export interface Claim {
  /** Of this user, but for one that is being replaced. */
  readonly others: RunningPools;
  /** Undefined where no base directory can be used: the pool runs without lock and state. */
  readonly files: PoolFiles | undefined;
  readonly hints: readonly string[];
  /** Workers of a supervisor that was killed, still alive. */
  readonly orphans: readonly WorkerRecord[];
  /** Whom the recorded workers run as. */
  readonly workerUid: number | undefined;
  /** The listening socket that the killed supervisor named. */
  readonly socketInode: string | undefined;
  /** Whose socket that pool works on, which is not its own; see PoolState. */
  readonly given: string | undefined;
  /** What the features of a supervisor that was killed have remembered, by name. */
  readonly memories: PoolState['memories'];
  /** The supervisor that gives its pool to us. */
  readonly giver: Lock['giver'];
}

export type ClaimOptions = Omit<LockOptions, 'base'> & {
  readonly config: Pick<Config, 'stateDir'>;
  readonly runtime: RuntimeDirectories;
};

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
    others: new RunningPools(undefined, proc, undefined),
    hints: [hint],
    orphans: [],
    workerUid: undefined,
    socketInode: undefined,
    given: undefined,
    memories: undefined,
    giver: undefined,
  };
}

/** Or why the directory cannot be used. */
async function claimIn(base: string, options: ClaimOptions): Promise<Claim | string> {
  const { address, proc } = options;
  const lock = await lockAddress({ ...options, base, address: knownAddress(base, address) });
  if (typeof lock === 'string') return lock;
  const { files, giver, wasCutOff } = lock;
  const left = giver ? undefined : files.state.read();
  return {
    files,
    giver,
    others: new RunningPools(base, proc, giver?.state.pid),
    hints: wasCutOff && giver ? [describeCutOff(giver.state)] : [],
    orphans: left && proc ? await findOrphansThatStay(left, address, proc) : [],
    workerUid: left?.workerUid,
    socketInode: left?.sockets[0],
    given: (giver?.state ?? left)?.given,
    memories: left?.memories,
  };
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

function describeCutOff({ name, pid, address }: PoolState): string {
  return `nobody could connect to pool '${name}' (supervisor PID ${pid}) any more: its socket file ${address} was removed or replaced; it is taken over as by --replace`;
}
