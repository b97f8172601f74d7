// php-fpm's own metrics of a pool (its ?openmetrics and the exporters for it), by the facts of its status page. All are
// gauges here: a counter of OpenMetrics would have another name. Pure.
import type { Family } from './exposition.ts';
import type { PoolFigures } from './pool-figures.ts';
import { phpFpmFacts, type PhpFpmFacts } from './php-fpm-facts.ts';

const rows: readonly [name: string, help: string, read: (facts: PhpFpmFacts) => number | undefined][] = [
  ['up', 'Whether the pool answers: always 1.', () => 1],
  ['start_since', 'Seconds since the pool came up.', ({ startSince }) => startSince],
  ['listen_queue', 'Connections that wait to be accepted.', ({ listenQueue }) => listenQueue],
  ['max_listen_queue', 'The most of them that a look has seen.', ({ maxListenQueue }) => maxListenQueue],
  ['listen_queue_length', 'How many may wait.', ({ listenQueueLen }) => listenQueueLen],
  ['idle_processes', 'Workers that wait for a connection.', ({ idle }) => idle],
  ['active_processes', 'Workers that hold a connection.', ({ active }) => active],
  ['total_processes', 'Workers that are up.', ({ idle, active }) => idle + active],
  [
    'max_active_processes',
    'The most that a look has seen to hold a connection.',
    ({ maxActive }) => maxActive,
  ],
  [
    'max_children_reached',
    'How often growing was held by the limit.',
    ({ maxChildrenReached }) => maxChildrenReached,
  ],
  ['slow_requests', 'Requests that were found to take too long.', ({ slowRequests }) => slowRequests],
];

export function phpFpmFamilies(pools: readonly PoolFigures[]): Family[] {
  const known = pools.map((pool) => ({ facts: phpFpmFacts(pool), status: pool.status }));
  return rows.map(([name, help, read]) => ({
    name: `phpfpm_${name}`,
    type: 'gauge',
    help,
    samples: known.flatMap(({ facts, status }) => {
      const value = read(facts);
      const { name: pool, address } = status;
      return value === undefined ? [] : [{ labels: { pool, address }, value }];
    }),
  }));
}
