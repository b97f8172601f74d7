/**
 * Starts pools with our command (or the reference) and makes sure that they
 * are gone when the test is: by the PIDs that were printed, never by name.
 */
import { join } from 'node:path';
import { execa } from 'execa';
import * as machine from '../machine/index.ts';

/** The checkout's, or the copy that the runner made where users cannot reach that. */
export const oursPath =
  process.env['SPAWN_FCGI_TEST_COMMAND'] ?? join(import.meta.dirname, '../../../bin/spawn-fcgi');
export const referencePath = '/usr/bin/spawn-fcgi';

export interface PoolOptions extends machine.RunOptions {
  /** Which command; ours without it. */
  command?: string;
}

export interface Pool extends machine.RunResult {
  /** The first printed PID: the supervisor's (of 1.6: the first worker's). */
  pid: number;
  /** All printed PIDs. */
  pids: number[];
  /** TERM, wait for the end, and KILL for whatever of the pool is left. */
  stop(): Promise<void>;
}

/** Starts a pool in the background; throws with the command's output if it did not come up. */
export function startPool(args: readonly string[], options: PoolOptions = {}): Promise<Pool> {
  return machine.awaitedLater(waitForPool(args, options));
}

async function waitForPool(args: readonly string[], options: PoolOptions): Promise<Pool> {
  const result = await machine.runCommand(options.command ?? oursPath, args, options);
  const pids = printedPids(result.stdout);
  const stop = stopperOf(pids);
  machine.atEnd(stop);
  const [pid] = pids;
  if (result.status !== 0 || pid === undefined)
    throw new Error(`the pool did not start: ${JSON.stringify(result)}`);
  return { ...result, pid, pids, stop };
}

export interface ForegroundPool {
  pid: number;
  /** What it has printed so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves when it has ended. */
  ended: Promise<Pick<machine.RunResult, 'status' | 'signal'>>;
  stop(): Promise<void>;
}

/** Starts a command that stays, as `-n` does. Its PID stays the same across exec. */
export function startForeground(args: readonly string[], options: PoolOptions = {}): ForegroundPool {
  const { cwd, env, uid, gid, umask, argv0 } = options;
  const running = machine.withUmask(umask, () =>
    execa(options.command ?? oursPath, args, {
      reject: false,
      buffer: false,
      cleanup: false,
      stdin: 'ignore' as const,
      extendEnv: env === undefined,
      ...(cwd === undefined ? {} : { cwd }),
      ...(env === undefined ? {} : { env }),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      ...(argv0 === undefined ? {} : { argv0 }),
    }),
  );
  const child = running.nodeChildProcess;
  const pid = child.pid;
  if (pid === undefined) throw new Error(`could not start ${options.command ?? oursPath}`);
  let [out, err] = ['', ''];
  child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const ended = running.then(({ exitCode, signal }) => ({
    status: exitCode ?? null,
    signal: signal ?? null,
  }));
  const stop = stopperOf([pid]);
  machine.atEnd(stop);
  return { pid, stdout: () => out, stderr: () => err, ended, stop };
}

/** PIDs of the lines "child spawned successfully". */
export function printedPids(stdout: string): number[] {
  return [...stdout.matchAll(/^spawn-fcgi: child spawned successfully: PID: (\d+)$/gm)].map((match) =>
    Number(match[1]),
  );
}

/** Ends what has these PIDs now: a test may outlast its pools for so long that their numbers are others' by then. */
function stopperOf(pids: readonly number[]): () => Promise<void> {
  const started = pids.flatMap((pid) => machine.readStat(pid) ?? []);
  return () => stopPool(started.filter((stat) => !isGone(stat)).map(({ pid }) => pid));
}

/** Ends pools by their first processes; their workers are remembered before, and killed if they stay. */
export async function stopPool(pids: readonly number[], timeoutMs = 3_000): Promise<void> {
  const family = pids.length > 0 ? familyOf(...pids) : [];
  await Promise.all(pids.map((pid) => machine.stopProcess(pid, { timeoutMs })));
  for (const { pid, startTime } of family) machine.signalProcess(pid, startTime, 'SIGKILL');
  await machine.waitFor('the rest of the pool to end', () => family.every(isGone));
}

/** Processes, their descendants, and everything in the sessions of these. */
export function familyOf(...pids: number[]): machine.Stat[] {
  const all = machine.allStats();
  const family = new Map<number, machine.Stat>();
  const belongs = ({ pid, parent, session }: machine.Stat): boolean =>
    pids.includes(pid) || family.has(parent) || (family.has(session) && session !== 0);
  for (let before = -1; before !== family.size;) {
    before = family.size;
    for (const stat of all) if (!family.has(stat.pid) && belongs(stat)) family.set(stat.pid, stat);
  }
  return [...family.values()];
}

function isGone({ pid, startTime }: machine.Stat): boolean {
  const now = machine.readStat(pid);
  return !now || now.startTime !== startTime || now.state === 'Z';
}
