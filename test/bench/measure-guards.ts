// Part "guards": what looking at a large pool costs the supervisor, in time of the processor.
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Options } from './options.ts';
import { startGuarded, stopPools } from './pool.ts';
import type { Row } from './row.ts';
import { summarize } from './statistics.ts';
import type { Workplace } from './workplace.ts';

/** The start, and the tidying up behind it, are over by then. */
const settleMs = 12_000;
/** Every worker's turn comes at least twice in that time. */
const watchMs = 20_000;
/** sysconf(_SC_CLK_TCK), the same on every Linux. */
const ticksPerSecond = 100;

export async function measureGuards(place: Workplace, options: Options): Promise<Row[]> {
  const workers = options.guardedWorkers;
  const pool = await startGuarded(place, workers);
  await delay(settleMs);
  const before = processorTicks(pool.supervisor);
  await delay(watchMs);
  const seconds = (processorTicks(pool.supervisor) - before) / ticksPerSecond;
  await stopPools([pool]);
  return [
    {
      what: `processor of the supervisor, all guards on ${workers} workers`,
      unit: '%',
      cells: { ours: summarize([(100 * seconds) / (watchMs / 1000)]) },
      budgets: [{ against: 'absolute', limit: 1 }],
    },
  ];
}

/** utime and stime of /proc/PID/stat, all threads. */
function processorTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
}
