// Stopping a pool: TERM, INT and QUIT to the supervisor, the deadline, the second signal.
import { describe, expect, test } from 'vitest';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive } from '../helpers/machine/processes.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import {
  events,
  expectNothingLeft,
  fullPool,
  makePlace,
  onlyWorker,
  start,
  startStaying,
  waitForEvents,
  waitForStarts,
} from '../helpers/pool/place.ts';

describe.for(['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)('%s to the supervisor', (signal) => {
  test('stops a background pool and removes what it made', async () => {
    const place = makePlace();
    const pool = await start(place, ['-F', '3', '-P', place.pidFile]);
    process.kill(pool.pid, signal);
    await expectNothingLeft(place);
    expect(events(place, 'stopping')).toMatchObject([{ reason: signal }]);
    expect(events(place, 'killed')).toEqual([]);
  });

  test('stops a foreground pool, which ends with 0', async () => {
    const place = makePlace();
    const pool = startStaying(place, ['-F', '3', '-P', place.pidFile]);
    await waitForEvents(place, 'pool-up');
    process.kill(pool.pid, signal);
    expect(await pool.ended).toEqual({ status: 0, signal: null });
    await expectNothingLeft(place);
  });
});

test('a worker that needs a while after TERM gets it', async () => {
  const place = makePlace();
  const pool = startStaying(place, ['-F', '2'], ['slow-end=300', 'serve']);
  await waitForEvents(place, 'pool-up');
  process.kill(pool.pid, 'SIGTERM');
  expect(await pool.ended).toEqual({ status: 0, signal: null });
  expect(events(place, 'killed')).toEqual([]);
});

test('workers that ignore TERM are killed at --stop-timeout, and the pool still ends with 0', async () => {
  const place = makePlace();
  const options = ['-F', '2', '-P', place.pidFile, '--stop-timeout', '300ms'];
  const pool = startStaying(place, options, ['ignore=15', 'hang']);
  await waitForEvents(place, 'pool-up');
  const workers = await fullPool(pool, 2);
  process.kill(pool.pid, 'SIGTERM');
  expect(await pool.ended).toEqual({ status: 0, signal: null });
  await expectNothingLeft(place);
  expect(events(place, 'killed')).toMatchObject([{ reason: '--stop-timeout' }]);
  const killed = events(place, 'killed').flatMap(({ pids }) => pids as number[]);
  expect(killed.toSorted((a, b) => a - b)).toEqual(workers);
});

test('a second TERM kills at once', async () => {
  const place = makePlace();
  const pool = startStaying(place, ['-F', '2', '--stop-timeout', '1h'], ['ignore=15', 'hang']);
  await waitForEvents(place, 'pool-up');
  process.kill(pool.pid, 'SIGTERM');
  await waitForEvents(place, 'stopping');
  process.kill(pool.pid, 'SIGTERM');
  expect(await pool.ended).toEqual({ status: 0, signal: null });
  await expectNothingLeft(place);
});

test('HUP while the pool is stopping is ignored', async () => {
  const place = makePlace();
  const pool = await start(place, ['--stop-timeout', '1h'], ['slow-end=300', 'serve']);
  process.kill(pool.pid, 'SIGTERM');
  await waitForEvents(place, 'stopping');
  process.kill(pool.pid, 'SIGHUP');
  await expectNothingLeft(place);
  expect(events(place, 'killed')).toEqual([]);
});

test('a pool whose slots are backing off stops without waiting for them', async () => {
  const place = makePlace();
  const failing = join(place.dir, 'failing');
  const pool = await start(
    place,
    ['--restart-delay', '1h', '--restart-max-delay', '1h', '--stop-timeout', '1h'],
    [`when=${failing}`, 'exit=1', 'serve'],
  );
  writeFileSync(failing, '');
  process.kill(await onlyWorker(pool), 'SIGKILL');
  await waitForEvents(place, 'worker-ended');
  process.kill(pool.pid, 'SIGTERM');
  await expectNothingLeft(place);
});

test('a worker killed while the pool stops is not replaced', async () => {
  const place = makePlace();
  const pool = await start(place, ['-F', '2', '--stop-timeout', '500ms'], ['ignore=15', 'hang']);
  const [first = 0] = await fullPool(pool, 2);
  process.kill(pool.pid, 'SIGTERM');
  await waitForEvents(place, 'stopping');
  process.kill(first, 'SIGKILL');
  await expectNothingLeft(place);
  expect(await waitForStarts(place, 2)).toHaveLength(2);
  await waitFor('the end of the supervisor', () => !isAlive(pool.pid));
});
