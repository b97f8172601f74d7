// Watches that a test run leaves nothing behind: everything that it starts inherits a mark in its environment and a
// temporary directory of its own. (A program that a test gives another environment escapes the mark.)
import { chmodSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allStats, signalProcess, type Stat } from './processes.ts';

const MARK = 'SPAWN_FCGI_TEST_RUN';

/** Marks this process's environment; the returned function ends what is left of the run and names it. */
export function watchLeftovers(): () => string[] {
  const dir = mkdtempSync(join(realpathSync(tmpdir()), 'sft-'));
  chmodSync(dir, 0o1777);
  process.env['TMPDIR'] = dir;
  process.env[MARK] = dir;
  return () => {
    const processes = allStats().filter(
      (stat) => stat.pid !== process.pid && isMarked(stat, `${MARK}=${dir}`),
    );
    for (const { pid, startTime } of processes) signalProcess(pid, startTime, 'SIGKILL');
    const files = readdirSync(dir).map((name) => `file ${name} in ${dir}`);
    if (files.length === 0) rmdirSync(dir);
    return [...processes.map(({ pid, comm }) => `process ${pid} (${comm})`), ...files];
  };
}

function isMarked({ pid, state }: Stat, assignment: string): boolean {
  try {
    return state !== 'Z' && readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(assignment);
  } catch {
    return false;
  }
}
