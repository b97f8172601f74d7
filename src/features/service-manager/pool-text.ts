// The one line that `systemctl status` shows of a pool.
import type { LastReload } from '../../supervisor/outcome.ts';
import { asStatus } from '../../core/text/status-text.ts';

export interface PoolFacts {
  readonly wanted: number;
  /** Workers that are up, and of them those at work. */
  readonly up: number;
  readonly busy: number;
  /** Connections that nobody has accepted; undefined where the kernel does not tell. */
  readonly waiting: number | undefined;
  /** What is under way; undefined: nothing. */
  readonly operation: keyof typeof operations | undefined;
  readonly lastReload: Pick<LastReload, 'result' | 'message'> | undefined;
}

const operations = { reload: 'reloading', restart: 'restarting', handover: 'handing over' };

/** `4 of 4 up, 2 busy, 0 waiting`, and what became of the last reload. */
export function describePool({ wanted, up, busy, waiting, operation, lastReload }: PoolFacts): string {
  const counts = [`${up} of ${wanted} up`, `${busy} busy`];
  if (waiting !== undefined) counts.push(`${waiting} waiting`);
  const now = operation === undefined ? '' : `${operations[operation]}: `;
  const then = operation === undefined && lastReload ? `; ${describeLast(lastReload)}` : '';
  return asStatus(`${now}${counts.join(', ')}${then}`);
}

function describeLast({ result, message }: Pick<LastReload, 'result' | 'message'>): string {
  const what = {
    reloaded: 'reloaded',
    'rolled-back': 'last reload failed, the old workers are in service',
    'timed-out': 'last reload timed out, the old workers are in service',
    partly: 'last reload done in part',
  }[result];
  return message === '' ? what : `${what}: ${message}`;
}
