// The metrics of each worker, by its slot. Pure.
import type { PoolStatus } from '../protocol.ts';
import { counter, gauge, inSeconds, type Metric } from './metric.ts';
import { beganAt, type PoolFigures } from './pool-figures.ts';

/** Of `?full` and `metrics --full` alone: as many as there are workers. */
export const workerOnes: readonly Metric[] = [
  ofWorkers(
    gauge,
    'worker_start_time_seconds',
    'When the worker of the slot was started, since 1970.',
    (pool, worker) => (worker.uptimeMs === null ? undefined : beganAt(pool, worker.uptimeMs)),
  ),
  ofWorkers(
    gauge,
    'worker_resident_bytes',
    'Memory of the worker, which is its session.',
    ({ usage }, { pid }) => (pid === null ? undefined : usage.workers.get(pid)?.rssBytes),
  ),
  ofWorkers(
    counter,
    'worker_cpu_seconds',
    'Processor time of the worker of the slot.',
    ({ usage }, { pid }) => (pid === null ? undefined : inSeconds(usage.workers.get(pid)?.cpuMs)),
  ),
  ofWorkers(
    gauge,
    'worker_generation',
    'The release that the worker of the slot is of.',
    (_pool, worker) => worker.generation,
  ),
  ofWorkers(
    gauge,
    'worker_request_age_seconds',
    'How long the oldest request of the worker has been in progress at least.',
    (_pool, { requestAgeMs }) => inSeconds(requestAgeMs ?? undefined),
  ),
  ofWorkers(
    counter,
    'worker_restarts',
    'Workers of the slot that ended unasked.',
    (_pool, worker) => worker.restarts,
  ),
];

function ofWorkers(
  kind: typeof gauge,
  name: string,
  help: string,
  read: (pool: PoolFigures, worker: PoolStatus['workers'][number]) => number | undefined,
): Metric {
  return kind(name, help, (pool) =>
    membersOf(pool.status).map((worker) => ({
      labels: { slot: String(worker.slot) },
      value: read(pool, worker),
    })),
  );
}

/** One of each slot: in a reload there is a second one for a while. */
function membersOf({ workers }: PoolStatus): PoolStatus['workers'] {
  const seen = new Set<number>();
  return workers.filter(({ slot }) => !seen.has(slot) && seen.add(slot));
}
