// Part "deploy": three deploys in the way that each contender has, under clients that never pause. What is lost, how long
// nobody listens, and what one takes; for a program that finishes its request on TERM, and for one that dies of it.
import { fixture } from '../helpers/build/compile-c.ts';
import { deployKinds, type DeployKind, type DeployWay } from './deploy/kinds.ts';
import { DeployLoad, type Losses } from './deploy/load.ts';
import type { Options } from './options.ts';
import { missingPeers } from './peers.ts';
import type { ContenderName, Row } from './row.ts';
import { summarize, type Sample } from './statistics.ts';
import type { Workplace } from './workplace.ts';

/** Answers between two deploys: each client has had some of each worker. */
const answersBetween = 30;

interface Measured {
  readonly losses: Losses;
  readonly times: Sample;
}

async function measure(
  place: Workplace,
  { contender }: DeployWay,
  { program }: DeployKind,
  deploys: number,
): Promise<Measured> {
  const pool = await contender(place, program);
  const load = new DeployLoad(pool.socketPath, fixture('slow-answer.php'));
  await load.untilAnswered(answersBetween);
  load.countAnew();
  const times: number[] = [];
  while (times.length < deploys) {
    const begin = performance.now();
    await pool.deploy();
    times.push(performance.now() - begin);
    await load.untilAnswered(answersBetween);
  }
  const losses = await load.stop();
  await pool.end();
  return { losses, times: summarize(times) };
}

async function measureKind(place: Workplace, kind: DeployKind, deploys: number): Promise<Row[]> {
  const absent = new Set<ContenderName>(missingPeers(place.peers));
  const all = new Map<ContenderName, Measured>();
  for (const way of kind.ways)
    if (!absent.has(way.name)) all.set(way.name, await measure(place, way, kind, deploys));
  const row = (what: string, unit: string, valueOf: (measured: Measured) => Sample): Row => ({
    what: `${what}, ${kind.what}`,
    unit,
    cells: Object.fromEntries([...all].map(([name, measured]) => [name, valueOf(measured)])),
    budgets: all.has('ours') && unit === '' ? [{ against: 'absolute', limit: 0 }] : [],
  });
  return [
    row(`cut at work in ${deploys} deploys`, '', ({ losses }) => summarize([losses.atWork])),
    row('cut in the queue', '', ({ losses }) => summarize([losses.inQueue])),
    row('refused for', 'ms', ({ losses }) => summarize([losses.refusedMs])),
    row('one deploy', 'ms', ({ times }) => times),
  ];
}

export async function measureDeploy(place: Workplace, options: Options): Promise<Row[]> {
  const rows: Row[] = [];
  for (const kind of deployKinds()) rows.push(...(await measureKind(place, kind, options.deploys)));
  return rows;
}
