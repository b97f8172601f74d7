// What spawn-fcgictl doctor says of a pool, or of an address: one finding, first and alone, or nothing.
import { expect } from 'vitest';
import type { RunOptions } from '../machine/index.ts';
import { ctl } from './ctl.ts';

export interface ExpectedFinding {
  /** Its name in docs/troubleshooting.md. */
  check: string;
  says: RegExp;
  fix: RegExp;
  /** In some line of it. */
  evidence?: RegExp;
}

interface DoctorJson {
  findings: { check: string }[];
}

/** No web server, unless the test names its configuration: others' may run on this machine. */
function argumentsFor(args: readonly string[]): string[] {
  return ['doctor', ...args, ...(args.includes('--config') ? [] : ['--config', '/dev/null'])];
}

/** It is named first and alone, with one line of what to do. */
export async function expectFinding(
  { stateDir }: { stateDir: string },
  args: readonly string[],
  { check, says, fix, evidence }: ExpectedFinding,
  options: RunOptions = {},
): Promise<void> {
  const { status, stdout, stderr } = await ctl(stateDir, argumentsFor(args), options);
  const [first = '', second = '', ...rest] = stdout.trimEnd().split('\n');
  expect(`${first}${stderr}`).toMatch(says);
  expect(second).toMatch(/^fix: /);
  expect(second).toMatch(fix);
  expect(rest.filter((line) => !line.startsWith('  '))).toEqual([]);
  if (evidence) expect(rest.join('\n')).toMatch(evidence);
  expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
  const json = await ctl(stateDir, [...argumentsFor(args), '--json'], options);
  const [diagnosis] = JSON.parse(json.stdout) as DoctorJson[];
  expect(diagnosis?.findings[0]?.check).toBe(check);
}

/** Nothing is printed, and the status is 0. */
export async function expectHealthy(
  { stateDir }: { stateDir: string },
  args: readonly string[],
  options: RunOptions = {},
): Promise<void> {
  expect(await ctl(stateDir, argumentsFor(args), options)).toMatchObject({
    status: 0,
    stdout: '',
    stderr: '',
  });
}
