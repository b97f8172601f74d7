// System calls of the supervisor that fail: whatever else there is to do is done all the same.
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { injectFault, readOpenFiles, needTracing, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { startHeld, StepTracer } from '../helpers/steps/index.ts';

test('a stop in which every close fails ends, and leaves nothing', async (ctx) => {
  const place = pools.makePlace();
  const pool = pools.startStaying(place, ['--supervise', '-P', place.pidFile, '--stop-timeout', '5s']);
  await pools.waitForEvents(place, 'pool-up');
  await injectFault(ctx, pool.pid, 'close', 'EIO');
  process.kill(pool.pid, 'SIGTERM');
  expect(await pool.ended).toMatchObject({ status: 0 });
  await pools.expectNothingLeft(place);
});

test.for([1, 2, 3, 4])('a stop whose removal number %i fails once leaves nothing', async (number, ctx) => {
  const place = pools.makePlace();
  const pool = await pools.start(place, ['-P', place.pidFile]);
  const fault = await injectFault(ctx, pool.pid, 'unlink,unlinkat', `EIO:when=${number}`);
  await pools.endPool(place, pool);
  expect(fault.failuresMs()).toHaveLength(1);
  await pools.expectNothingLeft(place);
});

test('a worker that cannot be started because its limits cannot be set is tried again later', async (ctx) => {
  const place = pools.makePlace();
  const pool = await pools.start(place, ['--restart-delay', '50ms', '--restart-max-delay', '50ms']);
  const first = await pools.onlyWorker(pool);
  const fault = await injectFault(ctx, pool.pid, 'prlimit64', 'EPERM');
  process.kill(first, 'SIGKILL');
  const [warning] = await pools.waitForEvents(place, 'warning', 2);
  expect(warning?.['message']).toMatch(/^a worker could not be started: getrlimit: Operation not permitted/);
  await fault.stop();
  await pools.onlyWorker(pool, [first]);
  await pools.endPool(place, pool);
  await pools.expectNothingLeft(place);
});

test.for([
  ['leave the streams (dup2 EBUSY)', 'dup2', 16],
  ['ask whether the command has read (FIONREAD ENOTTY)', 'ioctl status', 25],
] as const)('a start that cannot %s ends, and nobody waits for it', async ([, name, errno], ctx) => {
  needTracing(ctx);
  const place = pools.makePlace();
  const { command, pid } = await startHeld(place.dir, pools.commandLine(place, ['-P', place.pidFile]));
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
  await pools.endPool(place, { pid });
  await pools.expectNothingLeft(place);
});

test.for([
  ['unlink,unlinkat', 'EIO:when=1'],
  ['rmdir,unlinkat', 'EIO:when=1'],
  ['rmdir,unlinkat', 'EIO'],
  ['prlimit64', 'EPERM'],
] as const)(
  'a trial during which %s fails with %s leaves no directory and no descriptor',
  async ([calls, error], ctx) => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--settle', '50ms', '--min-uptime', '50ms']);
    // What is opened once, as libraries are, is open by then.
    expect(await pools.ctl(place.stateDir, ['reload', place.socket])).toMatchObject({ status: 0 });
    const before = readOpenFiles(pool.pid).length;
    const fault = await injectFault(ctx, pool.pid, calls, error);
    await pools.ctl(place.stateDir, ['reload', place.socket]);
    await fault.stop();
    expect(fault.failuresMs()).not.toEqual([]);
    // What could not be removed then is removed by the next trial.
    expect(await pools.ctl(place.stateDir, ['reload', place.socket])).toMatchObject({ status: 0 });
    expect(readdirSync('/tmp').filter((name) => name.startsWith(`spawn-fcgi-trial-${pool.pid}-`))).toEqual(
      [],
    );
    await waitFor('the descriptors', () => readOpenFiles(pool.pid).length <= before);
    await pools.endPool(place, pool);
    await pools.expectNothingLeft(place);
  },
);
