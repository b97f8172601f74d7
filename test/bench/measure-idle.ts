// Part "idle": what a supervisor with four workers and nothing to do costs, in memory and in wake-ups.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from '../helpers/machine/wait-for.ts';
import type { Options } from './options.ts';
import { startGuarded, startInForeground, startPools, stopPools, type MeasuredPool } from './pool.ts';
import { endAll } from './processes-started.ts';
import type { ContenderName, Row } from './row.ts';
import { summarize, type Sample } from './statistics.ts';
import type { Workplace } from './workplace.ts';

const workers = 4;

/** After the start everybody may tidy up for a while; V8 does so for the last time 8 s after the last collection. */
const settleMs = 12_000;

interface Watched {
  name: ContenderName;
  pid: number;
}

function sumOf(pattern: RegExp, text: string): number {
  return [...text.matchAll(pattern)].reduce((sum, match) => sum + Number(match[1]), 0);
}

/** Of all threads since their start: who wakes up has waited before, and a busy machine adds nothing to that. */
function wakeUpsOf(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const texts = tasks.map((task) => readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8'));
  return texts.reduce((sum, text) => sum + sumOf(/^voluntary_ctxt_switches:\s*(\d+)/gm, text), 0);
}

function privateDirtyMiB(pid: number): number {
  return sumOf(/Private_Dirty:\s*(\d+) kB/g, readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) / 1024;
}

function cellsOf(
  watched: readonly Watched[],
  valueOf: (process: Watched) => number,
): Partial<Record<ContenderName, Sample>> {
  return Object.fromEntries(watched.map((process) => [process.name, summarize([valueOf(process)])]));
}

/** An idle Node without any of our code: what the runtime alone costs. */
async function startIdleNode(place: Workplace): Promise<Watched> {
  const { pid } = startInForeground({ file: place.node, args: ['-e', 'setInterval(() => {}, 2 ** 30)'] });
  await waitFor('node to come up', () => readdirSync(`/proc/${pid}/task`).length > 4);
  return { name: 'node', pid };
}

/** `guarded`: ours with every guard, none of which has anything to do. */
async function watch(watched: readonly Watched[], guarded: Watched, seconds: number): Promise<Row[]> {
  await delay(settleMs);
  const before = new Map([...watched, guarded].map(({ pid }) => [pid, wakeUpsOf(pid)]));
  await delay(seconds * 1_000);
  const wakeUps = ({ pid }: Watched): number => (wakeUpsOf(pid) - (before.get(pid) ?? NaN)) / seconds;
  return [
    {
      what: 'idle wake-ups of the supervisor',
      unit: '1/s',
      cells: cellsOf(watched, wakeUps),
      budgets: [{ against: 'absolute', limit: 0 }],
    },
    {
      what: 'idle wake-ups of the supervisor with all guards',
      unit: '1/s',
      cells: cellsOf([guarded], wakeUps),
      budgets: [{ against: 'absolute', limit: 1 }],
    },
    {
      what: 'private dirty memory of the supervisor',
      unit: 'MiB',
      cells: cellsOf(watched, ({ pid }) => privateDirtyMiB(pid)),
      budgets: [{ against: 'supervisord', limit: 0.6, goal: 0.45 }],
    },
  ];
}

export async function measureIdle(place: Workplace, options: Options): Promise<Row[]> {
  const pools: MeasuredPool[] = await startPools(place, workers);
  const node = await startIdleNode(place);
  const guarded = await startGuarded(place, workers);
  const supervisors = pools.map(({ name, supervisor }) => ({ name, pid: supervisor }));
  const rows = await watch(
    [...supervisors, node],
    { name: 'ours', pid: guarded.supervisor },
    options.idleSeconds,
  );
  await endAll([node.pid]);
  await stopPools([...pools, guarded]);
  return rows;
}
