// What fixtures/accept-loop.c writes: one line for each worker, at the moment before its first accept.
import { closeSync, openSync, readFileSync } from 'node:fs';
import { readProcess } from '../helpers/machine/processes.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { remember } from './processes-started.ts';

export interface AcceptReport {
  pid: number;
  /** CLOCK_MONOTONIC, the clock of process.hrtime. */
  acceptsAtNs: bigint;
}

const allReports: WorkerReports[] = [];

export class WorkerReports {
  readonly file: string;

  constructor(file: string) {
    this.file = file;
    closeSync(openSync(file, 'a', 0o666));
    allReports.push(this);
  }

  read(): AcceptReport[] {
    const lines = readFileSync(this.file, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => {
      const [pid = '', ns = ''] = line.split(' ');
      return { pid: Number(pid), acceptsAtNs: BigInt(ns) };
    });
  }

  /** Waits for that many workers over the whole life of the file, dead ones counted. */
  async waitForCount(count: number): Promise<AcceptReport[]> {
    const enough = (): AcceptReport[] | false => {
      const reports = this.read();
      return reports.length >= count && reports;
    };
    const reports = await waitFor(`${count} workers in ${this.file}`, enough, {
      timeoutMs: 30_000,
      intervalMs: 2,
    });
    this.rememberWorkers();
    return reports;
  }

  /** A PID may be somebody else's by now: only one that was started with this very file is a worker. */
  rememberWorkers(): number[] {
    const living = this.read().flatMap(({ pid }) =>
      readProcess(pid)?.args.includes(this.file) ? [pid] : [],
    );
    living.forEach(remember);
    return living;
  }
}

/** For the end of a benchmark that failed: also workers that nobody has waited for. */
export function rememberAllWorkers(): void {
  for (const reports of allReports) reports.rememberWorkers();
}
