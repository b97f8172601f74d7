// The facts of php-fpm's status page, as far as they can be known of any program from outside. Requests cannot be counted, so
// "accepted conn" and what php-fpm says of the last request of a process are missing; nothing is made up. Pure.
import type { WorkerStatus } from '../protocol.ts';
import { beganAt, countActive, type PoolFigures } from './pool-figures.ts';

export interface PhpFpmFacts {
  readonly pool: string;
  readonly processManager: 'static' | 'dynamic';
  /** Seconds since 1970. */
  readonly startTime: number;
  readonly startSince: number;
  /** Undefined where the kernel does not tell. */
  readonly listenQueue: number | undefined;
  /** The most that was seen by those who looked, which is not all the time. */
  readonly maxListenQueue: number | undefined;
  readonly listenQueueLen: number | undefined;
  readonly idle: number;
  readonly active: number;
  readonly maxActive: number | undefined;
  readonly maxChildrenReached: number | undefined;
  /** Those that half of --request-timeout was not enough for. */
  readonly slowRequests: number | undefined;
}

export interface PhpFpmProcess {
  readonly pid: number;
  readonly state: string;
  readonly startTime: number;
  readonly startSince: number;
}

export function phpFpmFacts(pool: PoolFigures): PhpFpmFacts {
  const { status } = pool;
  const { queue, peaks } = status;
  const active = countActive(status);
  const { scaling } = status;
  const isFixed = scaling === undefined || scaling.min === scaling.max;
  const up = status.workers.filter(({ state }) => state === 'running').length;
  return {
    pool: status.name,
    processManager: isFixed ? 'static' : 'dynamic',
    startTime: beganAt(pool, status.uptimeMs),
    startSince: Math.floor(status.uptimeMs / 1000),
    listenQueue: queue?.length,
    maxListenQueue: peaks && queue ? Math.max(peaks.queue, queue.length) : peaks?.queue,
    listenQueueLen: queue?.backlog,
    idle: up - active,
    active,
    maxActive: peaks && Math.max(peaks.active, active),
    // A pool of a fixed size never wants to grow; nobody counts how often another one is held by its bound.
    maxChildrenReached: isFixed ? 0 : undefined,
    slowRequests: status.slowRequests,
  };
}

/** php-fpm's words. Who holds a kept connection reads the next request's headers there, too. */
const stateNames = {
  idle: 'Idle',
  busy: 'Running',
  unknown: 'Running',
  kept: 'Reading headers',
} as const satisfies Record<WorkerStatus['activity'], string>;

/** Workers that are up or ending, in the order of their slots; php-fpm knows no other. */
export function phpFpmProcesses(pool: PoolFigures): PhpFpmProcess[] {
  return pool.status.workers.flatMap(({ pid, state, activity, uptimeMs }) => {
    if (pid === null || uptimeMs === null || (state !== 'running' && state !== 'stopping')) return [];
    return [
      {
        pid,
        state: state === 'stopping' ? 'Ending' : stateNames[activity],
        startTime: beganAt(pool, uptimeMs),
        startSince: Math.floor(uptimeMs / 1000),
      },
    ];
  });
}
