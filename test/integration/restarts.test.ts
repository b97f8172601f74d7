// When a worker that ended by itself is started again: planned, crash, backoff, start limit.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isAlive, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

describe('a worker that ends by itself', () => {
  test('with status 0 after it was seen waiting is replaced at once, whatever its age', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--min-uptime', '1h'], ['answer=0']);
    const first = await pools.onlyWorker(pool);
    await pools.visit({ path: place.socket });
    await pools.waitForStarts(place, 2);
    const [end] = await pools.waitForEvents(place, 'worker-ended');
    expect(end).toMatchObject({
      workerPid: first,
      class: 'planned',
      delayMs: 0,
      end: { kind: 'exited', status: 0 },
    });
    expect(await pools.onlyWorker(pool, [first])).not.toBe(first);
  });

  test('with status 0 leaves the backoff untouched', async () => {
    const place = pools.makePlace();
    const failing = join(place.dir, 'failing');
    const options = ['--min-uptime', '1h', '--restart-delay', '20ms', '--restart-max-delay', '10s'];
    const pool = await pools.start(place, options, [`when=${failing}`, 'exit=1', 'answer=0']);
    await pools.visit({ path: place.socket });
    await pools.waitForEvents(place, 'worker-ended', 1);
    process.kill(await pools.onlyWorker(pool), 'SIGKILL');
    const ends = await pools.waitForEvents(place, 'worker-ended', 2);
    expect(ends[0]).toMatchObject({ class: 'planned', delayMs: 0 });
    expect(ends[1]?.['delayMs']).toBeGreaterThan(0);
    expect(ends[1]?.['delayMs']).toBeLessThanOrEqual(20);
  });

  test.for([
    ['status 1', 'answer=1', undefined, { kind: 'exited', status: 1 }],
    ['SIGSEGV', 'serve', 'SIGSEGV', { kind: 'signaled', signal: 11 }],
    ['SIGKILL', 'serve', 'SIGKILL', { kind: 'signaled', signal: 9 }],
    ['SIGTERM', 'serve', 'SIGTERM', { kind: 'signaled', signal: 15 }],
  ] as const)('by %s after --min-uptime is replaced at once', async ([, action, signal, end]) => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--min-uptime', '1ms'], [action]);
    const first = await pools.onlyWorker(pool);
    if (signal) process.kill(first, signal);
    else await pools.visit({ path: place.socket });
    await pools.waitForStarts(place, 2);
    const [ended] = await pools.waitForEvents(place, 'worker-ended');
    expect(ended).toMatchObject({ workerPid: first, class: 'crash', delayMs: 0, end });
    const second = await pools.onlyWorker(pool, [first]);
    expect(isAlive(second)).toBe(true);
    await pools.endPool(place, pool);
  });

  test('before --min-uptime is replaced after a delay', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--min-uptime', '1h', '--restart-delay', '50ms']);
    process.kill(await pools.onlyWorker(pool), 'SIGKILL');
    const [ended] = await pools.waitForEvents(place, 'worker-ended');
    expect(ended).toMatchObject({ class: 'failed-start' });
    expect(ended?.['delayMs']).toBeGreaterThan(0);
    await pools.waitForStarts(place, 2);
  });
});

test('a loop of brief lives that end with 0 and never serve backs off', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, ['--restart-delay', '20ms'], ['pause=500', 'exit=0']);
  const classes = (): unknown[] => pools.events(place, 'worker-ended').map((end) => end['class']);
  await waitFor('a failed start', () => classes().includes('failed-start'), { timeoutMs: 15_000 });
  expect(classes().indexOf('failed-start')).toBeGreaterThanOrEqual(5);
  await pools.endPool(place, pool);
});

test('a loop of crashes soon after they were up backs off with --min-uptime 0 too', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(
    place,
    ['--min-uptime', '0', '--restart-delay', '20ms'],
    ['alarm=400', 'serve'],
  );
  const isDelayed = ({ class: end, delayMs }: pools.LoggedEvent): boolean =>
    end === 'crash' && Number(delayMs) > 0;
  await waitFor('a delayed crash', () => pools.events(place, 'worker-ended').some(isDelayed));
  expect(pools.events(place, 'worker-ended').findIndex(isDelayed)).toBeGreaterThanOrEqual(5);
  await pools.endPool(place, pool);
});

