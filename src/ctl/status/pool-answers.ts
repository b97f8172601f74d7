// What came of asking pools for their status: the status, or why there is none. Pure but for a look at who has ended.
import type { Outcome } from '../../control/client.ts';
import { hasWorkers, type PoolStatus } from '../../control/protocol.ts';
import { SpawnFcgiError } from '../../core/errors.ts';
import { printable } from '../../core/text/printable.ts';
import { isRunning } from '../../sys/proc/process-look.ts';
import { explainFailure } from '../explain-outcome.ts';
import { ctlStatus } from '../statuses.ts';
import type { Pool } from '../target/pools.ts';

export interface PoolAnswer {
  readonly pool: Pool;
  readonly outcome: Outcome;
}

/** Of all pools, one that has ended since is none. */
export function hasEnded({ state }: Pool, outcome: Outcome): boolean {
  return outcome.kind === 'absent' && !isRunning(state.pid, state.startTime);
}

export function separate(answers: readonly PoolAnswer[]): [PoolStatus[], SpawnFcgiError[]] {
  const statuses: PoolStatus[] = [];
  const failures: SpawnFcgiError[] = [];
  for (const { pool, outcome } of answers) {
    if (outcome.kind !== 'result') failures.push(explainFailure(outcome, pool));
    else if (!outcome.result.ok) failures.push(refusalOf(outcome.result));
    else if (hasWorkers(outcome.result.pool)) statuses.push(outcome.result.pool);
    else failures.push(explainFailure({ kind: 'malformed' }, pool));
  }
  return [statuses, failures];
}

function refusalOf({ message, status }: { message: string; status: number }): SpawnFcgiError {
  return new SpawnFcgiError(printable(message), { exitCode: status || ctlStatus.noAnswer });
}
