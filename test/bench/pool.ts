// A pool under one of the supervisors, kept up while it is looked at.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { multiwatch, oursInBackground, supervisord, type Command, type PoolWish } from './commands.ts';
import { missingPeers } from './peers.ts';
import { endAll, refuseWhileEnding, remember } from './processes-started.ts';
import type { ContenderName } from './row.ts';
import type { WorkerReports } from './worker-reports.ts';
import { freshAddress, freshPath, freshReports, type Workplace } from './workplace.ts';

export interface MeasuredPool {
  name: ContenderName;
  supervisor: number;
  reports: WorkerReports;
}

export interface Return {
  ms: number;
  startedAtNs: bigint;
  /** The PIDs that the command printed: the supervisor's, or with 1.6 the workers'. */
  pids: number[];
}

/** Runs a command that goes to the background, timed from the call to its end. */
export function runToReturn(place: Workplace, command: Command): Return {
  refuseWhileEnding();
  const outputFile = freshPath(place, 'out');
  const output = openSync(outputFile, 'w');
  const startedAtNs = process.hrtime.bigint();
  const { status, error } = spawnSync(command.file, command.args, {
    stdio: ['ignore', output, output],
    timeout: 60_000,
  });
  const ms = Number(process.hrtime.bigint() - startedAtNs) / 1e6;
  closeSync(output);
  const text = readFileSync(outputFile, 'utf8');
  if (status !== 0)
    throw error ?? new Error(`${command.file} ${command.args.join(' ')}: status ${status}\n${text}`);
  const pids = [...text.matchAll(/PID: (\d+)/g)].map((match) => Number(match[1]));
  pids.forEach(remember);
  return { ms, startedAtNs, pids };
}

/** Starts a command that stays in the foreground; its output is nobody's. */
export function startInForeground(command: Command): { pid: number; startedAtNs: bigint } {
  refuseWhileEnding();
  const startedAtNs = process.hrtime.bigint();
  const child = spawn(command.file, command.args, { stdio: 'ignore' });
  if (child.pid === undefined) throw new Error(`cannot run ${command.file}`);
  remember(child.pid);
  child.unref();
  return { pid: child.pid, startedAtNs };
}

export function startSupervisor(name: ContenderName, place: Workplace, wish: PoolWish): number {
  if (name === 'multiwatch') return startInForeground(multiwatch(place, wish)).pid;
  if (name === 'supervisord') return startInForeground(supervisord(place, wish)).pid;
  const [pid] = runToReturn(place, oursInBackground(place, wish)).pids;
  if (pid === undefined) throw new Error(`${place.ours} printed no PID`);
  return pid;
}

/** Ours alone, with every guard and none of them with anything to do, all workers in accept. */
export async function startGuarded(place: Workplace, workers: number): Promise<MeasuredPool> {
  const range = `${workers}-${workers + 1}`;
  const limits = ['--max-memory', '1G', '--max-age', '24h', '--request-timeout', '1h'];
  const options = [...limits, '--workers', range];
  const wish = { address: await freshAddress(place, 'Unix'), workers, reports: freshReports(place) };
  const [pid] = runToReturn(place, oursInBackground(place, wish, options)).pids;
  if (pid === undefined) throw new Error(`${place.ours} printed no PID`);
  await wish.reports.waitForCount(workers);
  return { name: 'ours', supervisor: pid, reports: wish.reports };
}

/** Ours and every peer that supervises and is installed, each with that many workers, all in accept. */
export async function startPools(place: Workplace, workers: number): Promise<MeasuredPool[]> {
  const absent = missingPeers(place.peers);
  const pools: MeasuredPool[] = [];
  for (const name of ['ours', 'multiwatch', 'supervisord'] as const) {
    if (name !== 'ours' && absent.includes(name)) continue;
    const wish = { address: await freshAddress(place, 'Unix'), workers, reports: freshReports(place) };
    const pool = { name, supervisor: startSupervisor(name, place, wish), reports: wish.reports };
    await pool.reports.waitForCount(workers);
    pools.push(pool);
  }
  return pools;
}

/** Supervisors first, or they would replace the workers. */
export async function stopPools(pools: readonly MeasuredPool[]): Promise<void> {
  for (const { supervisor, reports } of pools) {
    const workers = reports.rememberWorkers();
    await endAll([supervisor]);
    await endAll(workers);
  }
}
