// System calls of the supervisor that fail: whatever else there is to do is done all the same.
import { expect, test } from 'vitest';
import { injectFault } from '../helpers/inject-fault.ts';
import { readOpenFiles } from '../helpers/processes.ts';
import { needTracing } from '../helpers/requirements.ts';
import { startHeld, StepTracer } from '../helpers/step-tracer.ts';
import {
  commandLine,
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

test.for([
  ['leave the streams (dup2 EBUSY)', 'dup2', 16],
  ['ask whether the command has read (FIONREAD ENOTTY)', 'ioctl status', 25],
] as const)('a start that cannot %s ends, and nobody waits for it', async ([, name, errno], ctx) => {
  needTracing(ctx);
  const place = makePlace();
  const { command, pid } = await startHeld(place.dir, commandLine(place, ['-P', place.pidFile]));
  const tracer = await StepTracer.attach(pid, { action: 'always', name, nth: 1, errno });
  process.kill(pid, 'SIGCONT');
  // Its streams are closed by then.
  expect(await command.ended).toMatchObject({ status: 0 });
  expect(tracer.hasArrived).toBe(true);
  await tracer.end();
  expect(readOpenFiles(pid).filter(({ fd }) => fd < 3)).toMatchObject([
    { fd: 0, target: '/dev/null' },
    { fd: 1, target: '/dev/null' },
    { fd: 2, target: '/dev/null' },
  ]);
  await endPool(place, { pid });
  await expectNothingLeft(place);
});
