// `--workers MIN-MAX` on real pools: what load, crashes, slow programs, operations and other supervisors do to the number of
// workers, and that no request is lost over it.
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import * as web from '../helpers/web/index.ts';

const quick = ['--idle-timeout', '1s', '--settle', '0', '--min-uptime', '1ms'];

/** So many requests at once, on which plain-echo works until they are let go; the result lets them, and is their answers. */
function hold({ dir, target }: pools.EchoPlace, count: number): () => Promise<web.FastcgiResponse[]> {
  const fifo = join(dir, 'hold');
  execFileSync('mkfifo', ['-m', '0666', fifo]);
  const query = { REQUEST_METHOD: 'GET', QUERY_STRING: `hold=${fifo}` };
  let left = count;
  const answers = Array.from({ length: count }, async () => {
    const answer = await web.fastcgiRequest(target, query, '', { timeoutMs: 60_000 });
    left--;
    return answer;
  });
  return async () => {
    await machine.waitFor('all answers', () => letGo(fifo) && left === 0, { timeoutMs: 20_000 });
    return Promise.all(answers);
  };
}

/** Those that wait for a writer just now. */
function letGo(fifo: string): true {
  try {
    closeSync(openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK));
  } catch {
    // Nobody does.
  }
  return true;
}

/** The numbers of workers that the pool has had, as its log has them. */
function numbersOf(place: pools.Place): unknown[] {
  return pools.events(place, 'scaled').map(({ workers }) => workers);
}

async function workersBecome(place: pools.EchoPlace, count: number): Promise<void> {
  const isSo = async (): Promise<boolean> => (await pools.statusOf(place)).wanted === count;
  await machine.waitFor(`${count} workers`, isSo, { timeoutMs: 30_000 });
}

function start(place: pools.EchoPlace, options: readonly string[]): Promise<pools.Pool> {
  return pools.start(place, [...quick, ...options], [], { address: place.address });
}

describe.for(web.transports)('on %s', (transport) => {
  test('a pool grows under load and shrinks below it, and no request is lost', async () => {
    const place = await pools.makeEchoPlace(transport);
    const pool = await start(place, ['--workers', '1-6']);
    const [heavy, light] = [
      web.startRequests(place.target, 6, 'sleep=30'),
      web.startRequests(place.target, 1),
    ];
    await workersBecome(place, 6);
    await pools.fullPool(pool, 6);
    expect((await heavy.stop()).lost).toEqual([]);
    await machine.waitFor('fewer workers', () => pools.workersOf(pool).length < 4, { timeoutMs: 20_000 });
    const { lost, answered, sent } = await light.stop();
    expect(lost).toEqual([]);
    expect(answered).toBe(sent);
    await workersBecome(place, 1);
    await pools.fullPool(pool, 1);
    const numbers = numbersOf(place).map(Number);
    expect(numbers.indexOf(6)).toBeGreaterThan(0);
    // From there on one by one.
    expect(numbers.slice(numbers.lastIndexOf(6))).toEqual([6, 5, 4, 3, 2, 1]);
    expect(pools.events(place, 'request-cut')).toEqual([]);
    await pools.endPool(place, pool);
  });
});

test('status says why there are so many, and the log once that there may not be more', async () => {
  const place = await pools.makeEchoPlace();
  const pool = await start(place, ['--workers', '1-2']);
  const letAllGo = hold(place, 5);
  const [exhausted] = await pools.waitForEvents(place, 'workers-exhausted');
  expect(exhausted).toMatchObject({ workers: 2, queued: 3 });
  expect((await pools.statusOf(place)).scaling).toMatchObject({
    min: 1,
    max: 2,
    last: { from: 1, to: 2, reason: '4 connections wait, nobody idle' },
  });
  const { stdout } = await pools.ctl(place.stateDir, ['status', place.name]);
  expect(stdout).toContain('\n  workers 2 of 1-2; from 1 to 2 ');
  expect((await letAllGo()).map(({ appStatus }) => appStatus)).toEqual([0, 0, 0, 0, 0]);
  await pools.endPool(place, pool);
  expect(pools.events(place, 'workers-exhausted')).toHaveLength(1);
});

