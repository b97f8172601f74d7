// `spawn-fcgictl status`: asks one pool or all at once, measures their workers, prints.
import { deadPoolJson, formatDeadPool } from './dead-pool-text.ts';
import { type PoolFinder } from '../target/find-pool.ts';
import { takesColours } from '../print/line.ts';
import { printError, printText } from '../print/print-ctl.ts';
import { printable } from '../../core/text/printable.ts';
import { printableJson } from '../print/printable.ts';
import type { CtlRequest } from '../program.ts';
import { PoolMeter, type Measured } from './measure-pools.ts';
import { askPools } from './ask-pools.ts';
import { formatPool } from './status-table.ts';
import { ctlStatus } from '../statuses.ts';

/** Returns the exit status: that of the first pool that did not answer; else whether one has no supervisor. */
export async function showStatus(
  request: Extract<CtlRequest, { command: 'status' }>,
  finder: PoolFinder,
  answerMs: number,
): Promise<number> {
  const { target, asJson } = request;
  const pools = target === undefined ? finder.all() : [await finder.find(target)];
  const { statuses, failures, dead } = await askPools(pools, target !== undefined, answerMs);
  const measured = await new PoolMeter().measure(statuses, dead);
  printText(asJson ? formatJson(measured) : formatPools(measured, failures.length, target === undefined));
  for (const failure of failures) printError(failure.message);
  if (target === undefined && finder.hiddenCount > 0) {
    printError(`not shown: ${finder.hiddenCount} of other users`);
  }
  if (finder.problem !== undefined) printError(printable(finder.problem));
  return failures[0]?.exitCode ?? (dead.length > 0 ? ctlStatus.notServing : ctlStatus.ok);
}

function formatPools({ pools, dead }: Measured, failures: number, isAll: boolean): string {
  if (isAll && pools.length + dead.length + failures === 0) return 'no pools\n';
  const isColoured = takesColours(1, process.env);
  return [
    ...pools.map((pool) => formatPool(pool, isColoured)),
    ...dead.map((pool) => formatDeadPool(pool, isColoured)),
  ].join('\n');
}

function formatJson(measured: Measured): string {
  return `${printableJson(poolsJson(measured))}\n`;
}

export function poolsJson({ pools, dead }: Measured): object[] {
  return [...pools, ...dead.map(deadPoolJson)];
}
