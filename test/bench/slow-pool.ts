// Pools of a program that needs 3 s to start under each of the supervisors, and what is seen of their spares.
import { readFileSync, writeFileSync } from 'node:fs';
import { compileC, fixture } from '../helpers/build/compile-c.ts';
import { childrenOf, readStat } from '../helpers/machine/processes.ts';
import { multiwatch, oursServing, supervisord } from './commands.ts';
import { findPhpCgi, startFpm } from './php.ts';
import { runToReturn, startInForeground } from './pool.ts';
import { endAll, remember } from './processes-started.ts';
import type { ContenderName } from './row.ts';
import { freshPath, freshReports, type Workplace } from './workplace.ts';

export interface SlowPool {
  readonly name: ContenderName;
  readonly supervisor: number;
  readonly socketPath: string;
  /** What its workers are asked for, where that is a file. */
  readonly script?: string;
  readonly spares: number;
}

export function makeSlowProgram(place: Workplace): string {
  const file = freshPath(place, 'slow');
  writeFileSync(file, `#!/bin/sh\nsleep 3\nexec ${compileC(fixture('plain-echo.c'))}\n`, { mode: 0o755 });
  return file;
}

export interface SlowWish {
  readonly name: ContenderName;
  readonly program: string;
  readonly workers: number;
  readonly spares: number;
}

export function startSlow(place: Workplace, { name, program, workers, spares }: SlowWish): SlowPool {
  const socketPath = freshPath(place, 'sock');
  const address = ['-s', socketPath];
  const wish = { address, workers, program: [program], reports: freshReports(place) };
  if (name === 'php-fpm') return startPhp(place, workers);
  if (name === 'multiwatch' || name === 'supervisord') {
    const command = name === 'multiwatch' ? multiwatch(place, wish) : supervisord(place, wish);
    return { name, supervisor: startInForeground(command).pid, socketPath, spares: 0 };
  }
  const own = spares === 0 ? [] : ['--spare', String(spares)];
  const [supervisor = 0] = runToReturn(place, oursServing(place, { ...wish, program }, own)).pids;
  return { name, supervisor, socketPath, spares };
}

/** A real program, with a spare; undefined: it is not installed. */
export function startPhpCgi(place: Workplace): SlowPool | undefined {
  const program = findPhpCgi();
  return program === undefined
    ? undefined
    : startSlow(place, { name: 'ours', program, workers: 1, spares: 1 });
}

/** It forks a process that has started already; its program is PHP, and needs no time. */
function startPhp(place: Workplace, workers: number): SlowPool {
  const { pid, socketPath } = startFpm(place, workers);
  return { name: 'php-fpm', supervisor: pid, socketPath, script: fixture('echo.php'), spares: 0 };
}

/** Spares that are ready. */
export function sparesOf({ supervisor }: SlowPool): number[] {
  return childrenOf(supervisor).filter((pid) => readStat(pid)?.state === 'T');
}

export function rememberWorkers({ supervisor }: SlowPool): number[] {
  const workers = childrenOf(supervisor);
  workers.forEach(remember);
  return workers;
}

export async function endSlow(pool: SlowPool): Promise<void> {
  const workers = rememberWorkers(pool);
  await endAll([pool.supervisor]);
  await endAll(workers);
}

export function privateKib(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const all = [...text.matchAll(/^Private_(?:Clean|Dirty):\s*(\d+) kB/gm)];
  return all.reduce((sum, match) => sum + Number(match[1]), 0);
}
