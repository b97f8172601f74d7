// One pool an address: takes the pool's lock, waits for a pool that is stopping,
// refuses beside one that runs, and says which. Knows nothing of binding.
import { setTimeout as pause } from 'node:timers/promises';
import type { Config } from '../core/config.ts';
import { SpawnFcgiError } from '../core/errors.ts';
import { formatAddress, type BoundAddress } from '../core/pool-id.ts';
import type { PoolState, WorkerRecord } from '../core/pool-state.ts';
import { baseDirectories } from '../sys/base-directories.ts';
import { PoolFiles, prepareBaseDirectory } from '../sys/pool-files.ts';
import type { ProcFs } from '../sys/proc-fs.ts';

export interface Claim {
  /** Whether a PID is that of the supervisor of a running pool of this user. */
  readonly isRunningPool: (pid: number) => boolean;
  /** Undefined where no base directory can be used: the pool runs without lock and state. */
  readonly files: PoolFiles | undefined;
  readonly hints: readonly string[];
  /** Workers of a supervisor that was killed, still alive. */
  readonly orphans: readonly WorkerRecord[];
}

const pollMs = 5;
/** A pool that just got its TERM may not have said so yet; a short-lived start may hold the lock. */
const patienceMs = { serving: 60, unknown: 2000, afterDeadline: 5000 } as const;

export async function claimAddress(
  config: Pick<Config, 'stateDir'>,
  runtimeDir: string | undefined,
  address: BoundAddress,
  proc: ProcFs | undefined,
): Promise<Claim> {
  const problems: string[] = [];
  for (const base of baseDirectories(config.stateDir, runtimeDir)) {
    const problem = prepareBaseDirectory(base);
    if (problem !== undefined) {
      if (config.stateDir !== undefined) throw new SpawnFcgiError(`--state-dir cannot be used: ${problem}`);
      problems.push(problem);
      continue;
    }
    const files = await takeLock(base, address, proc);
    const left = files.readOwnState()?.workers ?? [];
    const isRunningPool = (pid: number): boolean => {
      const state = PoolFiles.findByPid(base, pid);
      return state !== undefined && proc?.isAlive(state) === true;
    };
    return { files, isRunningPool, hints: [], orphans: left.filter((worker) => proc?.isAlive(worker)) };
  }
  const hint = `no lock and no state file for this pool: ${problems.join('; ')}; --state-dir names another directory`;
  return { files: undefined, isRunningPool: () => false, hints: [hint], orphans: [] };
}

async function takeLock(base: string, address: BoundAddress, proc: ProcFs | undefined): Promise<PoolFiles> {
  const startedMs = performance.now();
  for (;;) {
    const files = openLock(base, address);
    if (files) return files;
    const holder = PoolFiles.readState(base, address);
    const live = holder && proc?.isAlive(holder) ? holder : undefined;
    if (performance.now() - startedMs > patienceFor(live)) throw refuse(address, live);
    await pause(pollMs);
  }
}

function openLock(base: string, address: BoundAddress): PoolFiles | undefined {
  try {
    return PoolFiles.tryLock(base, address);
  } catch (error) {
    throw new SpawnFcgiError(`lock of this pool cannot be used: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function patienceFor(holder: PoolState | undefined): number {
  if (!holder) return patienceMs.unknown;
  return holder.phase === 'stopping' ? holder.stopTimeoutMs + patienceMs.afterDeadline : patienceMs.serving;
}

function refuse(address: BoundAddress, holder: PoolState | undefined): SpawnFcgiError {
  const line =
    address.kind === 'unix' ? "socket is already in use, can't spawn" : 'bind failed: Address already in use';
  if (!holder)
    return new SpawnFcgiError(line, { hints: [`another start on ${formatAddress(address)} is under way`] });
  const what = holder.phase === 'serving' ? 'runs' : 'is ' + holder.phase;
  const stop = holder.pidFile === undefined ? `kill ${holder.pid}` : `kill $(cat ${holder.pidFile})`;
  return new SpawnFcgiError(line, {
    hints: [
      `pool '${holder.name}' (supervisor PID ${holder.pid}) ${what} on ${holder.address}; stop it first: ${stop}`,
    ],
  });
}
