// Part "exec": -n in 1.6's sense, from calling the command until the worker it became waits in accept.
import { execInPlace } from './commands.ts';
import { interleave, type Contender } from './interleave.ts';
import type { Options } from './options.ts';
import { runToReturn, startInForeground } from './pool.ts';
import { endAll } from './processes-started.ts';
import type { Row } from './row.ts';
import { freshAddress, freshReports, type Workplace } from './workplace.ts';

async function timeUntilAccept(place: Workplace, file: string): Promise<number> {
  const wish = { address: await freshAddress(place, 'Unix'), workers: 1, reports: freshReports(place) };
  const { pid, startedAtNs } = startInForeground(execInPlace(file, place, wish));
  const [report] = await wish.reports.waitForCount(1);
  await endAll([pid]);
  if (report?.pid !== pid) throw new Error(`${file} -n: the worker is not the process that was started`);
  return Number(report.acceptsAtNs - startedAtNs) / 1e6;
}

export async function measureExec(place: Workplace, options: Options): Promise<Row[]> {
  const reference = place.peers['1.6'];
  const attempts: Contender[] = [
    { name: 'ours', run: () => timeUntilAccept(place, place.ours) },
    { name: 'node', run: () => runToReturn(place, { file: place.node, args: ['-e', '0'] }).ms },
  ];
  if (reference !== undefined)
    attempts.push({ name: '1.6', run: () => timeUntilAccept(place, reference.path) });
  const cells = await interleave(attempts, options.rounds);
  return [{ what: '-n: worker waits in accept, Unix', unit: 'ms', cells, budgets: [] }];
}