test('a worker whose only connection is kept open serves nobody else: there is another one, and it is not taken for idle', async () => {
  const place = await pools.makeEchoPlace();
  const pool = await start(place, ['--workers', '1-3', '--keepalive-quiet', '100ms']);
  const client = new web.KeptClient(place.target);
  await client.ask('first');
  const isKept = async (): Promise<boolean> => (await pools.statusOf(place)).kept === 1;
  await machine.waitFor('a connection that is kept', isKept);
  expect(await web.askEcho(place.target)).toMatchObject({ release: '1' });
  // The new worker may answer before the log has it.
  expect(await pools.waitForEvents(place, 'scaled')).toMatchObject([
    { from: 1, workers: 2, reason: '1 connection waits, nobody idle' },
  ]);
  await workersBecome(place, 1);
  expect(await client.ask('second')).toContain('POST second');
  await pools.endPool(place, pool);
});

test('a worker that takes long to start is waited for before there are more', async () => {
  const place = await pools.makeEchoPlace();
  const gate = join(place.dir, 'gate');
  writeFileSync(gate, '');
  place.releases.make(
    'slow',
    `#!/bin/sh\nuntil [ -e ${gate} ]; do sleep 0.02; done\nexec "\${0%/*}/original"\n`,
  );
  place.releases.switchTo('slow');
  const pool = await start(place, ['--workers', '1-8', '--settle', '60s']);
  rmSync(gate);
  const letAllGo = hold(place, 8);
  await pools.waitForEvents(place, 'scaled');
  const { uptimeMs } = await pools.statusOf(place);
  const hasLooked = async (): Promise<boolean> => (await pools.statusOf(place)).uptimeMs > uptimeMs + 3000;
  await machine.waitFor('three more looks', hasLooked);
  expect(numbersOf(place)).toEqual([2]);
  writeFileSync(gate, '');
  await workersBecome(place, 8);
  expect(numbersOf(place)).toEqual([2, 4, 8]);
  expect(await letAllGo()).toHaveLength(8);
  await pools.endPool(place, pool);
});

test('a program that ends at its start is not started more and more often', async () => {
  const place = await pools.makeEchoPlace();
  const broken = join(place.dir, 'broken');
  place.releases.make('2', `#!/bin/sh\n[ -e ${broken} ] && exit 3\nexec "\${0%/*}/original"\n`);
  place.releases.switchTo('2');
  const pool = await start(place, ['--workers', '1-8', '--min-uptime', '1s', '--restart-max-delay', '500ms']);
  writeFileSync(broken, '');
  const letAllGo = hold(place, 8);
  const ends = await machine.waitFor('seven ends', () => {
    const all = pools.events(place, 'worker-ended');
    return all.length >= 7 && all;
  });
  expect(new Set(ends.map(({ slot }) => slot))).toEqual(new Set([1]));
  expect(numbersOf(place)).toEqual([2]);
  rmSync(broken);
  await workersBecome(place, 8);
  expect(await letAllGo()).toHaveLength(8);
  await pools.endPool(place, pool);
});

test('where the kernel does not tell who waits, a pool grows by one at a time, and says so', async (ctx) => {
  machine.needRoot(ctx);
  const place = await pools.makeEchoPlace();
  const line = pools.commandLine(place, ['-n', ...quick, '--workers', '1-3'], [], { address: [] });
  // What is bound outside is in no table inside.
  const elsewhere = ['/usr/bin/unshare', '--net', pools.oursPath, ...line];
  const pool = await pools.startBehindGiver(place, [`unix=${place.socket}`], elsewhere);
  const letAllGo = hold(place, 4);
  await pools.fullPool(pool, 3);
  // A worker may be there before the log has it.
  await machine.waitFor('the log of both', () => numbersOf(place).length >= 2);
  expect(numbersOf(place)).toEqual([2, 3]);
  const [warning] = await pools.waitForEvents(place, 'warning');
  expect(warning).toMatchObject({ message: expect.stringContaining('does not tell how many') as string });
  expect(pools.events(place, 'warning')).toHaveLength(1);
  expect(await letAllGo()).toHaveLength(4);
  await pools.endPool(place, pool);
});
