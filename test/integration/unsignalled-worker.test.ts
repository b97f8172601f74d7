// Workers that the supervisor may not signal, since their program has become another user by its set-user-ID bit:
// every operation ends all the same, does not call itself a success, and says what is left.
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import { needRoot, runCommand, NOBODY } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const options = ['-u', 'nobody', '-g', 'nogroup', '--stop-timeout', '500ms', '--settle', '200ms'];

async function makePlaceOfRoot(ctx: TestContext): Promise<pools.Place> {
  needRoot(ctx);
  const place = pools.makePlace();
  chmodSync(place.app, 0o4755);
  const probe = await runCommand(place.app, ['unsignalled', 'exit=0'], { uid: NOBODY, gid: NOBODY });
  ctx.skip(probe.status !== 0, 'needs a temporary directory whose file system heeds set-user-ID bits');
  return place;
}

const control = (place: pools.Place, ...args: readonly string[]) => {
  const [command = '', ...more] = args;
  return pools.ctl(place.stateDir, [command, place.socket, ...more]);
};

/** PIDs that a message lists, in their order. */
function pidsIn(text: string): number[] {
  return [...(/PID ((?:\d+ )+)/.exec(text)?.[1] ?? '').matchAll(/\d+/g)].map(([pid]) => Number(pid));
}

function livingBeside(place: pools.Place, others: readonly number[] = []): number[] {
  return pools
    .processesOf(place)
    .map(({ pid }) => pid)
    .filter((pid) => !others.includes(pid))
    .toSorted((a, b) => a - b);
}

test('nothing replaces workers that may not be signalled, and a stop ends at its deadline and names all of them', async (ctx) => {
  const place = await makePlaceOfRoot(ctx);
  const children = join(place.dir, 'children');
  const actions = ['unsignalled', `child=${children}`, 'serve'];
  const pool = await pools.start(place, [...options, '-F', '2', '-P', place.pidFile], actions);
  const workers = await pools.fullPool(pool, 2);
  const everybody = livingBeside(place, [pool.pid]);
  expect(everybody).toHaveLength(4);

  for (const request of [['reload'], ['restart'], ['scale', '1']]) {
    const refused = await control(place, ...request);
    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr).toMatch(/may not be signalled: Operation not permitted; nothing was changed/);
    expect(pidsIn(refused.stderr)).toEqual(workers);
  }
  process.kill(pool.pid, 'SIGHUP');
  const [warning] = await pools.waitForEvents(place, 'warning');
  expect(warning?.['message']).toMatch(/^not reloaded: worker PID /);
  const replacing = await pools.run(place, [...options, '--replace', '-P', place.pidFile], ['serve']);
  expect(replacing.status).toBe(255);
  expect(pidsIn(pools.withoutHints(replacing.stderr))).toEqual(workers);
  expect(livingBeside(place, [pool.pid])).toEqual(everybody);
  expect(pools.events(place, 'reload-started')).toEqual([]);

  const stopped = await control(place, 'stop');
  expect(stopped).toMatchObject({ status: 1, stdout: '' });
  expect(stopped.stderr).toMatch(/^spawn-fcgictl: stopped, but PID .* left behind \(may not be signalled: /);
  expect(pidsIn(stopped.stderr).toSorted((a, b) => a - b)).toEqual(everybody);
  expect(livingBeside(place)).toEqual(everybody);
});

test('a reload to a release whose worker cannot be ended is rolled back, and names what is left of its trial', async (ctx) => {
  const place = await makePlaceOfRoot(ctx);
  const flag = join(place.dir, 'new-release');
  const pool = await pools.start(place, options, [`when=${flag}`, 'unsignalled', 'serve']);
  const workers = await pools.fullPool(pool, 1);
  writeFileSync(flag, '');
  const reload = await control(place, 'reload');
  expect(reload.status).toBe(1);
  const left = livingBeside(place, [pool.pid, ...workers]);
  expect(left).toHaveLength(1);
  expect(reload.stderr).toContain(
    `PID ${left[0]} is left behind (may not be signalled: Operation not permitted)`,
  );
  expect(pools.events(place, 'reload-finished')).toMatchObject([
    { result: 'rolled-back', left: [{ pid: left[0], why: 'refused' }] },
  ]);
});

test('--replace by a release whose worker cannot be ended fails before --ready-timeout, and names what is left', async (ctx) => {
  const place = await makePlaceOfRoot(ctx);
  const pool = await pools.start(place, options);
  const workers = await pools.fullPool(pool, 1);
  const result = await pools.run(
    place,
    [...options, '--replace', '--ready', 'probe', '--ready-timeout', '60s'],
    ['unsignalled', 'record'],
  );
  expect(result).toMatchObject({ status: 75, timedOut: false });
  const left = livingBeside(place, [pool.pid, ...workers]);
  expect(left).toHaveLength(2);
  const hint = pools.hintsOf(result.stderr).find((line) => line.includes('left behind')) ?? '';
  expect(pidsIn(hint).toSorted((a, b) => a - b)).toEqual(left);
});

test('a first start that fails names the worker that it could not end', async (ctx) => {
  const place = await makePlaceOfRoot(ctx);
  const waiting = pools.run(
    place,
    [...options, '--ready', 'probe', '--ready-timeout', '300ms'],
    ['unsignalled', `report=${place.report}`, 'hang'],
  );
  const [first] = await pools.waitForStarts(place, 1);
  const result = await waiting;
  expect(result.status).toBe(75);
  expect(pools.hintsOf(result.stderr)).toContain(
    `PID ${first?.pid} is left behind (may not be signalled: Operation not permitted)`,
  );
});
