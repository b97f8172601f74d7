// `spawn-fcgictl metrics`: what the status socket of each pool would say, for all of them in one text.
import { readFileSync } from 'node:fs';
import { isatty } from 'node:tty';
import { formatFamilies } from '../../control/metrics/exposition.ts';
import { measureUsage } from '../../control/metrics/measure-usage.ts';
import { poolFamilies } from '../../control/metrics/pool-metrics.ts';
import { describeFailure } from '../../core/text/failure-text.ts';
import { printable, printableLines } from '../../core/text/printable.ts';
import { printError, textOf } from '../print/print-ctl.ts';
import { failureOf } from '../print/write-fully.ts';
import { ctlStatus } from '../statuses.ts';
import { askPools } from '../status/ask-pools.ts';
import { isServing } from '../status/dead-pool-text.ts';
import { withLivingPids } from '../status/living-pids.ts';
import type { PoolFinder } from '../target/find-pool.ts';
import type { Pool } from '../target/pools.ts';
import type { MetricsRequest } from './metrics-command.ts';

/** Returns the exit status: that of the first pool that did not answer. */
export async function showMetrics(
  { targets, isFull }: MetricsRequest,
  finder: PoolFinder,
  answerMs: number,
): Promise<number> {
  const found = targets.length === 0 ? finder.all() : await findEach(targets, finder);
  // Who calls himself what another pool is called comes last.
  const pools = found.toSorted((one, other) => Number(one.isForeign) - Number(other.isForeign));
  const { statuses, failures, dead } = await askPools(pools, targets.length > 0, answerMs);
  const nowSeconds = Date.now() / 1000;
  const figures = withLivingPids(statuses).map((status) => ({
    status,
    usage: measureUsage(readProc, status),
    nowSeconds,
  }));
  const orphaned = dead.map(({ state, orphans }) => ({
    name: state.name,
    address: state.address,
    orphans: orphans.filter(isServing).length,
  }));
  const taken = new Set<string>();
  const families = poolFamilies(
    figures.filter(({ status }) => isFirst(taken, status)),
    orphaned.filter((pool) => isFirst(taken, pool)),
    isFull,
  );
  const isWhole = print(formatFamilies(families, 'prometheus'));
  for (const failure of failures) printError(failure.message);
  return isWhole ? (failures[0]?.exitCode ?? ctlStatus.ok) : ctlStatus.usage;
}

/** False: half of it is in a file whose disk is full, and must not be taken for all. */
function print(text: string): boolean {
  // Labels are the names of others as they are; a terminal would do what is in them.
  const failure = failureOf(1, isatty(1) ? printableLines(text) : text);
  // Who reads no more has had enough.
  if (!failure || failure.code === 'EPIPE') return true;
  printError(`standard output: ${describeFailure(failure, textOf)}`);
  return false;
}

/** A series that is there twice makes the whole text invalid: pools in containers may have one name and address. */
function isFirst(taken: Set<string>, { name, address }: { name: string; address: string }): boolean {
  const key = JSON.stringify([name, address]);
  const isNew = !taken.has(key);
  if (!isNew)
    printError(
      `left out: another pool '${printable(name)}' on ${printable(address)}; --name tells them apart`,
    );
  taken.add(key);
  return isNew;
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
