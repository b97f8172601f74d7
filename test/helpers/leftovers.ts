// Watches that a test run leaves nothing behind: everything that it starts inherits a mark in its environment and a
// temporary directory of its own. (A program that a test gives another environment escapes the mark.)
import { chmodSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allStats, readProcess, readStat, signalProcess, type Stat } from './processes.ts';

const MARK = 'SPAWN_FCGI_TEST_RUN';

/** Marks this process's environment; the returned function ends what is left of the run and names it. */
export function watchLeftovers(): () => string[] {
  const dir = mkdtempSync(join(realpathSync(tmpdir()), 'sft-'));
  chmodSync(dir, 0o1777);
  process.env['TMPDIR'] = dir;
  process.env[MARK] = dir;
  const before = new Set(stateFiles());
  return () => {
    const processes = allStats().filter(
      (stat) => stat.pid !== process.pid && isMarked(stat, `${MARK}=${dir}`) && !isWatchdog(stat),
    );
    for (const { pid, startTime } of processes) signalProcess(pid, startTime, 'SIGKILL');
    const files = readdirSync(dir).map((name) => `file ${name} in ${dir}`);
    if (files.length === 0) rmdirSync(dir);
    const state = stateFiles().filter((path) => !before.has(path) && !isOfOtherRun(path));
    return [
      ...processes.map(({ pid, comm }) => `process ${pid} (${comm})`),
      ...files,
      ...state.map((path) => `file ${path}`),
    ];
  };
}

/** Where pools have their files that no option and no variable sends elsewhere: of root, nobody and ourselves. */
function stateFiles(): string[] {
  const users = new Set([65_534, process.getuid?.()]);
  const bases = ['/run/spawn-fcgi', ...[...users].map((uid) => `/tmp/spawn-fcgi-${uid}`)];
  return bases.flatMap((base) => namesIn(base).map((name) => join(base, name)));
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Files of a pool that runs: our own are all ended by now. */
function isOfOtherRun(path: string): boolean {
  try {
    const state = readFileSync(path.replace(/\.[a-z]+$/, '.state'), 'utf8');
    const [, pid] = /"pid":(\d+)/.exec(state) ?? [];
    return pid !== undefined && readStat(Number(pid)) !== undefined;
  } catch {
    return false;
  }
}

/** vitest's own helper, which ends by itself soon after vitest: our child, by its script or the title it takes. */
function isWatchdog({ pid, parent }: Stat): boolean {
  if (parent !== process.pid) return false;
  const found = readProcess(pid);
  if (found?.exe !== realpathSync(process.execPath)) return false;
  const [title, ...args] = found.args.filter((arg) => arg !== '');
  return (
    (title === 'vitest-watchdog' && args.length === 0) ||
    args.some((arg) => arg.endsWith('/vitest/dist/workers/watchdog.js'))
  );
}

function isMarked({ pid, state }: Stat, assignment: string): boolean {
  try {
    return state !== 'Z' && readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(assignment);
  } catch {
    return false;
  }
}
