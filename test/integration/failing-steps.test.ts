// System calls of the supervisor that fail: whatever else there is to do is done all the same.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect, test, type TestContext } from 'vitest';
import { atEnd } from '../helpers/cleanup.ts';
import { needCommands, needTracing } from '../helpers/requirements.ts';
import { waitFor } from '../helpers/wait-for.ts';
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
  await inject(ctx, pool.pid, 'close', 'EIO');
  process.kill(pool.pid, 'SIGTERM');
  expect(await pool.ended).toMatchObject({ status: 0 });
  await expectNothingLeft(place);
});

test('a worker that cannot be started because its limits cannot be set is tried again later', async (ctx) => {
  const place = makePlace();
  const pool = await start(place, ['--restart-delay', '50ms', '--restart-max-delay', '50ms']);
  const first = await onlyWorker(pool);
  const stopFailing = await inject(ctx, pool.pid, 'prlimit64', 'EPERM');
  process.kill(first, 'SIGKILL');
  const [warning] = await waitForEvents(place, 'warning', 2);
  expect(warning?.['message']).toMatch(/^a worker could not be started: getrlimit: Operation not permitted/);
  await stopFailing();
  await onlyWorker(pool, [first]);
  await endPool(place, pool);
  await expectNothingLeft(place);
});

/** From now on these calls of the process fail, until the result is called. */
async function inject(ctx: TestContext, pid: number, calls: string, error: string) {
  needCommands(ctx, 'strace');
  needTracing(ctx);
  const options = [
    '-f',
    '-qq',
    '-o',
    '/dev/null',
    '-e',
    `trace=${calls}`,
    '-e',
    `inject=${calls}:error=${error}`,
  ];
  const tracer = spawn('strace', [...options, '-p', String(pid)], { stdio: 'ignore' });
  const ended = once(tracer, 'exit');
  const stop = async (): Promise<void> => {
    tracer.kill('SIGTERM');
    await ended;
  };
  atEnd(stop);
  await waitFor('the tracer', () => isTraced(pid));
  return stop;
}

function isTraced(pid: number): boolean {
  return /^TracerPid:\t[1-9]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
}
