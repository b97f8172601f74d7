// The number of a worker that has ended is anybody's: a session that gets it belongs to others, and lives on.
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

beforeEach((ctx) => machine.needRoot(ctx));

/** A process of somebody else, in a session that has this number and no leader. */
async function takeNumber(number: number): Promise<number> {
  const program = compileC(fixture('pid-taker.c'));
  const file = join(machine.makeTempDir(), 'taken');
  const taken = await machine.runCommand(program, [String(number), file], { cwd: '/' });
  expect(taken.status).toBe(0);
  const [pid = 0] = await pools.waitForPids(file);
  machine.atEnd(() => machine.stopProcess(pid, { signal: 'SIGKILL' }));
  return pid;
}

/** Two workers: one ends on TERM at once, the other by a KILL. */
async function startUneven(place: pools.Place): Promise<Uneven> {
  const actions = [`once=${join(place.dir, 'slow')}`, 'ignore=15', 'hang'];
  const options = ['-F', '2', '--stop-signal', 'TERM', '--stop-timeout', '1h'];
  const { pid } = await pools.start(place, options, actions);
  const slow = (await pools.fullPool({ pid }, 2)).find((worker) => ignoresTerm(worker)) ?? 0;
  const quick = pools.workersOf({ pid }).find((worker) => worker !== slow) ?? 0;
  return { pid, quick, slow };
}

interface Uneven {
  readonly pid: number;
  readonly quick: number;
  readonly slow: number;
}

function ignoresTerm(pid: number): boolean {
  const ignored = BigInt(`0x${machine.readProcess(pid)?.status['SigIgn'] ?? '0'}`);
  return (ignored >> 14n) % 2n === 1n;
}

function gone(pid: number): Promise<true> {
  return machine.waitFor(`the end of ${pid}`, () => !machine.isAlive(pid));
}

test('after a worker was killed, in a pool that runs', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, ['--min-uptime', '1ms', '--stop-timeout', '300ms']);
  const [worker = 0] = await pools.fullPool(pool);
  process.kill(worker, 'SIGKILL');
  await pools.fullPool(pool, 1, [worker]);
  const stranger = await takeNumber(worker);
  process.kill(pool.pid, 'SIGTERM');
  await pools.expectNoProcess(place);
  expect(machine.isAlive(stranger)).toBe(true);
});

test('in a stop that still waits for others', async () => {
  const place = pools.makePlace();
  const pool = await startUneven(place);
  process.kill(pool.pid, 'SIGTERM');
  await gone(pool.quick);
  const stranger = await takeNumber(pool.quick);
  expect(machine.isAlive(pool.slow)).toBe(true);
  // The second one brings the KILL for whoever is left, which the deadline would.
  process.kill(pool.pid, 'SIGTERM');
  await pools.expectNoProcess(place);
  expect(machine.isAlive(stranger)).toBe(true);
});

test('in a stop whose supervisor is killed', async () => {
  const place = pools.makePlace();
  const pool = await startUneven(place);
  process.kill(pool.pid, 'SIGTERM');
  await gone(pool.quick);
  const stranger = await takeNumber(pool.quick);
  // The number is free a moment before its end was looked at, and the guard told of it.
  const isKnown = async (): Promise<boolean> =>
    (await pools.statusOf(place)).workers.every(({ pid }) => pid !== pool.quick);
  await machine.waitFor('the supervisor to know', isKnown);
  const guard = machine.childrenOf(pool.pid).filter((pid) => machine.readStat(pid)?.comm === 'sh');
  expect(guard).toHaveLength(1);
  await pools.killSupervisor(pool);
  await pools.expectNoProcess(place);
  await gone(guard[0] ?? 0);
  expect(machine.isAlive(stranger)).toBe(true);
});

test('in a stop of a pool whose supervisor was killed', async () => {
  const place = pools.makePlace();
  const options = ['-F', '2', '--stop-signal', 'TERM', '--stop-timeout', '4s'];
  const pool = await pools.start(place, options, ['ignore=15', 'hang']);
  const [first = 0, second = 0] = await pools.fullPool(pool, 2);
  await pools.killSupervisor(pool);
  process.kill(second, 'SIGSTOP');
  const stopped = pools.ctl(place.stateDir, ['stop', place.socket]);
  await machine.waitFor(
    'the command to let it go on',
    () => !machine.readStat(second)?.state.startsWith('T'),
  );
  // It knows the worker as alive, and next sees the number with another session: its KILL comes behind that.
  const commands = pools.processesOf(place).filter(({ pid }) => pid !== first && pid !== second);
  expect(commands).toHaveLength(1);
  for (const { pid } of commands) process.kill(pid, 'SIGSTOP');
  process.kill(first, 'SIGKILL');
  const stranger = await takeNumber(first);
  expect(machine.isAlive(second)).toBe(true);
  for (const { pid } of commands) process.kill(pid, 'SIGCONT');
  expect(await stopped).toMatchObject({ status: 0 });
  expect(machine.isAlive(stranger)).toBe(true);
  await pools.expectNoProcess(place);
});
