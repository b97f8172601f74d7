// A PID file that a start made, and that the next start has by the time the first one is undone.
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const user = ['-u', 'nobody', '-g', 'nogroup'];

function guardOf(supervisor: number): number | undefined {
  return machine
    .childrenOf(supervisor)
    .find((pid) => machine.readProcess(pid)?.args.includes('spawn-fcgi-undo'));
}

/** Of the start whose worker is the nth. */
async function supervisorOf(place: pools.Place, nth: number): Promise<number> {
  const worker = (await pools.waitForStarts(place, nth))[nth - 1]?.pid ?? 0;
  return machine.readStat(worker)?.parent ?? 0;
}

/** Kills a start before it is up, and keeps its guard from undoing it until `undo`. */
async function killStart(supervisor: number): Promise<{ undo: () => Promise<void> }> {
  const guard = await machine.waitFor('the guard', () => guardOf(supervisor));
  process.kill(guard, 'SIGSTOP');
  process.kill(supervisor, 'SIGKILL');
  await machine.waitFor('the end of the supervisor', () => !machine.isAlive(supervisor));
  const undo = async (): Promise<void> => {
    process.kill(guard, 'SIGCONT');
    await machine.waitFor('the end of the guard', () => !machine.isAlive(guard));
  };
  return { undo };
}

test('is kept when a --replace was killed and the next one has the same file', async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  await pools.start(place, user);
  const options = [...user, '--replace', '-P', place.pidFile];
  const first = pools.run(place, options, ['pause=60000']);
  const { undo } = await killStart(await supervisorOf(place, 2));
  expect((await first).status).not.toBe(0);
  const next = await pools.start(place, options);
  await undo();
  expect(readFileSync(place.pidFile, 'utf8')).toBe(String(next.pid));
  await pools.visit({ path: place.socket });
  process.kill(next.pid, 'SIGTERM');
  await machine.waitFor('the end of the pool', () => !machine.isAlive(next.pid));
});

test('is kept when a start on another address was killed', async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  const options = [...user, '-P', place.pidFile];
  const first = pools.run(place, options, ['pause=60000'], {
    address: ['-a', '127.0.0.1', '-p', String(await machine.freePort())],
  });
  const { undo } = await killStart(await supervisorOf(place, 1));
  expect((await first).status).not.toBe(0);
  const next = await pools.start(place, options);
  await undo();
  expect(readFileSync(place.pidFile, 'utf8')).toBe(String(next.pid));
  await pools.endPool(place, next);
});

test('is removed when nobody has it', async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  const first = pools.run(place, [...user, '-P', place.pidFile], ['pause=60000']);
  const { undo } = await killStart(await supervisorOf(place, 1));
  await first;
  expect(existsSync(place.pidFile)).toBe(true);
  await undo();
  await pools.expectNothingLeft(place);
});
