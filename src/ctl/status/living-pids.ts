// The processes that a pool names, as far as they are there, and each once: the supervisor of another user may name
// millions, and whoever measures them all has no time left for the other pools.
import type { PoolStatus } from '../../control/protocol.ts';
import { allPids } from '../../sys/proc/process-look.ts';

export function withLivingPids(pools: readonly PoolStatus[]): PoolStatus[] {
  const living = new Set(allPids());
  return pools.map((pool) => {
    const left = new Set(living);
    const keep = <Worker extends { readonly pids: readonly number[] }>(
      workers: readonly Worker[],
    ): Worker[] =>
      workers.map((worker) => ({ ...worker, pids: worker.pids.filter((pid) => left.delete(pid)) }));
    const { spares } = pool;
    return {
      ...pool,
      workers: keep(pool.workers),
      ...(spares ? { spares: { ...spares, workers: keep(spares.workers) } } : {}),
    };
  });
}
