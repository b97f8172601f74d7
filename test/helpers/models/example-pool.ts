/** A pool as a supervisor describes it, for tests that need one. */
import type { PoolFigures } from '../../../src/control/metrics/pool-figures.ts';
import type { PoolStatus, PoolSummary, WorkerStatus } from '../../../src/control/protocol.ts';

export function examplePool(changes: Partial<PoolSummary> = {}): PoolSummary {
  return {
    name: 'php-cgi',
    address: '/run/php.sock',
    pid: 501,
    version: '2.0.0',
    phase: 'serving',
    generation: 2,
    uptimeMs: 86_400_000,
    wanted: 4,
    idle: 3,
    busy: 1,
    serving: 'yes',
    backoff: 0,
    queue: { length: 0, backlog: 1024 },
    socketFile: 'ours',
    unreachable: null,
    operation: { kind: 'reload', sinceMs: 3000, step: 'slot 2 of 4' },
    lastReload: { result: 'reloaded', agoMs: 60_000, message: '', words: [] },
    command: ['spawn-fcgi', '-s', '/run/php.sock', '--', '/usr/bin/php-cgi'],
    pidFile: '/run/php.pid',
    stopTimeoutMs: 9000,
    ...changes,
  };
}

export function exampleWorker(changes: Partial<WorkerStatus> = {}): WorkerStatus {
  return {
    slot: 0,
    pid: 640,
    generation: 2,
    state: 'running',
    uptimeMs: 5000,
    activity: 'idle',
    restarts: 3,
    lastExit: 'was killed by SIGKILL',
    nextTryMs: null,
    pids: [640],
    ...changes,
  };
}

/** A pool with a worker in each state, as it was measured. */
export function exampleFigures(changes: Partial<PoolStatus> = {}): PoolFigures {
  const workers = [
    exampleWorker({ slot: 0, pid: 640 }),
    exampleWorker({ slot: 1, pid: 641, activity: 'busy', uptimeMs: 90_000 }),
    exampleWorker({ slot: 2, pid: 642, activity: 'kept' }),
    exampleWorker({ slot: 3, pid: null, state: 'backoff', activity: 'unknown', uptimeMs: null }),
    exampleWorker({ slot: 0, pid: 600, state: 'stopping', activity: 'busy', generation: 1 }),
  ];
  const status = {
    ...examplePool({ queue: { length: 3, backlog: 128 }, operation: null }),
    counts: { restarts: { crash: 2 }, reloads: { 'rolled-back': 1 } },
    peaks: { queue: 9, active: 1 },
    replaced: { 'max-age': 4 },
    slowRequests: 5,
    stuckRequests: 2,
    scaling: { min: 4, max: 4, processors: null, last: null, note: null },
    spares: {
      wanted: 2,
      isPossible: true,
      workers: [{ pid: 650, generation: 2, state: 'ready' as const, uptimeMs: 5000, pids: [650] }],
    },
    workers,
    ...changes,
  };
  const usage = {
    supervisor: { rssBytes: 50_000_000, cpuMs: 1500 },
    cpuMs: 60_000,
    workers: new Map([[640, { rssBytes: 1000, cpuMs: 20 }]]),
  };
  return { status, usage, nowSeconds: 1_800_000_000 };
}

/** What a program may be called. */
export const nastyNames = [
  '<script>alert(1)</script>',
  '"&\'>',
  'a\nb\r\tc',
  '\\',
  ']]>',
  '\u0000\u001b[31m',
  '\ud800',
  '\uffff',
  'ä€😀',
];
