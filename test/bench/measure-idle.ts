// Part "idle": what a supervisor with four workers and nothing to do costs, in memory and in wake-ups.
import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from '../helpers/machine/wait-for.ts';
import type { Options } from './options.ts';
import { startIdleFpm } from './php.ts';
import { startGuarded, startInForeground, startPools, stopPools, type MeasuredPool } from './pool.ts';
import * as figures from './process-figures.ts';
import { endAll } from './processes-started.ts';
import type { Row } from './row.ts';
import type { Workplace } from './workplace.ts';

const workers = 4;

/** After the start everybody may tidy up for a while; V8 does so for the last time 8 s after the last collection. */
const settleMs = 12_000;

/** An idle Node without any of our code: what the runtime alone costs. */
async function startIdleNode(place: Workplace): Promise<figures.Watched> {
  const { pid } = startInForeground({ file: place.node, args: ['-e', 'setInterval(() => {}, 2 ** 30)'] });
  await waitFor('node to come up', () => figures.threadsOf(pid).length > 4);
  return { name: 'node', pid };
}

/** `guarded`: ours with every guard, none of which has anything to do. */
async function watch(
  watched: readonly figures.Watched[],
  guarded: figures.Watched,
  seconds: number,
): Promise<Row[]> {
  await delay(settleMs);
  const before = new Map([...watched, guarded].map(({ pid }) => [pid, figures.wakeUpsOf(pid)]));
  await delay(seconds * 1_000);
  const wakeUps = ({ pid }: figures.Watched): number =>
    (figures.wakeUpsOf(pid) - (before.get(pid) ?? NaN)) / seconds;
  return [
    {
      what: 'idle wake-ups of the supervisor',
      unit: '1/s',
      cells: figures.cellsOf(watched, wakeUps),
      budgets: [{ against: 'absolute', limit: 0 }],
    },
    {
      what: 'idle wake-ups of the supervisor with all guards',
      unit: '1/s',
      cells: figures.cellsOf([guarded], wakeUps),
      budgets: [{ against: 'absolute', limit: 1 }],
    },
    {
      what: 'private dirty memory of the supervisor',
      unit: 'MiB',
      cells: figures.cellsOf(watched, ({ pid }) => figures.privateDirtyMiB(pid)),
      budgets: [{ against: 'supervisord', limit: 0.6, goal: 0.45 }],
    },
    {
      what: 'resident memory of the supervisor',
      unit: 'MiB',
      cells: figures.cellsOf(watched, ({ pid }) => figures.residentMiB(pid)),
      budgets: [],
    },
  ];
}

export async function measureIdle(place: Workplace, options: Options): Promise<Row[]> {
  const pools: MeasuredPool[] = await startPools(place, workers);
  const node = await startIdleNode(place);
  const guarded = await startGuarded(place, workers);
  const fpm = place.peers['php-fpm'] === undefined ? [] : [await startIdleFpm(place, workers)];
  const supervisors = pools.map(({ name, supervisor }) => ({ name, pid: supervisor }));
  const rows = await watch(
    [...supervisors, ...fpm, node],
    { name: 'ours', pid: guarded.supervisor },
    options.idleSeconds,
  );
  await endAll([node, ...fpm].map(({ pid }) => pid));
  await stopPools([...pools, guarded]);
  return rows;
}
