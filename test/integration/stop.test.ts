// Stopping a pool: TERM, INT and QUIT to the supervisor, the deadline, the second signal.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isAlive, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

describe.for(['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)('%s to the supervisor', (signal) => {
  test('stops a background pool and removes what it made', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['-F', '3', '-P', place.pidFile]);
    process.kill(pool.pid, signal);
    await pools.expectNothingLeft(place);
    expect(pools.events(place, 'stopping')).toMatchObject([{ reason: signal }]);
    expect(pools.events(place, 'killed')).toEqual([]);
  });

  test('stops a foreground pool, which ends with 0', async () => {
    const place = pools.makePlace();
    const pool = pools.startStaying(place, ['-F', '3', '-P', place.pidFile]);
    await pools.waitForEvents(place, 'pool-up');
    process.kill(pool.pid, signal);
    expect(await pool.ended).toEqual({ status: 0, signal: null });
    await pools.expectNothingLeft(place);
  });
});

test('a worker that needs a while after TERM gets it', async () => {
  const place = pools.makePlace();
  const pool = pools.startStaying(place, ['-F', '2'], ['slow-end=300', 'serve']);
  await pools.waitForEvents(place, 'pool-up');
  process.kill(pool.pid, 'SIGTERM');
  expect(await pool.ended).toEqual({ status: 0, signal: null });
  expect(pools.events(place, 'killed')).toEqual([]);
});

test('workers that ignore TERM are killed at --stop-timeout, and the pool still ends with 0', async () => {
  const place = pools.makePlace();
  const options = ['-F', '2', '-P', place.pidFile, '--stop-timeout', '300ms'];
  const pool = pools.startStaying(place, options, ['ignore=15', 'hang']);
  await pools.waitForEvents(place, 'pool-up');
  const workers = await pools.fullPool(pool, 2);
  process.kill(pool.pid, 'SIGTERM');
  expect(await pool.ended).toEqual({ status: 0, signal: null });
  await pools.expectNothingLeft(place);
  expect(pools.events(place, 'killed')).toMatchObject([{ reason: '--stop-timeout' }]);
  const killed = pools.events(place, 'killed').flatMap(({ pids }) => pids as number[]);
  expect(new Set(killed)).toEqual(new Set(workers));
  expect(killed).toHaveLength(2);
});

test('a second TERM kills at once', async () => {
  const place = pools.makePlace();
  const pool = pools.startStaying(place, ['-F', '2', '--stop-timeout', '1h'], ['ignore=15', 'hang']);
  await pools.waitForEvents(place, 'pool-up');
  process.kill(pool.pid, 'SIGTERM');
  await pools.waitForEvents(place, 'stopping');
  process.kill(pool.pid, 'SIGTERM');
  expect(await pool.ended).toEqual({ status: 0, signal: null });
  await pools.expectNothingLeft(place);
});

test('HUP while the pool is stopping is ignored', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, ['--stop-timeout', '1h'], ['slow-end=300', 'serve']);
  process.kill(pool.pid, 'SIGTERM');
  await pools.waitForEvents(place, 'stopping');
  process.kill(pool.pid, 'SIGHUP');
  await pools.expectNothingLeft(place);
  expect(pools.events(place, 'killed')).toEqual([]);
});

test('a pool whose slots are backing off stops without waiting for them', async () => {
  const place = pools.makePlace();
  const failing = join(place.dir, 'failing');
  const pool = await pools.start(
    place,
    ['--restart-delay', '1h', '--restart-max-delay', '1h', '--stop-timeout', '1h'],
    [`when=${failing}`, 'exit=1', 'serve'],
  );
  writeFileSync(failing, '');
  process.kill(await pools.onlyWorker(pool), 'SIGKILL');
  await pools.waitForEvents(place, 'worker-ended');
  process.kill(pool.pid, 'SIGTERM');
  await pools.expectNothingLeft(place);
});

test('a worker killed while the pool stops is not replaced', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, ['-F', '2', '--stop-timeout', '500ms'], ['ignore=15', 'hang']);
  const [first = 0] = await pools.fullPool(pool, 2);
  process.kill(pool.pid, 'SIGTERM');
  await pools.waitForEvents(place, 'stopping');
  process.kill(first, 'SIGKILL');
  await pools.expectNothingLeft(place);
  expect(await pools.waitForStarts(place, 2)).toHaveLength(2);
  await waitFor('the end of the supervisor', () => !isAlive(pool.pid));
});
