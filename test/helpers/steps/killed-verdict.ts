// What has to be true of a pool of which somebody was killed: who serves, what the next start says, what stays after a stop.
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect } from 'vitest';
import { noProcess } from '../../../src/core/no-process.ts';
import { isAlive, type RunResult, waitFor } from '../machine/index.ts';
import { printedPids, filesOf, hintsOf, processesOf, withoutHints } from '../pool/index.ts';
import type { Operation } from './killed-operations.ts';
import { runIn, type PoolPlace } from './killed-settings.ts';

/** Of a pool that all the settings start. */
export const workersOfAPool = 2;

/** Someone accepts. */
export async function answer({ target }: PoolPlace): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const connection = connect(target);
    const timer = setTimeout(() => reject(new Error('nobody accepts')), 5_000);
    const settle = (error?: Error): void => {
      clearTimeout(timer);
      connection.destroy();
      if (error) reject(error);
      else resolve();
    };
    connection.once('error', settle);
    connection.once('close', () => settle());
    connection.resume();
    connection.end();
  });
}

/**
 * The same start again has the pool, alone; beside one that serves it is refused, and that one must be whole. Then a
 * stop leaves what it always leaves.
 */
export async function heal(
  place: PoolPlace,
  operation: Operation,
  files: string | undefined,
): Promise<string> {
  const result = await runIn(place, operation.further);
  const isRefused = result.status === 255;
  const pid = isRefused ? refusedFor(place, result) : (printedPids(result.stdout)[0] ?? 0);
  if (pid === 0) throw new Error(`the next start says ${result.status}: ${result.stderr}`);
  await expectAlone(place, pid, isRefused ? [workersOfAPool, operation.workersAfter] : [workersOfAPool]);
  await answer(place);
  expect(readFileSync(place.pidFile, 'utf8')).toBe(String(pid));
  process.kill(pid, 'SIGTERM');
  await expectEnd(place);
  if (files !== undefined) expect(namesOf(place)).toBe(files);
  return isRefused ? 'the pool goes on' : 'the next start heals';
}

/** The supervisor of the pool that serves; 0: there is none. */
function refusedFor(place: PoolPlace, { stderr }: RunResult): number {
  expect(withoutHints(stderr)).toMatch(
    /^spawn-fcgi: (socket is already|bind failed: Address already) in use/,
  );
  const pid = Number(/supervisor PID (\d+)\) runs/.exec(hintsOf(stderr).join('\n'))?.[1] ?? 0);
  return pid !== 0 && isAlive(pid) && Number(readFileSync(place.pidFile, 'utf8')) === pid ? pid : 0;
}

/** The supervisor and its workers are the only processes, none of them is stopped, and the worker PID files name them. */
async function expectAlone(place: PoolPlace, pid: number, counts: readonly number[]): Promise<void> {
  await waitFor('one pool', () => {
    const all = processesOf(place);
    const own = all.filter((stat) => stat.pid === pid || stat.parent === pid);
    return (
      all.length === own.length &&
      counts.includes(own.length - 1) &&
      all.every(({ state }) => !'Tt'.includes(state)) &&
      areNamed(
        place,
        own.map((stat) => stat.pid).filter((one) => one !== pid),
      )
    );
  }).catch((cause: unknown) => {
    const named = place.workerPidFiles.map(read).join(' ');
    throw new Error(`not alone: ${JSON.stringify(processesOf(place))}, named: ${named}`, { cause });
  });
}

/** A pool that was made larger has more workers than files, and one that was made smaller fewer. */
function areNamed({ workerPidFiles }: PoolPlace, pids: readonly number[]): boolean {
  const named = workerPidFiles.map(read).filter((text) => text !== '' && Number(text) !== noProcess);
  const isRight = named.every((text) => pids.includes(Number(text)));
  return isRight && new Set(named).size === Math.min(workerPidFiles.length, pids.length);
}

function read(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

export async function expectEnd(place: PoolPlace): Promise<void> {
  await waitFor('the end of all processes', () => processesOf(place).length === 0).catch((cause: unknown) => {
    throw new Error(`still there: ${JSON.stringify(processesOf(place))}`, { cause });
  });
}

/** After an undisturbed run: what is left of a pool that was stopped. */
export async function stopEverything(place: PoolPlace, operation: Operation): Promise<{ files: string }> {
  const pid = existsSync(place.pidFile) ? Number(readFileSync(place.pidFile, 'utf8')) : 0;
  if (pid > 0 && isAlive(pid)) {
    await expectAlone(place, pid, [operation.workersAfter]);
    process.kill(pid, 'SIGTERM');
  }
  await expectEnd(place);
  return { files: namesOf(place) };
}

/** Files of a pool without what differs between places, and which of them have something in them. */
export function namesOf(place: PoolPlace): string {
  const nameOf = (file: string): string =>
    `${file.replace(/%2F.*%2F|:\d+(?=\.)/, '')}${lstatSync(join(place.dir, file)).size > 0 ? ' (not empty)' : ''}`;
  return filesOf(place).map(nameOf).join(' ');
}
