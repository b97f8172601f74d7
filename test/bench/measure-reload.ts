// Part "reload": from HUP to the end of a rolling reload of four workers under load, and what is lost over all of them;
// and of idle ones, beside php-fpm.
import { reload } from '../helpers/pool/reload.ts';
import { startLoad } from '../helpers/web/ledger.ts';
import type { Options } from './options.ts';
import type { Row } from './row.ts';
import { findPhpCgi, timeFpm } from './php.ts';
import { startServing, stopServing } from './serving.ts';
import { summarize } from './statistics.ts';
import { timeEarlyReload, timeUnwatchedReload } from './time-our-reload.ts';
import type { Family, Workplace } from './workplace.ts';

/** Two clients for four workers without signal handling: half of them are busy. */
const load = { clients: 2, workMs: 5, mostRequests: 200_000, mostMs: 180_000 };

async function measure(place: Workplace, options: Options, family: Family): Promise<Row[]> {
  const serving = await startServing(place, family, ['ours'], ['--settle', '0']);
  const [pool] = serving.pools;
  const [pid] = pool?.pids ?? [];
  if (pool === undefined || pid === undefined) throw new Error('the pool printed no PID');
  const running = startLoad(pool.port, { ...load, errorLog: serving.errorLog });
  const times: number[] = [];
  for (let round = 0; round < options.reloads; round += 1) {
    const begin = performance.now();
    const { result } = await reload({ pool: { pid }, eventLog: pool.eventLog });
    if (result !== 'reloaded') throw new Error(`a reload ended as ${result}`);
    times.push(performance.now() - begin);
  }
  const { lost } = await running.stop();
  await stopServing(serving);
  return [
    {
      what: `rolling reload of 4 under load, ${family}`,
      unit: 'ms',
      cells: { ours: summarize(times) },
      budgets: [],
    },
    {
      what: `requests lost over ${options.reloads} reloads, ${family}`,
      unit: '',
      cells: { ours: summarize([lost.length]) },
      budgets: [{ against: 'absolute', limit: 0 }],
    },
  ];
}

/** Each takes the second of the trial. */
const mostIdleRounds = 10;

/** Beside USR2 of php-fpm, which tries nothing first and ends all old workers at once. */
async function measureIdle(place: Workplace, options: Options): Promise<Row[]> {
  const program = findPhpCgi();
  if (program === undefined) return [];
  const wish = { workers: 4, program, rounds: Math.min(options.reloads, mostIdleRounds) };
  const fpm = await timeFpm(place, wish.workers, wish.rounds);
  const peer = fpm && { 'php-fpm': fpm };
  const what = 'reload of 4 idle php-cgi until all are new';
  const [early, unwatched] = [await timeEarlyReload(place, wish), await timeUnwatchedReload(place, wish)];
  return [
    { what: `${what}, --early`, unit: 'ms', cells: { ours: early, ...peer }, budgets: [] },
    { what: `${what}, --settle 0`, unit: 'ms', cells: { ours: unwatched, ...peer }, budgets: [] },
  ];
}

export async function measureReload(place: Workplace, options: Options): Promise<Row[]> {
  const underLoad = [...(await measure(place, options, 'TCP')), ...(await measure(place, options, 'Unix'))];
  return [...underLoad, ...(await measureIdle(place, options))];
}
