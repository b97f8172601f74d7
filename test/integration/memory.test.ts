// What a pool at rest shows of memory: clean pages of Node's file are given back after the start and after whatever
// happens, wherever the supervisor lives.
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import { readProcess, isRoot, needRoot, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const user = isRoot ? ['-u', 'nobody', '-g', 'nogroup'] : [];
/** Of some 43 MB that a supervisor has used by then. */
const atRestKb = 16_000;

function filePagesKb({ pid }: { pid: number }): number {
  return Number.parseInt(readProcess(pid)?.status['RssFile'] ?? '', 10);
}

async function expectRest(pool: { pid: number }): Promise<void> {
  await waitFor('a supervisor at rest', () => filePagesKb(pool) < atRestKb, { timeoutMs: 30_000 });
}

test('after the start, a respawn, and questions', async () => {
  const place = pools.makePlace();
  const pool = pools.startStaying(place, ['--supervise', ...user]);
  await pools.waitForEvents(place, 'pool-up');
  await expectRest(pool);
  const restingKb = filePagesKb(pool);
  const worker = await pools.onlyWorker(pool);
  process.kill(worker, 'SIGKILL');
  await pools.onlyWorker(pool, [worker]);
  expect((await pools.ctl(place.stateDir, ['status', place.socket])).status).toBe(0);
  expect(filePagesKb(pool)).toBeGreaterThan(restingKb);
  await expectRest(pool);
  await pools.visit({ path: place.socket });
  await pools.endPool(place, pool);
});

test('in a chroot without /proc', async (ctx) => {
  needRoot(ctx);
  const place = pools.makePlace();
  const root = join(place.dir, 'root');
  mkdirSync(root);
  copyFileSync(compileC(fixture('scripted-worker.c'), { static: true }), join(root, 'app'));
  const args = ['-s', '/app.sock', '-c', root, ...user, '--state-dir', place.stateDir, '--', '/app', 'serve'];
  const pool = await pools.startPool(args, { cwd: place.dir });
  await expectRest(pool);
  process.kill(await pools.onlyWorker(pool), 'SIGKILL');
  await waitFor('a successor', () => pools.visit({ path: join(root, 'app.sock') }).then(() => true));
  await pool.stop();
});
