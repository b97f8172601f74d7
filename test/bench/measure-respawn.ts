// Part "respawn": from kill -9 of a worker until its successor waits in accept.
import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { interleave } from './interleave.ts';
import type { Options } from './options.ts';
import { startPools, stopPools, type MeasuredPool } from './pool.ts';
import { remember } from './processes-started.ts';
import type { Row } from './row.ts';
import type { AcceptReport } from './worker-reports.ts';
import type { Workplace } from './workplace.ts';

const workers = 4;

/** Longer than everybody's idea of "died at once": our --min-uptime, supervisord's startsecs. */
const settledNs = 1_500_000_000n;

async function untilSettled({ acceptsAtNs }: AcceptReport): Promise<void> {
  const missingNs = acceptsAtNs + settledNs - process.hrtime.bigint();
  if (missingNs > 0n) await delay(Number(missingNs) / 1e6);
}

/** Round by round through the workers, the longest-lived next: the reports stand in order of birth. */
async function timeRespawn(pool: MeasuredPool, round: number): Promise<number> {
  const before = pool.reports.read();
  const victim = before[round];
  if (victim === undefined || before.length !== round + workers)
    throw new Error(`${pool.name} lost a worker by itself`);
  await untilSettled(victim);
  const killedAtNs = process.hrtime.bigint();
  process.kill(victim.pid, 'SIGKILL');
  const successor = await waitFor(
    `${pool.name} to replace a worker`,
    () => pool.reports.read()[before.length],
    {
      timeoutMs: 30_000,
    },
  );
  remember(successor.pid);
  return Number(successor.acceptsAtNs - killedAtNs) / 1e6;
}

export async function measureRespawn(place: Workplace, options: Options): Promise<Row[]> {
  const pools = await startPools(place, workers);
  const attempts = pools.map((pool) => {
    let round = 0;
    return { name: pool.name, run: () => timeRespawn(pool, round++) };
  });
  const cells = await interleave(attempts, options.respawnRounds);
  await stopPools(pools);
  const budgets = [
    { against: 'multiwatch', limit: 2 },
    { against: 'supervisord', limit: 1 / 200, label: '1/200' },
  ] as const;
  return [{ what: 'respawn after kill -9', unit: 'ms', cells, budgets }];
}
