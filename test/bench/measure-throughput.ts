// Part "throughput": requests per second through nginx, by wrk where it is installed, else by the tests' own clients.
// The supervisor is not in the way of a request, so that there should be no difference to the same workers under 1.6.
import { spawnSync } from 'node:child_process';
import { findCommand } from '../helpers/machine/requirements.ts';
import { startLoad } from '../helpers/web/ledger.ts';
import { interleave, type Contender } from './interleave.ts';
import type { Options } from './options.ts';
import type { ContenderName, Row } from './row.ts';
import { startServing, stopServing } from './serving.ts';
import type { Family, Workplace } from './workplace.ts';

const clients = 8;

function rateByWrk(wrk: string, port: number, seconds: number): number {
  const args = ['-t', '1', '-c', String(clients), '-d', `${seconds}s`, `http://127.0.0.1:${port}/?n=1`];
  const { stdout } = spawnSync(wrk, args, { encoding: 'utf8', timeout: 60_000 });
  const rate = Number(/^Requests\/sec:\s*([\d.]+)$/m.exec(stdout)?.[1]);
  if (!(rate > 0) || /Non-2xx|Socket errors/.test(stdout)) throw new Error(`wrk says:\n${stdout}`);
  return rate;
}

async function rateByLedger(port: number, seconds: number): Promise<number> {
  const begin = performance.now();
  const mostMs = seconds * 1_000;
  const { sent, lost } = await startLoad(port, { clients, mostMs, mostRequests: 1e6 }).finished;
  if (lost.length > 0) throw new Error(`lost requests:\n${lost.join('\n')}`);
  return (sent * 1_000) / (performance.now() - begin);
}

async function measure(place: Workplace, options: Options, family: Family): Promise<Row> {
  const names: ContenderName[] = place.peers['1.6'] === undefined ? ['ours'] : ['ours', '1.6'];
  const wrk = findCommand('wrk');
  const serving = await startServing(place, family, names);
  const attempts = serving.pools.map(({ name, port }): Contender => ({
    name,
    run: () =>
      wrk === undefined
        ? rateByLedger(port, options.throughputSeconds)
        : rateByWrk(wrk, port, options.throughputSeconds),
  }));
  const cells = await interleave(attempts, options.throughputRounds, 1);
  await stopServing(serving);
  return {
    what: `requests through nginx, ${family}`,
    unit: '1/s',
    cells,
    budgets: [{ against: '1.6', limit: 0.98, atLeast: true }],
  };
}

export async function measureThroughput(place: Workplace, options: Options): Promise<Row[]> {
  return [await measure(place, options, 'TCP'), await measure(place, options, 'Unix')];
}
