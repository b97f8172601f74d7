// Under a small limit on open files a start says so, with the way out, and leaves nothing, wherever it meets the limit.
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runCommand, type RunResult } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

/** Node cannot boot under less. */
const fewest = 24;

function runWith(limit: number, place: pools.Place, args: readonly string[]): Promise<RunResult> {
  const script = 'ulimit -n "$1"; shift; exec "$@"';
  return runCommand('/bin/sh', ['-c', script, 'sh', String(limit), pools.oursPath, ...args], {
    cwd: place.dir,
  });
}

test.for([fewest, 30, 36, 45])('a pool with %i is refused before it makes anything', async (limit) => {
  const place = pools.makePlace();
  const result = await runWith(limit, place, pools.commandLine(place, ['-P', place.pidFile]));
  expect(result.status).toBe(255);
  expect(pools.withoutHints(result.stderr)).toBe(
    `spawn-fcgi: too many open files: the limit of ${limit} is not enough for this pool`,
  );
  expect(pools.hintsOf(result.stderr).join('\n')).toContain('ulimit -n');
  await pools.expectNothingLeft(place);
});

test.for([16, fewest - 1])('under %i Node does not even start, which is one line', async (limit) => {
  const place = pools.makePlace();
  for (const model of [[], ['-n']]) {
    const result = await runWith(limit, place, pools.commandLine(place, model));
    expect(result.status).toBe(255);
    expect(pools.withoutHints(result.stderr)).toBe(
      `spawn-fcgi: too many open files: the limit of ${limit} is not enough for Node.js`,
    );
    expect(pools.hintsOf(result.stderr).join('\n')).toContain(`now ${limit}, before the start: ulimit -n`);
    await pools.expectNothingLeft(place);
  }
});

test('worker PID files count', async () => {
  const place = pools.makePlace();
  const options = ['-F', '50', '--worker-pid-file', `${place.runDir}/worker-%i.pid`];
  const refused = await runWith(120, place, pools.commandLine(place, options));
  expect(refused.status).toBe(255);
  expect(pools.withoutHints(refused.stderr)).toMatch(/^spawn-fcgi: too many open files: /);
  await pools.expectNothingLeft(place);
  const up = await runWith(200, place, pools.commandLine(place, options));
  expect(up.status).toBe(0);
  process.kill(pools.printedPids(up.stdout)[0] ?? 0, 'SIGTERM');
  await pools.expectNoProcess(place);
});

test('worker PID files count for all that the load may need, and the way out is enough', async () => {
  const place = pools.makePlace();
  const options = ['-F', '1-600', '--worker-pid-file', `${place.runDir}/worker-%i.pid`];
  const refused = await runWith(1024, place, pools.commandLine(place, options));
  expect(pools.withoutHints(refused.stderr)).toBe(
    'spawn-fcgi: too many open files: the limit of 1024 is not enough for this pool',
  );
  const limit = /before the start: ulimit -n (\d+)/.exec(refused.stderr)?.[1] ?? '';
  await pools.expectNothingLeft(place);
  const up = await runWith(Number(limit), place, pools.commandLine(place, options));
  expect(up).toMatchObject({ status: 0 });
  process.kill(pools.printedPids(up.stdout)[0] ?? 0, 'SIGTERM');
  await pools.expectNoProcess(place);
});

// Nothing is counted there: each step may be the one that meets the limit.
test('--no-supervise leaves nothing at any limit until one is enough', { timeout: 60_000 }, async () => {
  const place = pools.makePlace();
  const args = ['-s', place.socket, '-P', place.pidFile, '--no-supervise', '--', place.app, 'serve'];
  let limit = fewest;
  for (; limit < 60; limit += 1) {
    const result = await runWith(limit, place, args);
    if (result.status === 0) break;
    expect(pools.withoutHints(result.stderr)).toMatch(/^spawn-fcgi: .*too many open files/i);
    expect(pools.withoutHints(result.stderr)).not.toMatch(/bind|removing/);
    expect(pools.hintsOf(result.stderr).join('\n')).toContain(`now ${limit}, before the start: ulimit -n`);
    expect(pools.filesOf(place)).toEqual([]);
  }
  expect(limit).toBeGreaterThan(fewest);
  expect(limit).toBeLessThan(60);
  await pools.visit({ path: place.socket });
  expect(readdirSync(place.runDir).toSorted()).toEqual(['app.pid', 'app.sock']);
});
