// Part "spare": from kill -9 of one of four workers, under load, until four answer again; the program needs 3 s to start.
// What the kills cost in requests, and what a spare costs in memory.
import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { CapacityLoad } from './capacity-load.ts';
import type { Options } from './options.ts';
import { missingPeers } from './peers.ts';
import type { ContenderName, Row } from './row.ts';
import * as slow from './slow-pool.ts';
import { summarize, type Sample } from './statistics.ts';
import type { Workplace } from './workplace.ts';

const workers = 4;
/** Longer than everybody's idea of "died at once", and than we wait with giving memory back. */
const settledMs = 3000;

interface Measured {
  readonly times: Sample;
  readonly lost: number;
}

async function measurePool(pool: slow.SlowPool, rounds: number): Promise<Measured> {
  const load = new CapacityLoad({ socketPath: pool.socketPath }, pool.script);
  const times: number[] = [];
  await load.untilAnsweredBy(workers);
  for (let round = 0; round < rounds; round += 1) {
    await untilReady(pool);
    await delay(settledMs);
    slow.rememberWorkers(pool);
    times.push(await timeKill(load));
  }
  await load.stop();
  await slow.endSlow(pool);
  return { times: summarize(times), lost: load.lost };
}

function untilReady(pool: slow.SlowPool): Promise<readonly number[]> {
  const look = (): number[] | false => {
    const spares = slow.sparesOf(pool);
    return spares.length >= pool.spares && spares;
  };
  return waitFor('the spares', look, { timeoutMs: 30_000 });
}

/** Who answered last is mostly one that will not be at work just now. */
async function timeKill(load: CapacityLoad): Promise<number> {
  const victim = await load.nextPid();
  load.countAnew();
  const killedAtMs = performance.now();
  process.kill(victim, 'SIGKILL');
  return (await load.untilAnsweredBy(workers, victim)) - killedAtMs;
}

async function measureMemory(place: Workplace): Promise<Row[]> {
  const pool = slow.startPhpCgi(place);
  if (!pool) return [];
  const [spare = 0] = await untilReady(pool);
  const kib = slow.privateKib(spare);
  await slow.endSlow(pool);
  const what = 'private memory of a spare of php-cgi';
  return [{ what, unit: 'KiB', cells: { ours: summarize([kib]) }, budgets: [] }];
}

export async function measureSpare(place: Workplace, options: Options): Promise<Row[]> {
  const program = slow.makeSlowProgram(place);
  const absent = missingPeers(place.peers);
  const rounds = options.spareRounds;
  const measure = (name: ContenderName, spares: number): Promise<Measured> =>
    measurePool(slow.startSlow(place, { name, program, workers, spares }), rounds);
  const all: Partial<Record<ContenderName, Measured>> = { ours: await measure('ours', 1) };
  const without = await measure('ours', 0);
  for (const name of ['multiwatch', 'supervisord', 'php-fpm'] as const)
    if (!absent.includes(name)) all[name] = await measure(name, 0);
  const cells = (valueOf: (measured: Measured) => Sample): Partial<Record<ContenderName, Sample>> =>
    Object.fromEntries(Object.entries(all).map(([name, measured]) => [name, valueOf(measured)]));
  const what = `${workers} answer again after kill -9, program that starts in 3 s`;
  return [
    {
      what: `${what}, --spare 1`,
      unit: 'ms',
      cells: cells(({ times }) => times),
      budgets: [{ against: 'multiwatch', limit: 1 / 50, label: '1/50' }],
    },
    { what: `${what}, without`, unit: 'ms', cells: { ours: without.times }, budgets: [] },
    {
      what: `requests lost over ${rounds} such kills`,
      unit: '',
      cells: cells(({ lost }) => summarize([lost])),
      budgets: [{ against: 'absolute', limit: rounds }],
    },
    ...(await measureMemory(place)),
  ];
}
