// A PID file that a start made, and that the next start has by the time the first one is undone.
import { expect, test } from 'vitest';
import { existsSync, readFileSync } from 'node:fs';
import { childrenOf, isAlive, readProcess, readStat } from '../helpers/machine/processes.ts';
import { freePort } from '../helpers/machine/free-port.ts';
import { needRoot } from '../helpers/machine/requirements.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import {
  endPool,
  expectNothingLeft,
  makePlace,
  run,
  start,
  visit,
  waitForStarts,
  type Place,
} from '../helpers/pool/place.ts';

const user = ['-u', 'nobody', '-g', 'nogroup'];

function guardOf(supervisor: number): number | undefined {
  return childrenOf(supervisor).find((pid) => readProcess(pid)?.args.includes('spawn-fcgi-undo'));
}

/** Of the start whose worker is the nth. */
async function supervisorOf(place: Place, nth: number): Promise<number> {
  const worker = (await waitForStarts(place, nth))[nth - 1]?.pid ?? 0;
  return readStat(worker)?.parent ?? 0;
}

/** Kills a start before it is up, and keeps its guard from undoing it until `undo`. */
async function killStart(supervisor: number): Promise<{ undo: () => Promise<void> }> {
  const guard = await waitFor('the guard', () => guardOf(supervisor));
  process.kill(guard, 'SIGSTOP');
  process.kill(supervisor, 'SIGKILL');
  await waitFor('the end of the supervisor', () => !isAlive(supervisor));
  const undo = async (): Promise<void> => {
    process.kill(guard, 'SIGCONT');
    await waitFor('the end of the guard', () => !isAlive(guard));
  };
  return { undo };
}

test('is kept when a --replace was killed and the next one has the same file', async (ctx) => {
  needRoot(ctx);
  const place = makePlace();
  await start(place, user);
  const options = [...user, '--replace', '-P', place.pidFile];
  const first = run(place, options, ['pause=60000']);
  const { undo } = await killStart(await supervisorOf(place, 2));
  expect((await first).status).not.toBe(0);
  const next = await start(place, options);
  await undo();
  expect(readFileSync(place.pidFile, 'utf8')).toBe(String(next.pid));
  await visit({ path: place.socket });
  process.kill(next.pid, 'SIGTERM');
  await waitFor('the end of the pool', () => !isAlive(next.pid));
});

test('is kept when a start on another address was killed', async (ctx) => {
  needRoot(ctx);
  const place = makePlace();
  const options = [...user, '-P', place.pidFile];
  const first = run(place, options, ['pause=60000'], {
    address: ['-a', '127.0.0.1', '-p', String(await freePort())],
  });
  const { undo } = await killStart(await supervisorOf(place, 1));
  expect((await first).status).not.toBe(0);
  const next = await start(place, options);
  await undo();
  expect(readFileSync(place.pidFile, 'utf8')).toBe(String(next.pid));
  await endPool(place, next);
});

test('is removed when nobody has it', async (ctx) => {
  needRoot(ctx);
  const place = makePlace();
  const first = run(place, [...user, '-P', place.pidFile], ['pause=60000']);
  const { undo } = await killStart(await supervisorOf(place, 1));
  await first;
  expect(existsSync(place.pidFile)).toBe(true);
  await undo();
  await expectNothingLeft(place);
});
