// Whom the out-of-memory killer takes: a worker, which is replaced, and not its supervisor.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { raiseFor } from '../../src/sys/process/oom-score.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const user = machine.isRoot ? ['-u', 'nobody', '-g', 'nogroup'] : [];

function scoreOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'));
}

test(
  'in a memory cgroup workers that grow die one by one, and their supervisor replaces them',
  { timeout: 90_000 },
  async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const group = machine.makeMemoryGroup(100);
    if (typeof group === 'string') return ctx.skip(group);
    const words = [
      pools.oursPath,
      ...pools.commandLine(place, ['-n', '-F', '4', ...user], ['grow=10', 'serve']),
    ];
    const shell = `${group.enter} && exec ${words.map((word) => `'${word}'`).join(' ')}`;
    const pool = pools.startForeground(['-c', shell], { command: '/bin/sh', cwd: place.dir });
    await pools.waitForEvents(place, 'pool-up');
    const isEnough = (): boolean => pools.events(place, 'worker-ended').length >= 3;
    const deadline = performance.now() + 60_000;
    while (!isEnough() && performance.now() < deadline) {
      // One that is being killed answers nobody.
      const visits = [1, 2, 3, 4].map(() => pools.visit({ path: place.socket }).catch(() => undefined));
      await Promise.all(visits);
    }
    expect(machine.isAlive(pool.pid)).toBe(true);
    expect(group.kills()).toBeGreaterThanOrEqual(3);
    expect(pools.events(place, 'worker-ended').slice(0, 3)).toEqual(
      Array.from({ length: 3 }, () => expect.objectContaining({ signalName: 'SIGKILL' })),
    );
    await pools.fullPool(pool, 4);
    await pools.endPool(place, pool);
  },
);

test('a worker has more than its supervisor, which keeps its own value, and so has its successor', async () => {
  const place = pools.makePlace();
  // Runs, but may not be read: nobody may look into such a process.
  if (machine.isRoot) chmodSync(place.app, 0o711);
  const pool = await pools.start(place, [...user, '-F', '2', '--stop-timeout', '300ms']);
  const own = scoreOf(process.pid);
  const [first = 0] = await pools.fullPool(pool, 2);
  process.kill(first, 'SIGKILL');
  const workers = await pools.fullPool(pool, 2, [first]);
  const expected = Math.min(1000, own + raiseFor(totalmem()));
  for (const worker of workers) expect(scoreOf(worker)).toBeGreaterThanOrEqual(expected);
  // A worker can be there before its supervisor has its own value back.
  await machine.waitFor('its own value', () => scoreOf(pool.pid) === own);
  await pools.endPool(place, pool);
});

test('there is nothing above 1000', async () => {
  const place = pools.makePlace();
  const shell = `echo 1000 >/proc/self/oom_score_adj; exec "$0" "$@"`;
  const args = ['-c', shell, pools.oursPath, ...pools.commandLine(place, ['-n', '--supervise'])];
  const pool = pools.startForeground(args, { command: '/bin/sh', cwd: place.dir });
  await pools.waitForEvents(place, 'pool-up');
  expect(scoreOf(pool.pid)).toBe(1000);
  expect(scoreOf(await pools.onlyWorker(pool))).toBe(1000);
  await pools.endPool(place, pool);
});

test('--oom-score-adj chooses', async () => {
  const place = pools.makePlace();
  const pool = pools.startStaying(place, [...user, '--oom-score-adj', '700']);
  await pools.waitForEvents(place, 'pool-up');
  const worker = await pools.onlyWorker(pool);
  expect(scoreOf(worker)).toBe(700);
  // An administrator has changed ours since: it stays so.
  const changed = await machine.runCommand('/bin/sh', ['-c', `echo 50 >/proc/${pool.pid}/oom_score_adj`]);
  process.kill(worker, 'SIGKILL');
  expect(scoreOf(await pools.onlyWorker(pool, [worker]))).toBe(700);
  // For the moment of a start it has the worker's.
  if (changed.status === 0) await machine.waitFor('its own score', () => scoreOf(pool.pid) === 50);
  await pools.endPool(place, pool);
});

test('--oom-score-adj below what may be chosen is refused, or set where it may', async () => {
  const place = pools.makePlace();
  const words = pools.commandLine(place, [...user, '--oom-score-adj', '-1000']);
  const result = await machine.runCommand(pools.oursPath, words, { cwd: place.dir });
  if (result.status === 0) {
    // We have CAP_SYS_RESOURCE.
    const pid = Number(/PID: (\d+)/.exec(result.stdout)?.[1]);
    expect(machine.childrenOf(pid).map(scoreOf)).toContain(-1000);
    await pools.endPool(place, { pid });
    return;
  }
  expect(result.status).toBe(255);
  expect(pools.withoutHints(result.stderr)).toBe(
    'spawn-fcgi: cannot set --oom-score-adj -1000: Permission denied',
  );
  expect(pools.hintsOf(result.stderr)[0]).toContain('CAP_SYS_RESOURCE');
});

test('--no-supervise and -n leave it alone, as 1.6 does', async () => {
  const place = pools.makePlace();
  const own = scoreOf(process.pid);
  const alone = await pools.startPool(['-s', place.socket, '--no-supervise', '--', place.app, 'serve'], {
    cwd: place.dir,
  });
  expect(scoreOf(alone.pid)).toBe(own);
  await alone.stop();
  const report = join(place.dir, 'ready');
  writeFileSync(report, '');
  const args = ['-s', place.socket, '-n', '--', place.app, `report=${report}`, 'serve'];
  const exec = pools.startForeground(args, { cwd: place.dir });
  await machine.waitFor('the program', () => readFileSync(report, 'utf8') !== '');
  expect(scoreOf(exec.pid)).toBe(own);
  await exec.stop();
});

test('the less memory there is, the more of it a worker gets as a handicap', () => {
  const MiB = 1024 * 1024;
  expect([16_384, 512, 100, 64, 10].map((size) => raiseFor(size * MiB))).toEqual([4, 125, 640, 1000, 1000]);
});
