// The first start: all workers are watched side by side; who dies decides between "up" and "failed".
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isAlive, runCommand } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

/** How they end, the status, the line, and how many more run: one whose words are asked for (last-words.test.ts). */
const failures: readonly (readonly [string, readonly string[], number, string, number])[] = [
  ['exit with 3', ['exit=3'], 3, 'spawn-fcgi: child exited with: 3', 1],
  ['exit with 0', ['exit=0'], 1, 'spawn-fcgi: child exited with: 0', 0],
  ['exit with 127', ['exit=127'], 127, 'spawn-fcgi: child exited with: 127', 1],
  ['die of SIGSEGV', ['raise=11'], 1, 'spawn-fcgi: child signaled: 11', 1],
  ['die of SIGKILL', ['raise=9'], 1, 'spawn-fcgi: child signaled: 9', 0],
];

describe.for(failures)('first workers that all %s', ([, actions, status, line, further]) => {
  test.for([1, 3])('with -F %i fail the start and leave nothing', async (workers) => {
    const place = pools.makePlace();
    const result = await pools.run(place, ['-F', String(workers), '-P', place.pidFile], actions);
    expect(result).toMatchObject({ status, stdout: '' });
    expect(pools.withoutHints(result.stderr)).toBe(line);
    await pools.expectNothingLeft(place);
    expect(pools.starts(place)).toHaveLength(workers + further);
  });

  test('fail a foreground start in the same way', async () => {
    const place = pools.makePlace();
    const pool = pools.startStaying(place, ['--supervise', '-P', place.pidFile], actions);
    expect(await pool.ended).toEqual({ status, signal: null });
    expect(pools.withoutHints(pool.stderr())).toBe(line);
    expect(pool.stdout()).toBe('');
    await pools.expectNothingLeft(place);
  });
});

test('a worker that dies while others are up is named, and the pool is up and refills', async () => {
  const place = pools.makePlace();
  const once = join(place.dir, 'run/once');
  const pool = await pools.start(
    place,
    ['-F', '3', '--restart-delay', '20ms'],
    [`once=${once}`, 'exit=3', 'serve'],
  );
  expect(pools.withoutHints(pool.stderr)).toBe('spawn-fcgi: child exited with: 3');
  expect(pool.pids).toHaveLength(1);
  await pools.waitForStarts(place, 4);
  await pools.fullPool(pool, 3);
});

test('workers are watched side by side, not one after the other', async () => {
  const place = pools.makePlace();
  // One after the other, 50 workers that never accept would take 5 seconds.
  const pool = await pools.start(place, ['-F', '50'], ['hang']);
  const all = pools.starts(place).map(({ atMs }) => atMs);
  expect(all).toHaveLength(50);
  expect(Math.max(...all) - Math.min(...all)).toBeLessThan(5_000);
  await pools.fullPool(pool, 50);
});

const notExecutable: readonly (readonly [string, (path: string) => void, number, RegExp])[] = [
  ['is missing', () => undefined, 2, /there is no '.*program'/],
  ['has no x bit', (path) => writeFileSync(path, '#!/bin/sh\n', { mode: 0o644 }), 13, /chmod \+x/],
  [
    'is no program',
    (path) => writeFileSync(path, 'hello\n', { mode: 0o755 }),
    8,
    /neither a binary .* nor a script/,
  ],
  ['is empty', (path) => writeFileSync(path, '', { mode: 0o755 }), 8, /neither a binary .* nor a script/],
];

describe.for(notExecutable)('a program that %s', ([, make, status, hint]) => {
  test.for(['background', 'foreground'] as const)(
    'fails the start with its errno, in the %s',
    async (where) => {
      const place = pools.makePlace();
      const program = join(place.dir, 'program');
      make(program);
      const options = ['-F', '2', '-P', place.pidFile, ...(where === 'foreground' ? ['-n'] : [])];
      const args = pools.commandLine({ ...place, app: program }, options);
      const result = await runCommand(pools.oursPath, args, { cwd: place.dir });
      expect(result).toMatchObject({ status, stdout: '' });
      expect(pools.withoutHints(result.stderr)).toBe(`spawn-fcgi: child exited with: ${status}`);
      expect(pools.hintsOf(result.stderr).join()).toMatch(hint);
      await pools.expectNothingLeft(place);
    },
  );
});

test('a failed start leaves the socket file of nobody else, and the next start works', async () => {
  const place = pools.makePlace();
  expect((await pools.run(place, [], ['exit=1'])).status).toBe(1);
  expect(existsSync(place.socket)).toBe(false);
  const pool = await pools.start(place);
  expect(isAlive(pool.pid)).toBe(true);
});

test('children of first workers that all died end with the failed start', async () => {
  const place = pools.makePlace();
  const result = await pools.run(
    place,
    ['--stop-timeout', '300ms'],
    ['ignore=15', `group=${join(place.dir, 'children')}`, 'exit=4'],
  );
  expect(result.status).toBe(4);
  await pools.expectNothingLeft(place);
});

test('a program that its user may not execute fails the start after the drop of privileges', async (ctx) => {
  ctx.skip(process.getuid?.() !== 0, 'needs root');
  const place = pools.makePlace();
  // Of root, and for root only.
  chmodSync(place.app, 0o700);
  const result = await pools.run(place, ['-u', 'nobody', '-P', place.pidFile]);
  expect(result).toMatchObject({ status: 13, stdout: '' });
  await pools.expectNothingLeft(place);
});
