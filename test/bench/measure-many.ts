// Part "many": what each worker costs at the start of a large pool.
import { oursInBackground, referenceInBackground } from './commands.ts';
import { interleave, type Contender } from './interleave.ts';
import type { Options } from './options.ts';
import type { Row } from './row.ts';
import { timeStart, type CommandLine } from './time-start.ts';
import type { Workplace } from './workplace.ts';

export async function measureMany(place: Workplace, options: Options): Promise<Row[]> {
  const workers = options.manyWorkers;
  const timePerWorker = async (line: CommandLine): Promise<number> =>
    (await timeStart(place, 'Unix', workers, line)) / workers;
  const attempts: Contender[] = [{ name: 'ours', run: () => timePerWorker(oursInBackground) }];
  if (place.peers['1.6'] !== undefined)
    attempts.push({ name: '1.6', run: () => timePerWorker(referenceInBackground) });
  const cells = await interleave(attempts, options.manyRounds, 1);
  const budgets = [{ against: 'absolute', limit: 2.5 }] as const;
  return [{ what: `start of -F ${workers}, each worker`, unit: 'ms', cells, budgets }];
}
