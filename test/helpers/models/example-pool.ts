/** A pool as a supervisor describes it, for tests that need one. */
import type { PoolSummary, WorkerStatus } from '../../../src/control/protocol.ts';

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
