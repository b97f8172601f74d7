// Runs the built spawn-fcgictl, which is beside the command under test.
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runCommand, type RunOptions, type RunResult } from '../machine/run-command.ts';
import { makeTempDir } from '../machine/temp-dir.ts';
import { oursPath } from './command-under-test.ts';

export const ctlPath = join(dirname(oursPath), 'spawn-fcgictl');

/** Runs spawn-fcgictl with a state directory. */
export function ctl(stateDir: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return runCommand(ctlPath, ['--state-dir', stateDir, ...args], options);
}

/** A state directory of the test's own; removed with the test. */
export function makeStateDir(): string {
  const stateDir = join(makeTempDir(), 'state');
  mkdirSync(stateDir, { mode: 0o755 });
  return stateDir;
}
