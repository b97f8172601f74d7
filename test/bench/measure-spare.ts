// Part "spare": from kill -9 of one of four workers, under load, until four answer again; the program needs 3 s to start.
// What the kills cost in requests, and what a spare costs in memory.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { compileC, fixture } from '../helpers/build/compile-c.ts';
import { childrenOf, readStat } from '../helpers/machine/processes.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { CapacityLoad } from './capacity-load.ts';
import { multiwatch, oursServing, supervisord, type Command } from './commands.ts';
import type { Options } from './options.ts';
import { missingPeers } from './peers.ts';
import { findPhpCgi, startFpm } from './php.ts';
import { runToReturn, startInForeground } from './pool.ts';
import { endAll, remember } from './processes-started.ts';
import type { ContenderName, Row } from './row.ts';
import { summarize, type Sample } from './statistics.ts';
import { freshPath, freshReports, type Workplace } from './workplace.ts';

const workers = 4;
/** Longer than everybody's idea of "died at once", and than we wait with giving memory back. */
const settledMs = 3000;

interface SlowPool {
  readonly name: ContenderName;
  readonly supervisor: number;
  readonly socketPath: string;
  /** What its workers are asked for, where that is a file. */
  readonly script?: string;
  readonly spares: number;
}

interface Measured {
  readonly times: Sample;
  readonly lost: number;
}

function makeSlowProgram(place: Workplace): string {
  const file = freshPath(place, 'slow');
  writeFileSync(file, `#!/bin/sh\nsleep 3\nexec ${compileC(fixture('plain-echo.c'))}\n`, { mode: 0o755 });
  return file;
}

function startSlow(place: Workplace, name: ContenderName, program: string, spares: number): SlowPool {
  const socketPath = freshPath(place, 'sock');
  const wish = { address: ['-s', socketPath], workers, program: [program], reports: freshReports(place) };
  const stay = (command: Command): number => startInForeground(command).pid;
  if (name === 'multiwatch')
    return { name, supervisor: stay(multiwatch(place, wish)), socketPath, spares: 0 };
  if (name === 'supervisord')
    return { name, supervisor: stay(supervisord(place, wish)), socketPath, spares: 0 };
  const command = oursServing(place, { ...wish, program }, ['--spare', String(spares)]);
  const [supervisor = 0] = runToReturn(place, command).pids;
  return { name, supervisor, socketPath, spares };
}

/** It forks a process that has started already; the program is PHP, and needs no time. */
function startPhp(place: Workplace): SlowPool {
  const { pid, socketPath } = startFpm(place, workers);
  return { name: 'php-fpm', supervisor: pid, socketPath, script: fixture('echo.php'), spares: 0 };
}

function stoppedChildren({ supervisor }: SlowPool): number[] {
  return childrenOf(supervisor).filter((pid) => readStat(pid)?.state === 'T');
}

async function measurePool(pool: SlowPool, rounds: number): Promise<Measured> {
  const load = new CapacityLoad({ socketPath: pool.socketPath }, pool.script);
  const times: number[] = [];
  await load.untilAnsweredBy(workers);
  for (let round = 0; round < rounds; round += 1) {
    await waitFor('the spares', () => stoppedChildren(pool).length >= pool.spares, { timeoutMs: 30_000 });
    await delay(settledMs);
    childrenOf(pool.supervisor).forEach(remember);
    times.push(await timeKill(load));
  }
  await load.stop();
  const family = childrenOf(pool.supervisor);
  family.forEach(remember);
  await endAll([pool.supervisor]);
  await endAll(family);
  return { times: summarize(times), lost: load.lost };
}

/** Who answered last is mostly one that will not be at work just now. */
async function timeKill(load: CapacityLoad): Promise<number> {
  const victim = await load.nextPid();
  load.countAnew();
  const killedAtMs = performance.now();
  process.kill(victim, 'SIGKILL');
  return (await load.untilAnsweredBy(workers, victim)) - killedAtMs;
}

/** Private memory of a spare and of a worker that has answered, of a real program. */
async function measureMemory(place: Workplace): Promise<Row[]> {
  const program = findPhpCgi();
  if (program === undefined) return [];
  const wish = { address: ['-s', freshPath(place, 'sock')], workers: 1, program };
  const [pid = 0] = runToReturn(place, oursServing(place, wish, ['--spare', '1'])).pids;
  const pool = { name: 'ours', supervisor: pid, socketPath: '', spares: 1 } as const;
  const [spare = 0] = await waitFor('the spare', () => {
    const stopped = stoppedChildren(pool);
    return stopped.length === 1 && stopped;
  });
  const kib = privateKib(spare);
  const family = childrenOf(pid);
  family.forEach(remember);
  await endAll([pid]);
  await endAll(family);
  const what = 'private memory of a spare of php-cgi';
  return [{ what, unit: 'KiB', cells: { ours: summarize([kib]) }, budgets: [] }];
}

function privateKib(pid: number): number {
  const text = readFileSync(join('/proc', String(pid), 'smaps_rollup'), 'utf8');
  return [...text.matchAll(/^Private_(?:Clean|Dirty):\s*(\d+) kB/gm)].reduce(
    (sum, match) => sum + Number(match[1]),
    0,
  );
}

export async function measureSpare(place: Workplace, options: Options): Promise<Row[]> {
  const program = makeSlowProgram(place);
  const absent = missingPeers(place.peers);
  const rounds = options.spareRounds;
  const measure = (name: ContenderName, spares: number): Promise<Measured> =>
    measurePool(startSlow(place, name, program, spares), rounds);
  const all: Partial<Record<ContenderName, Measured>> = { ours: await measure('ours', 1) };
  const without = await measure('ours', 0);
  for (const name of ['multiwatch', 'supervisord'] as const)
    if (!absent.includes(name)) all[name] = await measure(name, 0);
  if (!absent.includes('php-fpm')) all['php-fpm'] = await measurePool(startPhp(place), rounds);
  const cells = <Value>(valueOf: (measured: Measured) => Value): Partial<Record<ContenderName, Value>> =>
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
