// Supervisor events: what happened, as data, and the one line each becomes.
import type { EndClass } from './restart-policy.ts';
import type { WorkerEnd } from './pool.ts';

export type PoolEvent =
  | { readonly event: 'pool-up'; readonly address: string; readonly workers: number }
  | { readonly event: 'worker-started'; readonly slot: number; readonly workerPid: number }
  | {
      readonly event: 'worker-ended';
      readonly slot: number;
      readonly workerPid: number;
      readonly end: WorkerEnd;
      readonly signalName?: string | undefined;
      readonly uptimeMs: number;
      readonly class: EndClass;
      readonly delayMs: number | undefined;
    }
  | {
      readonly event: 'exec-failed';
      readonly slot: number;
      readonly path: string;
      readonly errno: number;
      readonly error: string;
      readonly delayMs: number | undefined;
    }
  | { readonly event: 'session-left'; readonly session: number; readonly pids: readonly number[] }
  | { readonly event: 'stopping'; readonly reason: string }
  | { readonly event: 'killed'; readonly reason: string; readonly pids: readonly number[] }
  | { readonly event: 'stopped' }
  | { readonly event: 'start-limit-reached'; readonly count: number; readonly withinMs: number }
  | { readonly event: 'signal-ignored'; readonly signal: string }
  | { readonly event: 'logs-reopened' }
  | { readonly event: 'warning'; readonly message: string };

/** How urgent an event is, in syslog's words. */
export type Severity = 'err' | 'warning' | 'notice' | 'info';

export function severityOf(event: PoolEvent): Severity {
  switch (event.event) {
    case 'exec-failed':
    case 'start-limit-reached':
      return 'err';
    case 'worker-ended':
      return event.class === 'planned' ? 'info' : 'warning';
    case 'session-left':
    case 'killed':
    case 'warning':
      return 'warning';
    case 'worker-started':
      return 'info';
    default:
      return 'notice';
  }
}

/** The event as one line for people, without time, program or PID; control characters are written as `\\xNN`. */
export function describeEvent(event: PoolEvent): string {
  return describe(event).replaceAll(
    /\p{Cc}/gu,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

function describe(event: PoolEvent): string {
  switch (event.event) {
    case 'pool-up':
      return `pool up on ${event.address} with ${plural(event.workers, 'worker')}`;
    case 'worker-started':
      return `worker ${event.slot} started: PID ${event.workerPid}`;
    case 'worker-ended':
      return `worker ${event.slot} (PID ${event.workerPid}) ${describeEnd(event.end, event.signalName)} after ${describeMs(event.uptimeMs)}; ${describeNext(event.delayMs)}`;
    case 'exec-failed':
      return `worker ${event.slot}: exec of '${event.path}' failed: ${event.error}; ${describeNext(event.delayMs)}`;
    case 'session-left':
      return `ending ${plural(event.pids.length, 'process', 'processes')} left of worker PID ${event.session}: ${event.pids.join(' ')}`;
    case 'stopping':
      return `stopping: ${event.reason}`;
    case 'killed':
      return `killed PID ${event.pids.join(' ')}: ${event.reason}`;
    case 'stopped':
      return 'stopped';
    case 'start-limit-reached':
      return `--start-limit reached: ${event.count} crashes or failed starts within ${describeMs(event.withinMs)}`;
    case 'signal-ignored':
      return `${event.signal} ignored`;
    case 'logs-reopened':
      return 'logs reopened';
    case 'warning':
      return event.message;
  }
}

function describeEnd(end: WorkerEnd, signalName: string | undefined): string {
  switch (end.kind) {
    case 'exited':
      return `exited with ${end.status}`;
    case 'signaled':
      return `was killed by ${signalName ?? `signal ${end.signal}`}`;
    case 'not-executed':
      return 'could not be executed';
  }
}

function describeNext(delayMs: number | undefined): string {
  if (delayMs === undefined) return 'not restarted';
  return delayMs === 0 ? 'restarting' : `restarting in ${describeMs(delayMs)}`;
}

function describeMs(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
