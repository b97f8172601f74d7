// A supervisor without descriptors, as any process of its user can bring about by prlimit(2): clients of the control
// socket wait without costing anything, and the pool goes on.
import { connect, type Socket } from 'node:net';
import { expect, test, type TestContext } from 'vitest';
import { atEnd, injectFault, needCommands, runCommand, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

/** Fewer than any supervisor has open. */
const FEW = 8;

test('a client that cannot be accepted is tried again ever more rarely, and served when it can be', async (ctx) => {
  const place = pools.makePlace();
  const pool = await pools.start(place);
  const fault = await injectFault(ctx, pool.pid, 'accept,accept4', 'EMFILE');
  const answer = ping(place);
  const times = await waitFor('five attempts', () => {
    const failures = fault.failuresMs();
    return failures.length >= 5 && failures;
  });
  const [first = 0, , , , fifth = 0] = times;
  expect(fifth - first).toBeGreaterThan(500);
  await fault.stop();
  expect(await answer).toMatch(/^\{"v":1,"ok":true,/);
  await pools.endPool(place, pool);
  await pools.expectNothingLeft(place);
});

test('a soft limit on open files that somebody has lowered is raised again for a client', async (ctx) => {
  const place = pools.makePlace();
  const pool = await pools.start(place);
  await limitFiles(ctx, pool.pid, `${FEW}:`);
  expect(await pools.ctl(place.stateDir, ['ping', place.socket])).toMatchObject({ status: 0 });
  await pools.endPool(place, pool);
  await pools.expectNothingLeft(place);
});

test('a pool whose supervisor may open no file any more keeps its workers, and stops', async (ctx) => {
  const place = pools.makePlace();
  const pool = await pools.start(place, ['--stop-timeout', '500ms']);
  const first = await pools.onlyWorker(pool);
  await limitFiles(ctx, pool.pid, `${FEW}:${FEW}`);
  process.kill(first, 'SIGKILL');
  await pools.onlyWorker(pool, [first]);
  await pools.waitForEvents(place, 'worker-ended');
  await pools.endPool(place, pool);
  await pools.expectNothingLeft(place);
});

/** As a worker without `-u` could do it. */
async function limitFiles(ctx: TestContext, pid: number, limit: string): Promise<void> {
  needCommands(ctx, 'prlimit');
  const result = await runCommand('prlimit', ['--pid', String(pid), `--nofile=${limit}`]);
  expect(result).toMatchObject({ status: 0, stderr: '' });
}

/** The first bytes of the answer. */
function ping(place: pools.Place): Promise<string> {
  const socket: Socket = connect(pools.poolFile(place, '.ctl'));
  atEnd(() => void socket.destroy());
  socket.write('{"v":1,"command":"ping"}\n');
  return new Promise((resolve, reject) => {
    socket.once('data', (bytes: Buffer) => resolve(bytes.toString('utf8')));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed without an answer')));
  });
}
