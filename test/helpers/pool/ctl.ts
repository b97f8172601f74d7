// Runs the built spawn-fcgictl, which is beside the command under test.
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { PoolStatus } from '../../../src/control/protocol.ts';
import type { MeasuredPool } from '../../../src/ctl/status/status-table.ts';
import { runCommand, type RunOptions, type RunResult, makeTempDir } from '../machine/index.ts';
import { oursPath } from './command-under-test.ts';
import type { Place } from './place.ts';

export const ctlPath = join(dirname(oursPath), 'spawn-fcgictl');

/** Runs spawn-fcgictl with a state directory. */
export function ctl(stateDir: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return runCommand(ctlPath, ['--state-dir', stateDir, ...args], options);
}

/** What `status --json` printed. */
export function readPools(stdout: string): MeasuredPool[] {
  return JSON.parse(stdout) as MeasuredPool[];
}

/** A state directory of the test's own; removed with the test. */
export function makeStateDir(): string {
  const stateDir = join(makeTempDir(), 'state');
  mkdirSync(stateDir, { mode: 0o755 });
  return stateDir;
}

/** What spawn-fcgictl says of the pool. */
export async function statusOf(
  { stateDir, socket, name = socket }: Place & { name?: string },
  options: RunOptions = {},
): Promise<PoolStatus> {
  const { stdout, stderr } = await ctl(stateDir, ['status', '--json', name], options);
  const [pool] = readPools(stdout || '[]');
  if (!pool) throw new Error(`no status: ${stderr}`);
  return pool;
}
