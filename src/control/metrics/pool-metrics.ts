// The metrics of pools, php-fpm's names first, then our own (docs/monitoring.md has the list). What cannot be known is left
// out. Pure.
import { statusOfReload } from '../protocol.ts';
import { spareStates } from '../spare-status.ts';
import type { Family } from './exposition.ts';
import { byLabel, counter, gauge, inSeconds, label, type Metric } from './metric.ts';
import { beganAt, stateOf, type DeadFigures, type PoolFigures, type Usage } from './pool-figures.ts';
import { phpFpmFamilies } from './php-fpm-metrics.ts';
import { workerOnes } from './worker-metrics.ts';

/** `isFull`: each worker besides, by its slot. */
export function poolFamilies(
  pools: readonly PoolFigures[],
  dead: readonly DeadFigures[],
  isFull: boolean,
): Family[] {
  const own = [...poolOnes, ...countOnes, ...supervisorOnes, ...(isFull ? workerOnes : [])];
  return [
    ...phpFpmFamilies(pools),
    upFamily(pools, dead),
    orphanFamily(dead),
    ...own.map(({ read, ...family }) => ({
      ...family,
      samples: pools.flatMap((pool) => label(pool, read(pool))),
    })),
  ];
}

function upFamily(pools: readonly PoolFigures[], dead: readonly DeadFigures[]): Family {
  return {
    name: 'spawn_fcgi_up',
    type: 'gauge',
    help: 'Whether the pool has a supervisor; 0: it was killed, and workers serve on.',
    samples: [
      ...pools.flatMap((pool) => label(pool, { value: 1 })),
      ...dead.map(({ name: pool, address }) => ({ labels: { pool, address }, value: 0 })),
    ],
  };
}

function orphanFamily(dead: readonly DeadFigures[]): Family {
  return {
    name: 'spawn_fcgi_orphans',
    type: 'gauge',
    help: 'Workers that serve on without a supervisor.',
    samples: dead.map(({ name: pool, address, orphans }) => ({ labels: { pool, address }, value: orphans })),
  };
}

const states = ['idle', 'busy', 'kept', 'unknown', 'starting', 'stopping', 'backoff', 'exited'];

const poolOnes: readonly Metric[] = [
  gauge('info', 'Version of the supervisor; always 1.', ({ status: { version } }) => ({
    labels: { version },
    value: 1,
  })),
  gauge('start_time_seconds', 'When the pool came up under this supervisor, since 1970.', (pool) => ({
    value: beganAt(pool, pool.status.uptimeMs),
  })),
  gauge('serving', 'Whether a worker is seen to wait for connections or to work on one.', ({ status }) => ({
    value: status.serving === 'unknown' ? undefined : Number(status.serving === 'yes'),
  })),
  gauge('reachable', 'Whether clients can reach the socket, as far as one can see.', ({ status }) => ({
    value: Number(status.unreachable === null && ['ours', null].includes(status.socketFile)),
  })),
  gauge(
    'workers',
    'Workers by what they are at; kept: they hold connections between two requests.',
    ({ status }) =>
      states.map((state) => ({
        labels: { state },
        value: status.workers.filter((worker) => stateOf(worker) === state).length,
      })),
  ),
  gauge('spares', 'Workers beside the pool, by what they are at.', ({ status: { spares } }) =>
    (spares ? spareStates : []).map((state) => ({
      labels: { state },
      value: spares?.workers.filter((spare) => spare.state === state).length,
    })),
  ),
  gauge('spares_wanted', 'How many there should be beside the pool.', ({ status }) => ({
    value: status.spares?.wanted,
  })),
  gauge('workers_wanted', 'How many workers there should be.', ({ status }) => ({ value: status.wanted })),
  gauge('workers_min', 'The fewest that the load may choose.', ({ status }) => ({
    value: status.scaling?.min,
  })),
  gauge('workers_max', 'The most that the load may choose.', ({ status }) => ({
    value: status.scaling?.max,
  })),
  gauge('workers_outdated', 'Workers of a release before the one that new workers are of.', ({ status }) => ({
    value: status.workers.filter(({ pid, generation }) => pid !== null && generation < status.generation)
      .length,
  })),
  gauge('queue_length', 'Connections that wait to be accepted.', ({ status }) => ({
    value: status.queue?.length,
  })),
  gauge('queue_limit', 'How many may wait.', ({ status }) => ({ value: status.queue?.backlog })),
  gauge('generation', 'Counts the releases that were tried.', ({ status }) => ({ value: status.generation })),
  gauge('operation', 'Operations under way.', ({ status }) =>
    ['reload', 'restart', 'scale', 'handover', 'replacement'].map((kind) => ({
      labels: { kind },
      value: Number(status.operation?.kind === kind),
    })),
  ),
  gauge('last_reload_age_seconds', 'How long ago the last reload ended.', ({ status: { lastReload } }) => ({
    value: lastReload && Math.round(lastReload.agoMs / 1000),
  })),
  gauge(
    'last_reload_success',
    'Whether the last reload left all workers new.',
    ({ status: { lastReload } }) => ({
      value: lastReload && Number(lastReload.result === 'reloaded'),
    }),
  ),
  gauge(
    'workers_resident_bytes',
    'Memory of all workers, spare ones too; what they share counts for each.',
    ({ usage }) => ({
      value: usage.workers.size === 0 ? undefined : sumOf(usage.workers.values(), 'rssBytes'),
    }),
  ),
];

const countOnes: readonly Metric[] = [
  counter('restarts', 'Workers that ended unasked or could not be started, by the reason.', ({ status }) =>
    byLabel('reason', status.counts?.restarts),
  ),
  counter('replacements', 'Workers that a guard had replaced, by its option.', ({ status }) =>
    byLabel('guard', status.replaced),
  ),
  counter('slow_requests', 'Requests that took half of --request-timeout.', ({ status }) => ({
    value: status.slowRequests,
  })),
  counter('stuck_requests', 'Requests that took all of --request-timeout.', ({ status }) => ({
    value: status.stuckRequests,
  })),
  counter('reloads', 'Reloads by how they ended.', ({ status }) =>
    byLabel('result', status.counts && { ...noReloads, ...status.counts.reloads }),
  ),
  counter('cpu_seconds', 'Processor time of all workers, ended ones included.', ({ usage }) => ({
    value: inSeconds(usage.cpuMs),
  })),
];

const noReloads = Object.fromEntries(Object.keys(statusOfReload).map((result) => [result, 0]));

const supervisorOnes: readonly Metric[] = [
  gauge('supervisor_resident_bytes', 'Memory of the supervisor itself.', ({ usage }) => ({
    value: usage.supervisor?.rssBytes,
  })),
  counter('supervisor_cpu_seconds', 'Processor time of the supervisor itself.', ({ usage }) => ({
    value: inSeconds(usage.supervisor?.cpuMs),
  })),
];

function sumOf(usages: Iterable<Usage>, key: keyof Usage): number {
  let sum = 0;
  for (const usage of usages) sum += usage[key];
  return sum;
}
