// Part "return": from calling the command until it has returned, against 1.6 and an empty Node program.
import { oursInBackground, referenceInBackground } from './commands.ts';
import { interleave, type Contender } from './interleave.ts';
import type { Options } from './options.ts';
import { runToReturn } from './pool.ts';
import type { Row } from './row.ts';
import { timeStart } from './time-start.ts';
import type { Family, Workplace } from './workplace.ts';

function timeEmptyNode(place: Workplace): number {
  return runToReturn(place, { file: place.node, args: ['-e', '0'] }).ms;
}

async function measure(place: Workplace, options: Options, family: Family, workers: number): Promise<Row> {
  const attempts: Contender[] = [
    { name: 'ours', run: () => timeStart(place, family, workers, oursInBackground) },
    { name: 'node', run: () => timeEmptyNode(place) },
  ];
  if (place.peers['1.6'] !== undefined) {
    attempts.push({ name: '1.6', run: () => timeStart(place, family, workers, referenceInBackground) });
  }
  return {
    what: `command returns, -F ${workers}, ${family}`,
    unit: 'ms',
    cells: await interleave(attempts, options.rounds),
    budgets: [{ against: '1.6', limit: 1, goal: 0.45 }],
  };
}

export async function measureReturn(place: Workplace, options: Options): Promise<Row[]> {
  const rows: Row[] = [];
  for (const workers of [1, 8]) {
    for (const family of ['TCP', 'Unix'] as const) rows.push(await measure(place, options, family, workers));
  }
  return rows;
}
