// A pool under a real supervisor on a machine of its own: when it is up, reloaded, stopping and gone, and what becomes
// of requests when somebody is killed.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { poolOn, type InitMachine } from './machine.ts';
import { startAsking } from './requests.ts';
import { type RunResult, waitFor } from '../machine/index.ts';

/** So that a reload of a test watches its last worker for less than the usual five seconds. */
export const quickReload = (script: string): string => script.replace('-F 2', '-F 2 --settle 500ms');

/** Its command must succeed. */
export async function tell(machine: InitMachine, command: string): Promise<RunResult> {
  const result = await machine.run(command);
  expect(result.status, `${command}: ${result.stdout}${result.stderr}`).toBe(0);
  return result;
}

/** A start that is killed before its pool is up undoes itself. */
export function upPool(machine: InitMachine): Promise<boolean> {
  const isUp = async (): Promise<boolean> =>
    (await machine.run('spawn-fcgictl ping /run/app.sock')).status === 0;
  return waitFor('the pool to be up', isUp, { intervalMs: 50, timeoutMs: 20_000 });
}

/** Whoever keeps it up stays. */
export const poolEnd = (machine: InitMachine): Promise<true> =>
  waitFor('the end of the pool', () => machine.pidsOf('fcgiwrap').length === 0, { timeoutMs: 15_000 });

/** Whoever is killed while requests come in: the pool has a new supervisor and new workers, and no request is lost. */
export async function killUnderLoad(
  machine: InitMachine,
  pid: number,
  old: readonly number[],
): Promise<number[]> {
  const asking = startAsking(machine, 'app.sock');
  await machine.run(`kill -9 ${pid}`);
  const pool = await poolOn(machine, old);
  expect(await asking.stop()).toEqual([]);
  return pool;
}

/** By what its supervisor printed into that file. */
export function reloadEnd(machine: InitMachine, log: string): Promise<boolean> {
  return waitFor('the end of the reload', () =>
    readFileSync(join(machine.root, log), 'utf8').includes('reload finished'),
  );
}

/** With a request under way, else it may be too quick to be seen. */
export function stoppingPool(machine: InitMachine): Promise<boolean> {
  const stops = async (): Promise<boolean> =>
    (await machine.run('spawn-fcgictl status /run/app.sock')).stdout.includes('stopping');
  return waitFor('a pool that stops', stops);
}
