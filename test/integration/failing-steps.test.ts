// System calls of the supervisor that fail: whatever else there is to do is done all the same.
import { expect, test } from 'vitest';
import { injectFault } from '../helpers/inject-fault.ts';
import {
  endPool,
  expectNothingLeft,
  makePlace,
  onlyWorker,
  start,
  startStaying,
  waitForEvents,
} from './place.ts';

test('a stop in which every close fails ends, and leaves nothing', async (ctx) => {
  const place = makePlace();
  const pool = startStaying(place, ['--supervise', '-P', place.pidFile, '--stop-timeout', '5s']);
  await waitForEvents(place, 'pool-up');
  await injectFault(ctx, pool.pid, 'close', 'EIO');
  process.kill(pool.pid, 'SIGTERM');
  expect(await pool.ended).toMatchObject({ status: 0 });
  await expectNothingLeft(place);
});

test('a worker that cannot be started because its limits cannot be set is tried again later', async (ctx) => {
  const place = makePlace();
  const pool = await start(place, ['--restart-delay', '50ms', '--restart-max-delay', '50ms']);
  const first = await onlyWorker(pool);
  const fault = await injectFault(ctx, pool.pid, 'prlimit64', 'EPERM');
  process.kill(first, 'SIGKILL');
  const [warning] = await waitForEvents(place, 'warning', 2);
  expect(warning?.['message']).toMatch(/^a worker could not be started: getrlimit: Operation not permitted/);
  await fault.stop();
  await onlyWorker(pool, [first]);
  await endPool(place, pool);
  await expectNothingLeft(place);
});
