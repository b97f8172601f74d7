// How urgent each event of a pool is.
import type { PoolEvent } from './pool-event.ts';

/** How urgent an event is, in syslog's words. */
export type Severity = 'err' | 'warning' | 'notice' | 'info';

export function severityOf(event: PoolEvent): Severity {
  switch (event.event) {
    case 'exec-failed':
    case 'spawn-failed':
    case 'start-limit-reached':
      return 'err';
    case 'worker-ended':
      return event.class === 'planned' ? 'info' : 'warning';
    case 'log-program-ended':
    case 'spare-ended':
    case 'session-left':
    case 'socket-held':
    case 'socket-renewed':
    case 'killed':
    case 'request-cut':
    case 'request-slow':
    case 'request-stuck':
    case 'handover-failed':
    case 'replacement-failed':
    case 'workers-exhausted':
    case 'over-from-start':
    case 'warning':
      return 'warning';
    case 'reload-finished':
      return event.result === 'reloaded' ? 'notice' : 'err';
    case 'restart-finished':
      return event.isUp && !event.left ? 'notice' : 'err';
    case 'planned-exits':
    case 'worker-started':
    case 'worker-replaced':
    case 'spare-ready':
    case 'spare-taken':
      return 'info';
    default:
      return 'notice';
  }
}
