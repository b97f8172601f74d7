// What the client measures of pools: memory and processor of each worker, which is its session.
import type { PoolStatus } from '../../control/protocol.ts';
import { uptimeSince } from '../../sys/proc/process-look.ts';
import { measureProcesses, type Usage } from '../../sys/proc/process-usage.ts';
import type { DeadPool } from '../target/pools.ts';
import type { MeasuredDeadPool } from './dead-pool-text.ts';
import { withLivingPids } from './living-pids.ts';
import type { MeasuredPool, WorkerUsage } from './status-table.ts';

interface Session {
  readonly pids: readonly number[];
}

export interface Measured {
  readonly pools: readonly MeasuredPool[];
  readonly dead: readonly MeasuredDeadPool[];
}

/** The processor is what a process had in its life, or since the last look that saw it. */
export class PoolMeter {
  #last: ReadonlyMap<number, Usage> = new Map();

  async measure(pools: readonly PoolStatus[], dead: readonly DeadPool[]): Promise<Measured> {
    const living = withLivingPids(pools);
    const sessions = [
      ...living.flatMap(({ workers, spares }) => [...workers, ...(spares?.workers ?? [])]),
      ...dead.flatMap(({ orphans }) => orphans),
    ];
    const usages = await measureProcesses(sessions.flatMap(({ pids }) => pids));
    const measureSession = (pids: readonly number[]): WorkerUsage => this.#measure(pids, usages);
    const measureAll = <Worker extends object>(workers: readonly Worker[], own: readonly Session[] = []) =>
      workers.map((worker, index) => ({ ...worker, ...measureSession(own[index]?.pids ?? []) }));
    const measured = {
      pools: pools.map(({ spares, ...pool }, index) => ({
        ...pool,
        ...(spares
          ? { spares: { ...spares, workers: measureAll(spares.workers, living[index]?.spares?.workers) } }
          : {}),
        workers: measureAll(pool.workers, living[index]?.workers),
      })),
      dead: dead.map((pool) => ({
        ...pool,
        measured: pool.orphans.map((orphan) => ({
          ...orphan,
          uptimeMs: uptimeSince(orphan.startTime) ?? null,
          ...measureSession(orphan.pids),
        })),
      })),
    };
    this.#last = usages;
    return measured;
  }

  /** A worker is its session: the sum of all its processes that could be measured. */
  #measure(pids: readonly number[], usages: ReadonlyMap<number, Usage>): WorkerUsage {
    const own = pids.flatMap((pid) => {
      const usage = usages.get(pid);
      return usage ? [{ ...usage, cpuPercent: cpuPercentOf(usage, this.#last.get(pid)) }] : [];
    });
    if (own.length === 0) return { rssBytes: null, cpuPercent: null };
    const cpuPercent = own.reduce((sum, usage) => sum + usage.cpuPercent, 0);
    return {
      rssBytes: own.reduce((sum, usage) => sum + usage.rssBytes, 0),
      cpuPercent: Math.round(cpuPercent * 10) / 10,
    };
  }
}

/** A number that another process had before is one that has had less. */
function cpuPercentOf({ cpuMs, aliveMs }: Usage, last: Usage | undefined): number {
  const isSame = last !== undefined && aliveMs > last.aliveMs && cpuMs >= last.cpuMs;
  const [used, passed] = isSame ? [cpuMs - last.cpuMs, aliveMs - last.aliveMs] : [cpuMs, aliveMs];
  return passed > 0 ? (used / passed) * 100 : 0;
}