test('a slot whose worker fails again and again waits twice as long each time, up to --restart-max-delay', async () => {
  const place = pools.makePlace();
  const failing = join(place.dir, 'failing');
  const options = ['--min-uptime', '1h', '--restart-delay', '20ms', '--restart-max-delay', '150ms'];
  const pool = await pools.start(place, options, [`when=${failing}`, 'exit=1', 'serve']);
  writeFileSync(failing, '');
  process.kill(await pools.onlyWorker(pool), 'SIGKILL');
  const full = [20, 40, 80, 150, 150, 150];
  await pools.waitForStarts(place, 1 + full.length);
  const delays = pools.events(place, 'worker-ended').map(({ delayMs }) => Number(delayMs));
  full.forEach((ms, index) => {
    expect(delays[index]).toBeGreaterThanOrEqual(ms * 0.8);
    expect(delays[index]).toBeLessThanOrEqual(ms);
  });
  expectGapsOfAtLeast(delays, pools.starts(place));

  rmSync(failing);
  // Only a worker that got past the failing step takes a connection from the queue.
  await pools.visit({ path: place.socket });
  expect(await pools.onlyWorker(pool)).toBe(pools.starts(place).at(-1)?.pid);
});

/** Between start n and n + 1 lies the life of worker n and its delay; clocks of two processes are cut to milliseconds. */
function expectGapsOfAtLeast(delays: readonly number[], all: readonly { atMs: number }[]): void {
  delays.slice(1).forEach((delayMs, index) => {
    const [from, to] = [all[index + 1], all[index + 2]];
    if (from && to) expect(to.atMs - from.atMs).toBeGreaterThanOrEqual(delayMs - 3);
  });
}

test('planned restarts are at most 10 a second in a slot, and their number is logged', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, [], ['answer=0']);
  await waitFor(
    '13 planned restarts',
    async () => {
      await pools.onlyWorker(pool);
      await pools.visit({ path: place.socket });
      return pools.starts(place).length >= 14;
    },
    { intervalMs: 15 },
  );
  process.kill(pool.pid, 'SIGTERM');
  const [sum] = await pools.waitForEvents(place, 'planned-exits');
  expect(planned(place)).toHaveLength(5);
  expect(5 + Number(sum?.['count'])).toBeGreaterThanOrEqual(13);
  const times = pools.starts(place).map(({ atMs }) => atMs);
  // Ten restarts after any restart a second has gone by, less what a busy machine held up the first of them; unlimited
  // they would take a quarter of it.
  times.slice(11).forEach((atMs, index) => {
    expect(atMs - (times[index + 1] ?? 0)).toBeGreaterThanOrEqual(700);
  });
});

function planned(place: pools.Place) {
  return pools.events(place, 'worker-ended').filter((event) => event['class'] === 'planned');
}

describe('--start-limit', () => {
  test('ends a foreground pool with 75 and leaves nothing', async () => {
    const place = pools.makePlace();
    const failing = join(place.dir, 'failing');
    const options = [
      '--supervise',
      '-F',
      '2',
      '-P',
      place.pidFile,
      '--start-limit',
      '3/10s',
      '--restart-delay',
      '10ms',
    ];
    const pool = pools.startStaying(place, options, [`when=${failing}`, 'exit=1', 'serve']);
    const [first] = await pools.waitForStarts(place, 2);
    await pools.waitForEvents(place, 'pool-up');
    writeFileSync(failing, '');
    process.kill(first?.pid ?? 0, 'SIGKILL');
    expect(await pool.ended).toEqual({ status: 75, signal: null });
    await pools.expectNothingLeft(place);
    expect(pools.events(place, 'start-limit-reached')).toHaveLength(1);
    expect(pools.starts(place).length).toBeLessThanOrEqual(5);
  });

  test('ends a background pool, too', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, [
      '-P',
      place.pidFile,
      '--start-limit',
      '2/10s',
      '--restart-delay',
      '10ms',
    ]);
    process.kill(await pools.onlyWorker(pool), 'SIGKILL');
    await pools.waitForStarts(place, 2);
    process.kill(await pools.onlyWorker(pool), 'SIGKILL');
    await pools.expectNothingLeft(place);
  });

  test('does not count planned restarts', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--start-limit', '2/10s'], ['answer=0']);
    await waitFor(
      '4 planned restarts',
      async () => {
        await pools.onlyWorker(pool);
        await pools.visit({ path: place.socket });
        return (
          planned(place).length >= 4 || pools.events(place, 'worker-ended').length > planned(place).length
        );
      },
      { intervalMs: 20 },
    );
    expect(isAlive(pool.pid)).toBe(true);
  });
});
