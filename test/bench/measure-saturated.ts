// Parts "saturated" and "kept": reloads of four workers that always find a next connection in the queue, and of three whose
// connections nginx keeps open and never leaves alone; every third request is a POST. What they take, and what is lost.
import { mkdirSync } from 'node:fs';
import { reload } from '../helpers/pool/reload.ts';
import { applications, type Application } from '../helpers/site/applications.ts';
import { startLoad } from '../helpers/web/ledger.ts';
import type { Options } from './options.ts';
import type { Row } from './row.ts';
import { startServing, stopServing } from './serving.ts';
import { summarize } from './statistics.ts';
import { freshPath, type Family, type Workplace } from './workplace.ts';

interface Wish {
  what: string;
  workers: number;
  clients: number;
  workMs: number;
  keptConnections?: number;
}

const saturated: Wish = { what: 'saturated', workers: 4, clients: 16, workMs: 2 };
const kept: Wish = { what: 'kept', workers: 3, clients: 3, workMs: 5, keptConnections: 3 };
/** Of each program, if there were enough requests by then. */
const mostReloads = 20;
/** They need nothing in their environment. */
const names = new Set(['plain-echo', 'libfcgi-echo', 'php-cgi', 'perl-echo.pl', 'fcgiwrap']);

async function measure(
  place: Workplace,
  options: Options,
  application: Application,
  family: Family,
  wish: Wish,
): Promise<Row[]> {
  const dir = freshPath(place, 'program');
  mkdirSync(dir);
  const pool = { ...application.install(dir), ...wish };
  const serving = await startServing(place, family, ['ours'], ['--settle', '0'], pool);
  const [{ pids, port, eventLog } = { pids: [], port: 0, eventLog: '' }] = serving.pools;
  const [pid] = pids;
  if (pid === undefined) throw new Error('the pool printed no PID');
  const { clients, workMs } = wish;
  const limits = { mostRequests: 1_000_000, mostMs: 600_000, errorLog: serving.errorLog };
  const load = startLoad(port, { clients, workMs, ...limits });
  const times: number[] = [];
  while (times.length < Math.min(options.reloads, mostReloads) || load.ended() < options.saturatedRequests) {
    const begin = performance.now();
    const { result } = await reload({ pool: { pid }, eventLog });
    if (result !== 'reloaded') throw new Error(`a reload ended as ${result}`);
    times.push(performance.now() - begin);
  }
  const { sent, lost } = await load.stop();
  await stopServing(serving);
  for (const line of lost) process.stderr.write(`bench: lost: ${line}\n`);
  const what = `${wish.workers} ${wish.what} ${application.name}, ${family}`;
  const losses = `lost in ${times.length} reloads of ${what}, of ${sent} requests`;
  return [
    { what: `reload of ${what}`, unit: 'ms', cells: { ours: summarize(times) }, budgets: mostMs(wish) },
    {
      what: losses,
      unit: '',
      cells: { ours: summarize([lost.length]) },
      budgets: [{ against: 'absolute', limit: 0 }],
    },
  ];
}

/** Two seconds, or one for each worker. */
function mostMs({ workers, what }: Wish): Row['budgets'] {
  return [{ against: 'absolute', limit: what === 'saturated' ? 2000 : 1000 * workers }];
}

async function measureAll(place: Workplace, options: Options, wish: Wish): Promise<Row[]> {
  const rows: Row[] = [];
  const known = applications.filter(({ name, missing }) => names.has(name) && missing === undefined);
  for (const application of known)
    for (const family of ['TCP', 'Unix'] as const)
      rows.push(...(await measure(place, options, application, family, wish)));
  return rows;
}

export function measureSaturated(place: Workplace, options: Options): Promise<Row[]> {
  return measureAll(place, options, saturated);
}

export function measureKept(place: Workplace, options: Options): Promise<Row[]> {
  return measureAll(place, options, kept);
}
