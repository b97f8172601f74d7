// `spawn-fcgictl status`: asks one pool or all at once, measures their workers, prints.
import { ask, type Outcome } from '../../control/client.ts';
import { hasWorkers, type PoolStatus } from '../../control/protocol.ts';
import { SpawnFcgiError } from '../../core/errors.ts';
import { isRunning, uptimeSince } from '../../sys/proc/process-look.ts';
import { measureProcesses, type Usage } from '../../sys/proc/process-usage.ts';
import { explainFailure } from '../explain-outcome.ts';
import { deadPoolJson, formatDeadPool, type MeasuredDeadPool } from './dead-pool-text.ts';
import { type PoolFinder } from '../target/find-pool.ts';
import { isDeadPool, ownerOf, type DeadPool, type Pool } from '../target/pools.ts';
import { printError, printText } from '../print/print-ctl.ts';
import { printable } from '../../core/text/printable.ts';
import { printableJson } from '../print/printable.ts';
import type { CtlRequest } from '../program.ts';
import { formatPool, type MeasuredPool, type WorkerUsage } from './status-table.ts';
import { ctlStatus } from '../statuses.ts';

/** Returns the exit status: that of the first pool that did not answer; else whether one has no supervisor. */
export async function showStatus(
  request: Extract<CtlRequest, { command: 'status' }>,
  finder: PoolFinder,
  answerMs: number,
): Promise<number> {
  const { target, asJson } = request;
  const pools = target === undefined ? finder.all() : [await finder.find(target)];
  const dead = pools.filter(isDeadPool);
  const answers = await Promise.all(
    pools
      .filter((pool) => !isDeadPool(pool))
      .map(async (pool) => ({
        pool,
        outcome: await ask(
          pool.controlPath,
          { command: 'status' },
          { timeoutMs: answerMs, owner: ownerOf(pool) },
        ),
      })),
  );
  const current = answers.filter(({ pool, outcome }) => target !== undefined || !hasEnded(pool, outcome));
  const [statuses, failures] = separate(current);
  const measured = await measurePools(statuses, dead);
  printText(asJson ? formatJson(measured) : formatPools(measured, failures.length, target === undefined));
  for (const failure of failures) printError(failure.message);
  if (target === undefined && finder.hiddenCount > 0) {
    printError(`not shown: ${finder.hiddenCount} of other users`);
  }
  if (finder.problem !== undefined) printError(printable(finder.problem));
  return failures[0]?.exitCode ?? (dead.length > 0 ? ctlStatus.notServing : ctlStatus.ok);
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

interface Measured {
  readonly pools: readonly MeasuredPool[];
  readonly dead: readonly MeasuredDeadPool[];
}

function formatPools({ pools, dead }: Measured, failures: number, isAll: boolean): string {
  if (isAll && pools.length + dead.length + failures === 0) return 'no pools\n';
  return [...pools.map(formatPool), ...dead.map(formatDeadPool)].join('\n');
}

function formatJson({ pools, dead }: Measured): string {
  return `${printableJson([...pools, ...dead.map(deadPoolJson)])}\n`;
}

async function measurePools(pools: readonly PoolStatus[], dead: readonly DeadPool[]): Promise<Measured> {
  const sessions = [...pools.flatMap(({ workers }) => workers), ...dead.flatMap(({ orphans }) => orphans)];
  const usages = await measureProcesses(sessions.flatMap(({ pids }) => pids));
  return {
    pools: pools.map((pool) => ({
      ...pool,
      workers: pool.workers.map((worker) => ({ ...worker, ...measureSession(worker.pids, usages) })),
    })),
    dead: dead.map((pool) => ({
      ...pool,
      measured: pool.orphans.map((orphan) => ({
        ...orphan,
        uptimeMs: uptimeSince(orphan.startTime) ?? null,
        ...measureSession(orphan.pids, usages),
      })),
    })),
  };
}

/** A worker is its session: the sum of all its processes that could be measured. */
function measureSession(pids: readonly number[], usages: ReadonlyMap<number, Usage>): WorkerUsage {
  const own = pids.map((pid) => usages.get(pid)).filter((usage) => usage !== undefined);
  const sum = (value: (usage: Usage) => number): number | null =>
    own.length === 0 ? null : own.reduce((total, usage) => total + value(usage), 0);
  const cpuPercent = sum((usage) => usage.cpuPercent);
  return {
    rssBytes: sum((usage) => usage.rssBytes),
    cpuPercent: cpuPercent === null ? null : Math.round(cpuPercent * 10) / 10,
  };
}
