// Part "status": how long spawn-fcgictl takes to show a large pool.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { oursInBackground } from './commands.ts';
import { interleave } from './interleave.ts';
import type { Options } from './options.ts';
import { runToReturn } from './pool.ts';
import { endAll } from './processes-started.ts';
import type { Row } from './row.ts';
import { freshAddress, freshReports, type Workplace } from './workplace.ts';

function timeStatus(place: Workplace, supervisor: number, workers: number): number {
  const startedAtNs = process.hrtime.bigint();
  const args = ['--state-dir', join(place.dir, 'state'), 'status', String(supervisor)];
  const { status, stdout, stderr } = spawnSync(join(dirname(place.ours), 'spawn-fcgictl'), args, {
    encoding: 'utf8',
  });
  const ms = Number(process.hrtime.bigint() - startedAtNs) / 1e6;
  const running = stdout.match(/ running /g)?.length ?? 0;
  if (status !== 0 || running !== workers)
    throw new Error(`status ${status}, ${running} workers running\n${stderr}`);
  return ms;
}

export async function measureStatus(place: Workplace, options: Options): Promise<Row[]> {
  const rows: Row[] = [];
  for (const workers of options.statusWorkers) rows.push(await measure(place, options, workers));
  return rows;
}

async function measure(place: Workplace, options: Options, workers: number): Promise<Row> {
  const address = await freshAddress(place, 'Unix');
  const reports = freshReports(place);
  const [supervisor] = runToReturn(place, oursInBackground(place, { address, workers, reports })).pids;
  if (supervisor === undefined) throw new Error(`${place.ours} printed no PID`);
  await reports.waitForCount(workers);
  const run = (): Promise<number> => Promise.resolve(timeStatus(place, supervisor, workers));
  const cells = await interleave([{ name: 'ours', run }], options.manyRounds, 1);
  const pids = reports.rememberWorkers();
  await endAll([supervisor]);
  await endAll(pids);
  return {
    what: workers === 1 ? 'status of one worker' : `status of ${workers} workers`,
    unit: 'ms',
    cells,
    budgets: [{ against: 'absolute', limit: 300 }],
  };
}
