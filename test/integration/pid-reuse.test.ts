// The number of a worker that has ended is anybody's: a session that gets it belongs to others, and lives on.
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/compile-c.ts';
import { atEnd } from '../helpers/machine/cleanup.ts';
import { childrenOf, isAlive, readProcess, readStat, stopProcess } from '../helpers/machine/processes.ts';
import { needRoot } from '../helpers/machine/requirements.ts';
import { runCommand } from '../helpers/machine/run-command.ts';
import { makeTempDir } from '../helpers/machine/temp-dir.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { ctl } from '../helpers/pool/ctl.ts';
import { killSupervisor } from '../helpers/pool/echo-pool.ts';
import {
  expectNoProcess,
  fullPool,
  makePlace,
  start,
  waitForPids,
  workersOf,
  type Place,
} from '../helpers/pool/place.ts';

beforeEach((ctx) => needRoot(ctx));

/** A process of somebody else, in a session that has this number and no leader. */
async function takeNumber(number: number): Promise<number> {
  const program = compileC(fixture('pid-taker.c'));
  const file = join(makeTempDir(), 'taken');
  const taken = await runCommand(program, [String(number), file], { cwd: '/' });
  expect(taken.status).toBe(0);
  const [pid = 0] = await waitForPids(file);
  atEnd(() => stopProcess(pid, { signal: 'SIGKILL' }));
  return pid;
}

/** Two workers: one ends on TERM at once, the other never. */
async function startUneven(place: Place): Promise<Uneven> {
  const actions = [`once=${join(place.dir, 'slow')}`, 'ignore=15', 'hang'];
  const options = ['-F', '2', '--stop-signal', 'TERM', '--stop-timeout', '1s'];
  const { pid } = await start(place, options, actions);
  const slow = (await fullPool({ pid }, 2)).find((worker) => ignoresTerm(worker)) ?? 0;
  const quick = workersOf({ pid }).find((worker) => worker !== slow) ?? 0;
  return { pid, quick, slow };
}

interface Uneven {
  readonly pid: number;
  readonly quick: number;
  readonly slow: number;
}

function ignoresTerm(pid: number): boolean {
  const ignored = BigInt(`0x${readProcess(pid)?.status['SigIgn'] ?? '0'}`);
  return (ignored >> 14n) % 2n === 1n;
}

function gone(pid: number): Promise<true> {
  return waitFor(`the end of ${pid}`, () => !isAlive(pid));
}

test('after a worker was killed, in a pool that runs', async () => {
  const place = makePlace();
  const pool = await start(place, ['--min-uptime', '1ms', '--stop-timeout', '300ms']);
  const [worker = 0] = await fullPool(pool);
  process.kill(worker, 'SIGKILL');
  await fullPool(pool, 1, [worker]);
  const stranger = await takeNumber(worker);
  process.kill(pool.pid, 'SIGTERM');
  await expectNoProcess(place);
  expect(isAlive(stranger)).toBe(true);
});

test('in a stop that still waits for others', async () => {
  const place = makePlace();
  const pool = await startUneven(place);
  process.kill(pool.pid, 'SIGTERM');
  await gone(pool.quick);
  const stranger = await takeNumber(pool.quick);
  expect(isAlive(pool.slow)).toBe(true);
  await expectNoProcess(place);
  expect(isAlive(stranger)).toBe(true);
});

test('in a stop whose supervisor is killed', async () => {
  const place = makePlace();
  const pool = await startUneven(place);
  process.kill(pool.pid, 'SIGTERM');
  await gone(pool.quick);
  const stranger = await takeNumber(pool.quick);
  const guard = childrenOf(pool.pid).filter((pid) => readStat(pid)?.comm === 'sh');
  expect(guard).toHaveLength(1);
  await killSupervisor(pool);
  await expectNoProcess(place);
  await gone(guard[0] ?? 0);
  expect(isAlive(stranger)).toBe(true);
});

test('in a stop of a pool whose supervisor was killed', async () => {
  const place = makePlace();
  const pool = await startUneven(place);
  await killSupervisor(pool);
  const stopped = ctl(place.stateDir, ['stop', place.socket]);
  await gone(pool.quick);
  const stranger = await takeNumber(pool.quick);
  expect(await stopped).toMatchObject({ status: 0 });
  expect(isAlive(stranger)).toBe(true);
  await expectNoProcess(place);
});
