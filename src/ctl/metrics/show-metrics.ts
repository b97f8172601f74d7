// `spawn-fcgictl metrics`: what the status socket of each pool would say, for all of them in one text.
import { readFileSync } from 'node:fs';
import { formatFamilies } from '../../control/metrics/exposition.ts';
import { measureUsage } from '../../control/metrics/measure-usage.ts';
import { poolFamilies } from '../../control/metrics/pool-metrics.ts';
import { printError, printText } from '../print/print-ctl.ts';
import { ctlStatus } from '../statuses.ts';
import { askPools } from '../status/ask-pools.ts';
import { isServing } from '../status/dead-pool-text.ts';
import type { PoolFinder } from '../target/find-pool.ts';
import type { Pool } from '../target/pools.ts';
import type { MetricsRequest } from './metrics-command.ts';

/** Returns the exit status: that of the first pool that did not answer. */
export async function showMetrics(
  { targets, isFull }: MetricsRequest,
  finder: PoolFinder,
  answerMs: number,
): Promise<number> {
  const pools = targets.length === 0 ? finder.all() : await findEach(targets, finder);
  const { statuses, failures, dead } = await askPools(pools, targets.length > 0, answerMs);
  const nowSeconds = Date.now() / 1000;
  const figures = statuses.map((status) => ({ status, usage: measureUsage(readProc, status), nowSeconds }));
  const orphaned = dead.map(({ state, orphans }) => ({
    name: state.name,
    address: state.address,
    orphans: orphans.filter(isServing).length,
  }));
  printText(formatFamilies(poolFamilies(figures, orphaned, isFull), 'prometheus'));
  for (const failure of failures) printError(failure.message);
  return failures[0]?.exitCode ?? ctlStatus.ok;
}

/** One that is named twice is one. */
async function findEach(targets: readonly string[], finder: PoolFinder): Promise<Pool[]> {
  const found = await Promise.all(targets.map((target) => finder.find(target)));
  return [...new Map(found.map((pool) => [pool.controlPath, pool])).values()];
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, 'latin1');
  } catch {
    return undefined;
  }
}
