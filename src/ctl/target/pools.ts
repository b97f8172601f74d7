// Pools as spawn-fcgictl knows them: living ones and those that a killed supervisor left, which of several is meant, and
// what they are called in a message.
import type { SocketOwner } from '../../control/client.ts';
import type { PoolState, WorkerRecord } from '../../core/pool-state.ts';
import type { PoolEntry } from '../../sys/file/pool-directory.ts';
import { printable } from '../../core/text/printable.ts';

/** A worker that a killed supervisor left, with the processes of its session. */
export interface Orphan extends WorkerRecord {
  readonly pids: readonly number[];
}

/** A pool that we may read; one whose supervisor was killed has `orphans`. */
export type Pool = PoolEntry & { readonly state: PoolState; readonly orphans?: readonly Orphan[] };
export type DeadPool = Pool & { readonly orphans: readonly Orphan[] };

export function isDeadPool(pool: Pool): pool is DeadPool {
  return pool.orphans !== undefined;
}

/** Whose the control socket must be, where another user could put something else there. */
export function ownerOf({ isForeign, uid, state }: Pool): SocketOwner | undefined {
  return isForeign ? { uid, pid: state.pid } : undefined;
}

export function isReadable(entry: PoolEntry): entry is Pool {
  return entry.state !== undefined;
}

/**
 * Killed pools stay if their workers are there still, and are proved to be theirs. Looking at that needs libc, which is
 * loaded only for it.
 */
export async function prove(all: readonly PoolEntry[]): Promise<Proved> {
  const living = all.filter(({ isDead }) => !isDead);
  const dead = all.filter((entry) => entry.isDead).filter(isReadable);
  if (dead.length === 0) return { entries: living, problem: undefined };
  try {
    const { findOrphansOf } = await import('./dead-pools.ts');
    const proved = dead.map((pool): DeadPool => ({ ...pool, orphans: findOrphansOf(pool) }));
    const entries = [...living, ...proved.filter(({ orphans }) => orphans.length > 0)];
    return { entries, problem: undefined };
  } catch (error) {
    const [reason] = (error as Error).message.split('\n');
    return { entries: living, problem: `killed pools cannot be looked at: ${reason}` };
  }
}

export interface Proved {
  readonly entries: readonly PoolEntry[];
  readonly problem: string | undefined;
}

/** What another user's files say never stands in the way of a pool of root's or our own, nor a killed pool in a living one's. */
export function preferred(found: readonly PoolEntry[]): readonly PoolEntry[] {
  const own = found.filter(({ isForeign }) => !isForeign);
  const candidates = own.length > 0 ? own : found;
  const living = candidates.filter(({ isDead }) => !isDead);
  return living.length > 0 ? living : candidates;
}

/** A pool in a message. */
export function describeEntry(entry: PoolEntry): string {
  const { state } = entry;
  return state
    ? `pool '${printable(state.name)}' on ${printable(state.address)} (supervisor PID ${state.pid}${entry.isDead ? ', dead' : ''})`
    : `the pool on ${printable(entry.address)} of ${describeUser(entry.uid)}`;
}

export function describeUser(uid: number): string {
  return uid === 0 ? 'root' : `uid ${uid}`;
}
