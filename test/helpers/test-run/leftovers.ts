// Watches that a test run leaves nothing behind: everything that it starts inherits a mark in its environment and a
// temporary directory of its own. (A program that a test gives another environment escapes the mark.) What pools keep
// outside of it, in the base directories, is the run's where those are its own (own-run.ts); elsewhere, where pools of
// the machine have theirs, only what has the run's directory in its name.
import { chmodSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allStats, isAlive, readProcess, signalProcess, type Stat } from '../machine/processes.ts';
import { hasOwnRun } from './own-run.ts';

/** Base directories without $XDG_RUNTIME_DIR. */
const base = /^spawn-fcgi-\d+$/;
/** For a moment each: where a supervisor makes a socket that a worker on trial is asked on. */
const trial = /^spawn-fcgi-trial-(\d+)-/;

const MARK = 'SPAWN_FCGI_TEST_RUN';

/** Marks this process's environment; the returned function ends what is left of the run and names it. */
export function watchLeftovers(): () => string[] {
  const dir = mkdtempSync(join(realpathSync(tmpdir()), 'sft-'));
  chmodSync(dir, 0o1777);
  process.env['TMPDIR'] = dir;
  process.env[MARK] = dir;
  const before = new Set(stateFiles());
  const inDir = dir.replaceAll('/', '%2F');
  return () => {
    const processes = allStats().filter(
      (stat) => stat.pid !== process.pid && isMarked(stat, `${MARK}=${dir}`) && !isWatchdog(stat),
    );
    for (const { pid, startTime } of processes) signalProcess(pid, startTime, 'SIGKILL');
    const files = readdirSync(dir).map((name) => `file ${name} in ${dir}`);
    if (files.length === 0) rmdirSync(dir);
    const isJudged = (path: string): boolean => hasOwnRun() || path.includes(inDir);
    const state = stateFiles().filter((path) => isJudged(path) && !before.has(path) && !isInUse(path));
    return [
      ...processes.map(({ pid, comm }) => `process ${pid} (${comm})`),
      ...files,
      ...state.map((path) => `file ${path}`),
    ];
  };
}

/** What pools keep outside of the run's directory. A base directory itself stays, as documented. */
function stateFiles(): string[] {
  const bases = namesIn('/tmp').filter((name) => base.test(name));
  return ['/run/spawn-fcgi', ...bases.map((name) => join('/tmp', name))]
    .flatMap((dir) => namesIn(dir).map((name) => join(dir, name)))
    .concat(trialsOfDead());
}

/** A test that kills supervisors at any step calls this: nobody else can remove these. */
export function removeTrialsOfDead(): void {
  for (const path of trialsOfDead()) rmSync(path, { recursive: true, force: true });
}

function trialsOfDead(): string[] {
  return namesIn('/tmp')
    .filter((name) => trial.test(name) && !isAlive(Number(trial.exec(name)?.[1])))
    .map((name) => join('/tmp', name));
}

/** By a supervisor that lives: of this run it would be a process left behind, so it is somebody else's. */
function isInUse(path: string): boolean {
  try {
    const state = readFileSync(path.replace(/\.[a-z]+$/, '.state'), 'utf8');
    const [, pid, startTime] = /"pid":(\d+),"startTime":"(\d+)"/.exec(state) ?? [];
    return isAlive(Number(pid), Number(startTime));
  } catch {
    return false;
  }
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

/** vitest's own helper, which ends by itself soon after vitest: by its script or the title it takes. */
function isWatchdog({ pid, comm }: Pick<Stat, 'pid' | 'comm'>): boolean {
  const found = readProcess(pid);
  // One on its way out has no program and no arguments any more.
  if (found?.exe === undefined) return comm === 'vitest-watchdog';
  if (found.exe !== realpathSync(process.execPath)) return false;
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
