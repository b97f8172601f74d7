// Takes the lock of an address; while another process has it: waits for a pool that is stopping, asks one that runs for
// what it has (--replace, or when nobody can connect to it any more), or refuses beside it.
import { join } from 'node:path';
import type { Config } from '../../core/config.ts';
import { errnoOf, SpawnFcgiError } from '../../core/errors.ts';
import { formatAddress, type BoundAddress } from '../../core/pool-id.ts';
import type { PoolState } from '../../core/pool-state.ts';
import { pause } from '../../sys/process/clock.ts';
import { AT_FDCWD, statAt } from '../../sys/path/file-at.ts';
import { E, libc } from '../../sys/libc/libc.ts';
import { PoolFiles } from '../../sys/file/pool-files.ts';
import { readStateOf } from '../../sys/file/pool-names.ts';
import type { ProcFs } from '../../sys/proc/proc-fs.ts';
import { askStanding } from './ask-standing.ts';
import { isElsewhere, isRunningHere } from '../source/find-orphans.ts';
import { PoolGiver } from '../source/pool-giver.ts';
import { refuseBeside } from './refuse-beside.ts';

export interface LockOptions {
  readonly config: Pick<Config, 'replace' | 'readyTimeoutMs' | 'stopTimeoutMs' | 'range'>;
  /** A pool that nobody can connect to any more is taken over, as by --replace. */
  readonly takesOver: boolean;
  readonly base: string;
  readonly address: BoundAddress;
  readonly proc: ProcFs | undefined;
  /** Called again and again as long as another process has the lock; may not return. */
  readonly whileWaiting: () => void;
}

export interface Lock {
  readonly files: PoolFiles;
  /** The supervisor that gives its pool to us, and what it last said of itself. */
  readonly giver: { readonly connection: PoolGiver; readonly state: PoolState } | undefined;
  /** Nobody could connect to that pool any more, which is why it was asked for. */
  readonly wasCutOff?: boolean;
}

const pollMs = 5;
const dyingMs = 1000;
/** A pool that just got its TERM may not have said so yet, on a busy machine not for long. */
const patienceMs = { serving: 60, busy: 2000, afterDeadline: 5000 } as const;

/** A string says that the directory has no room for the pool's files. */
export async function lockAddress(options: LockOptions): Promise<Lock | string> {
  const { base, address, config, takesOver, proc } = options;
  const startedMs = performance.now();
  let isLastTry = false;
  for (;;) {
    const files = openLock(base, address, config.range.max);
    if (typeof files === 'string') return files;
    if (files) return { files, giver: undefined };
    const holder = readStateOf(base, address);
    const live = holder && isRunningHere(holder, proc) ? holder : undefined;
    const isAway = holder !== undefined && isElsewhere(holder, proc);
    const isCutOff = live?.phase === 'serving' && (await isUnreachable(base, address, live));
    if (live?.phase === 'serving' && (config.replace || (isCutOff && takesOver))) {
      const lock = await takeFrom(options, live, isCutOff && !config.replace);
      if (lock) return lock;
    }
    // Whoever does not say what it is may be a pool of the same options that is stopping.
    const known = live ?? (isAway ? holder : undefined);
    const patience = known ? patienceFor(known, isAway ? undefined : proc) : config.stopTimeoutMs;
    const isThere = !live || isRunningHere(live, proc);
    const isOver = isThere && performance.now() - startedMs > patience;
    if (isOver && isLastTry) {
      throw refuseBeside({ base, address, holder: known, isAway, isCutOff, isReplacing: config.replace });
    }
    // We may have been stopped ourselves, and the holder have ended, since we tried.
    isLastTry = isOver;
    options.whileWaiting();
    await pause(pollMs);
  }
}

/**
 * Whether nobody can connect to a pool any more, since its socket's file was removed or replaced. It is asked itself, too: its
 * path may lead elsewhere for it than for us (a mount namespace), and only it knows what it has just changed.
 */
async function isUnreachable(base: string, address: BoundAddress, holder: PoolState): Promise<boolean> {
  if (address.kind !== 'unix') return false;
  const there = statAt(AT_FDCWD, address.path)?.identity;
  const isThere = there !== undefined && (holder.socketFile === undefined || there === holder.socketFile);
  if (isThere || holder.control === undefined) return false;
  return (await askStanding(join(base, holder.control))) !== 'ours';
}

/** Undefined when the holder ended meanwhile: the lock is, or will be, free. */
async function takeFrom(
  options: LockOptions,
  holder: PoolState,
  isCutOff: boolean,
): Promise<Lock | undefined> {
  const { base, address, config } = options;
  try {
    const lock = await askHolder(options, holder);
    // Without room a state stays as it was.
    lock?.files.state.reserve(config.range.max);
    return lock && { ...lock, wasCutOff: isCutOff };
  } catch (error) {
    if (!isCutOff || !(error instanceof SpawnFcgiError)) throw error;
    const why = error.message;
    throw refuseBeside({ base, address, holder, isAway: false, isCutOff, isReplacing: false, why });
  }
}

async function askHolder(
  { base, address, config, proc }: LockOptions,
  holder: PoolState,
): Promise<Lock | undefined> {
  const where = formatAddress(address);
  if (holder.control === undefined) {
    throw new SpawnFcgiError(`cannot take over the pool on ${where}: it has no control socket`);
  }
  let connection: PoolGiver | undefined;
  try {
    connection = await PoolGiver.ask(join(base, holder.control), where, config.readyTimeoutMs);
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
    const errno = errnoOf(error);
    if (errno === E.NOSPC || errno === E.DQUOT) return `${base}: ${libc.strerror(errno)}`;
    throw new SpawnFcgiError(`lock of this pool cannot be used: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** How long a pool may take to say that it is stopping, and to stop. Without /proc it cannot be seen at rest. */
export function patienceFor(holder: PoolState, proc: ProcFs | undefined): number {
  if (holder.phase === 'stopping') return holder.stopTimeoutMs + patienceMs.afterDeadline;
  return !proc || isAtRest(proc, holder.pid) ? patienceMs.serving : patienceMs.busy;
}

/** Whether a supervisor has followed every signal that it was sent, and waits for the next one. */
function isAtRest(proc: ProcFs, pid: number): boolean {
  const pending = /^ShdPnd:\s*([0-9a-f]+)/m.exec(proc.readText(`${pid}/status`) ?? '')?.[1];
  return proc.stat(pid)?.state === 'S' && !/[1-9a-f]/.test(pending ?? '');
}
