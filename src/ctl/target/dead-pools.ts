// What a killed supervisor left, proved as a start that adopts it does. Loaded with libc,
// and only where there is such a pool.
import { parseAddress } from '../../core/pool-id.ts';
import { ProcFs } from '../../sys/proc/proc-fs.ts';
import { findOrphans } from '../../start/source/find-orphans.ts';
import type { Orphan, Pool } from './pools.ts';

/** Workers of the pool that are there still: start time, user, session, and the socket on the address. */
export function findOrphansOf({ uid, isForeign, state }: Pool): Orphan[] {
  const proc = ProcFs.open();
  const address = parseAddress(state.address);
  // Only root's supervisors can run their workers as somebody else.
  if (!proc || !address || (isForeign && state.workerUid !== uid)) return [];
  return findOrphans(state, address, proc).map((worker) => ({
    ...worker,
    pids: proc.sessionMembers(new Set([worker.session ?? worker.pid])).map(({ pid }) => pid),
  }));
}
