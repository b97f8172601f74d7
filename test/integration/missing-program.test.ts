// A program that is gone after a deploy, and what a pool costs then and when nothing happens.
import { readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isAlive, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

test('a pool whose program is missing costs under 1 % CPU, logs path and reason, and recovers', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, ['--restart-max-delay', '1s']);
  const worker = await pools.onlyWorker(pool);
  await settle(pool.pid);
  renameSync(place.app, `${place.app}.away`);
  process.kill(worker, 'SIGKILL');
  const [failure] = await pools.waitForEvents(place, 'exec-failed');
  expect(failure).toMatchObject({ path: place.app, errno: 2, error: 'No such file or directory' });

  await pools.waitForEvents(place, 'exec-failed', 5);
  const before = cost(pool.pid);
  await pools.waitForEvents(place, 'exec-failed', 8);
  const after = cost(pool.pid);
  expect((after.cpuMs - before.cpuMs) / (after.wallMs - before.wallMs)).toBeLessThan(0.01);

  renameSync(`${place.app}.away`, place.app);
  await pools.onlyWorker(pool);
  await pools.visit({ path: place.socket });
});

test('a crash loop costs the supervisor under 1 % CPU', async () => {
  const place = pools.makePlace();
  const failing = join(place.dir, 'failing');
  const options = ['--restart-delay', '1s', '--restart-max-delay', '2s'];
  const pool = await pools.start(place, options, [`when=${failing}`, 'exit=1', 'serve']);
  await settle(pool.pid);
  writeFileSync(failing, '');
  process.kill(await pools.onlyWorker(pool), 'SIGKILL');
  await pools.waitForStarts(place, 2);
  const before = cost(pool.pid);
  await pools.waitForStarts(place, 4);
  const after = cost(pool.pid);
  expect((after.cpuMs - before.cpuMs) / (after.wallMs - before.wallMs)).toBeLessThan(0.01);
});

describe('an exec that fails at a restart', () => {
  test('is one line for people, too', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--log-format', 'human', '--restart-delay', '10ms']);
    renameSync(place.app, `${place.app}.away`);
    process.kill(await pools.onlyWorker(pool), 'SIGKILL');
    const line = await waitFor('the line', () =>
      readFileSync(place.log, 'utf8')
        .split('\n')
        .find((text) => text.includes('exec of')),
    );
    expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z spawn-fcgi\[\d+\] app: worker 0: exec of '/);
    expect(line).toContain(`exec of '${place.app}' failed: No such file or directory; restarting in `);
  });

  test('is told apart from a program that exits with 127', async () => {
    const place = pools.makePlace();
    const failing = join(place.dir, 'failing');
    const pool = await pools.start(
      place,
      ['--restart-delay', '10ms'],
      [`when=${failing}`, 'exit=127', 'serve'],
    );
    writeFileSync(failing, '');
    process.kill(await pools.onlyWorker(pool), 'SIGKILL');
    const ends = await pools.waitForEvents(place, 'worker-ended', 2);
    expect(ends[1]).toMatchObject({ end: { kind: 'exited', status: 127 } });
  });

  test('never makes the pool give up', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--restart-delay', '10ms', '--restart-max-delay', '10ms']);
    renameSync(place.app, `${place.app}.away`);
    process.kill(await pools.onlyWorker(pool), 'SIGKILL');
    await pools.waitForEvents(place, 'exec-failed', 50);
    expect(isAlive(pool.pid)).toBe(true);
    renameSync(`${place.app}.away`, place.app);
    await pools.waitForStarts(place, 2);
    expect(pools.starts(place)).toHaveLength(2);
  });
});

test('an idle pool never wakes up', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, ['-F', '4']);
  await settle(pool.pid);
  const before = wakeUps(pool.pid);
  const fromMs = performance.now();
  await waitFor('3 seconds', () => performance.now() - fromMs >= 3_000, { intervalMs: 100 });
  expect(wakeUps(pool.pid)).toBe(before);
});

/** After the start the supervisor gives memory back, and once more 10 s later: waits until it has rested for longer. */
async function settle(pid: number): Promise<void> {
  let last = { wakeUps: -1, sinceMs: 0 };
  await waitFor(
    'a supervisor at rest',
    () => {
      const now = wakeUps(pid);
      if (now !== last.wakeUps) last = { wakeUps: now, sinceMs: performance.now() };
      return performance.now() - last.sinceMs > 11_000;
    },
    { intervalMs: 50, timeoutMs: 45_000 },
  );
}

/** Context switches of all threads, voluntary and not. */
function wakeUps(pid: number): number {
  return sumOverThreads(pid, 'status', (text) =>
    [...text.matchAll(/ctxt_switches:\s+(\d+)/g)].reduce((sum, match) => sum + Number(match[1]), 0),
  );
}

/** Time on a processor, from nanosecond counters, and time on the wall. */
function cost(pid: number): { cpuMs: number; wallMs: number } {
  const cpuMs = sumOverThreads(pid, 'schedstat', (text) => Number(text.split(' ')[0]) / 1e6);
  return { cpuMs, wallMs: performance.now() };
}

function sumOverThreads(pid: number, file: string, read: (text: string) => number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((thread) => read(readFileSync(`/proc/${pid}/task/${thread}/${file}`, 'utf8')))
    .reduce((sum, value) => sum + value, 0);
}
