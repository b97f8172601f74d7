// A worker that prints on demand, under one contender: started, made to print, its costs read, stopped.
import { readFileSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { compileC, fixture } from '../helpers/build/compile-c.ts';
import { childrenOf, readStat, signalProcess } from '../helpers/machine/processes.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { oursInBackground, redirected, supervisord, type PoolWish } from './commands.ts';
import { runToReturn, startInForeground } from './pool.ts';
import { endAll, remember } from './processes-started.ts';
import type { ContenderName } from './row.ts';
import { freshAddress, freshPath, freshReports, type Workplace } from './workplace.ts';

/** One way from descriptor 1 to a file. supervisord has only one, which stands beside each. */
export interface Way {
  /** The value of --output. */
  output: (file: string) => string;
  /** What a shell's command line ends in. */
  redirection: (file: string) => string;
}

export interface Printer {
  name: ContenderName;
  worker: number;
  workerStartTime: number;
  /** The supervisor, or the shell; without anything to do beside it a shell becomes the worker. */
  root: number;
  /** Where the output arrives. */
  file: string;
}

function withDescendants(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(withDescendants)];
}

/** Supervisor and log program. Looked for each time: a shell starts the program after the worker that it reads. */
function allButWorker({ root, worker }: Printer): number[] {
  const others = withDescendants(root).filter((pid) => pid !== worker);
  others.forEach(remember);
  return others;
}

/** Processor time of all threads; /proc/PID/stat counts in steps of 10 ms. */
function processorNs(pids: readonly number[]): number {
  const tasks = pids.flatMap((pid) => readdirSync(`/proc/${pid}/task`).map((task) => `${pid}/task/${task}`));
  const texts = tasks.map((task) => readFileSync(`/proc/${task}/schedstat`, 'utf8'));
  return texts.reduce((sum, text) => sum + Number(text.split(' ')[0]), 0);
}

function start(name: ContenderName, way: Way, place: Workplace, wish: PoolWish, file: string): number {
  if (name === 'supervisord') return startInForeground(supervisord(place, wish, file)).pid;
  if (name === 'bare') return startInForeground(redirected(place, wish, way.redirection(file))).pid;
  const [pid] = runToReturn(place, oursInBackground(place, wish, ['--output', way.output(file)])).pids;
  if (pid === undefined) throw new Error(`${place.ours} printed no PID`);
  return pid;
}

export async function startPrinter(
  name: ContenderName,
  way: Way,
  place: Workplace,
  bytes: number,
): Promise<Printer> {
  const reports = freshReports(place);
  const program = [compileC(fixture('printing-worker.c')), reports.file, String(bytes)];
  const wish = { address: await freshAddress(place, 'Unix'), workers: 1, reports, program };
  const file = freshPath(place, 'printed');
  writeFileSync(file, '');
  const root = start(name, way, place, wish, file);
  const [worker] = (await reports.waitForCount(1)).map(({ pid }) => pid);
  const workerStartTime = worker === undefined ? undefined : readStat(worker)?.startTime;
  if (worker === undefined || workerStartTime === undefined) throw new Error(`${name} has no worker`);
  return { name, worker, workerStartTime, root, file };
}

export interface Costs {
  /** Processor seconds for a GB, of all but the worker. */
  beside: number;
  /** The worker's with them: a pipe is cheaper to write to than a file, and somebody must write the file then. */
  inAll: number;
}

/** The worker prints once; returns MB/s until all of it is in the file, and what that took. */
export async function print(printer: Printer, bytes: number): Promise<Costs & { rate: number }> {
  const { worker, workerStartTime, file } = printer;
  const others = allButWorker(printer);
  const before = { others: processorNs(others), worker: processorNs([worker]) };
  const begin = performance.now();
  signalProcess(worker, workerStartTime, 'SIGUSR2');
  const arrived = (): boolean => statSync(file).size === bytes;
  await waitFor(`${bytes} bytes in ${file}`, arrived, { timeoutMs: 120_000, intervalMs: 1 });
  const ms = performance.now() - begin;
  const beside = (processorNs(others) - before.others) / bytes;
  const inAll = beside + (processorNs([worker]) - before.worker) / bytes;
  // Everybody appends, and so goes on at the beginning; no round leaves a file that fills the memory of the next.
  truncateSync(file, 0);
  return { rate: bytes / 1_000 / ms, beside, inAll };
}

/** Supervisors first, or they would replace the worker. */
export async function stopPrinter(printer: Printer): Promise<void> {
  const others = allButWorker(printer);
  await endAll([printer.root]);
  await endAll([printer.worker]);
  await endAll(others);
}
