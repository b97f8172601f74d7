// `spawn-fcgictl status`: asks one pool or all at once, measures their workers, prints.
import { ask, type Outcome } from '../../control/client.ts';
import { hasWorkers, type PoolStatus } from '../../control/protocol.ts';
import { SpawnFcgiError } from '../../core/errors.ts';
import { isRunning } from '../../sys/pool-directory.ts';
import { measureProcesses, type Usage } from '../../sys/process-usage.ts';
import { explainFailure } from './explain-outcome.ts';
import { type Pool, type PoolFinder } from './find-pool.ts';
import { printError, printText } from './print-ctl.ts';
import { printable, printableJson } from './printable.ts';
import type { CtlRequest } from './program.ts';
import { formatPool, type MeasuredPool, type MeasuredWorker } from './status-table.ts';
import { ctlStatus } from './statuses.ts';

/** Returns the exit status: that of the first pool that did not answer. */
export async function showStatus(
  request: Extract<CtlRequest, { command: 'status' }>,
  finder: PoolFinder,
  answerMs: number,
): Promise<number> {
  const { target, asJson } = request;
  const pools = target === undefined ? finder.all() : [await finder.find(target)];
  const answers = await Promise.all(
    pools.map(async (pool) => ({
      pool,
      outcome: await ask(pool.controlPath, { command: 'status' }, { timeoutMs: answerMs }),
    })),
  );
  const current = answers.filter(({ pool, outcome }) => target !== undefined || !hasEnded(pool, outcome));
  const [statuses, failures] = separate(current);
  const measured = await measurePools(statuses);
  printText(
    asJson ? `${printableJson(measured)}\n` : formatPools(measured, failures.length, target === undefined),
  );
  for (const failure of failures) printError(failure.message);
  if (target === undefined && finder.hiddenCount > 0) {
    printError(`not shown: ${finder.hiddenCount} of other users`);
  }
  return failures[0]?.exitCode ?? ctlStatus.ok;
}

/** Of all pools, one that has ended since is none. */
function hasEnded({ state }: Pool, outcome: Outcome): boolean {
  return outcome.kind === 'absent' && !isRunning(state.pid, state.startTime);
}

function separate(
  answers: readonly { readonly pool: Pool; readonly outcome: Outcome }[],
): [PoolStatus[], SpawnFcgiError[]] {
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

function formatPools(pools: readonly MeasuredPool[], failures: number, isAll: boolean): string {
  if (isAll && pools.length + failures === 0) return 'no pools\n';
  return pools.map(formatPool).join('\n');
}

async function measurePools(pools: readonly PoolStatus[]): Promise<MeasuredPool[]> {
  const pids = pools.flatMap(({ workers }) => workers.flatMap((worker) => worker.pids));
  const usages = await measureProcesses(pids);
  return pools.map((pool) => ({
    ...pool,
    workers: pool.workers.map((worker) => measureWorker(worker, usages)),
  }));
}

/** A worker is its session: the sum of all its processes that could be measured. */
function measureWorker(
  worker: PoolStatus['workers'][number],
  usages: ReadonlyMap<number, Usage>,
): MeasuredWorker {
  const own = worker.pids.map((pid) => usages.get(pid)).filter((usage) => usage !== undefined);
  const sum = (value: (usage: Usage) => number): number | null =>
    own.length === 0 ? null : own.reduce((total, usage) => total + value(usage), 0);
  const cpuPercent = sum((usage) => usage.cpuPercent);
  return {
    ...worker,
    rssBytes: sum((usage) => usage.rssBytes),
    cpuPercent: cpuPercent === null ? null : Math.round(cpuPercent * 10) / 10,
  };
}
