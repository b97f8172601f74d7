// Under a small limit on open files a start says so, with the way out, and leaves nothing, wherever it meets the limit.
import { expect, test } from 'vitest';
import { readdirSync } from 'node:fs';
import { oursPath, printedPids } from '../helpers/pool/command-under-test.ts';
import { runCommand, type RunResult } from '../helpers/machine/run-command.ts';
import {
  commandLine,
  expectNoProcess,
  expectNothingLeft,
  filesOf,
  hintsOf,
  makePlace,
  visit,
  withoutHints,
  type Place,
} from '../helpers/pool/place.ts';

/** Node cannot boot under less. */
const fewest = 24;

function runWith(limit: number, place: Place, args: readonly string[]): Promise<RunResult> {
  const script = 'ulimit -n "$1"; shift; exec "$@"';
  return runCommand('/bin/sh', ['-c', script, 'sh', String(limit), oursPath, ...args], { cwd: place.dir });
}

test.for([fewest, 30, 36, 45])('a pool with %i is refused before it makes anything', async (limit) => {
  const place = makePlace();
  const result = await runWith(limit, place, commandLine(place, ['-P', place.pidFile]));
  expect(result.status).toBe(255);
  expect(withoutHints(result.stderr)).toBe(
    `spawn-fcgi: too many open files: the limit of ${limit} is not enough for this pool`,
  );
  expect(hintsOf(result.stderr).join('\n')).toContain('ulimit -n');
  await expectNothingLeft(place);
});

test.for([16, fewest - 1])('under %i Node does not even start, which is one line', async (limit) => {
  const place = makePlace();
  for (const model of [[], ['-n']]) {
    const result = await runWith(limit, place, commandLine(place, model));
    expect(result.status).toBe(255);
    expect(withoutHints(result.stderr)).toBe(
      `spawn-fcgi: too many open files: the limit of ${limit} is not enough for Node.js`,
    );
    expect(hintsOf(result.stderr).join('\n')).toContain(`now ${limit}, before the start: ulimit -n`);
    await expectNothingLeft(place);
  }
});

test('worker PID files count', async () => {
  const place = makePlace();
  const options = ['-F', '50', '--worker-pid-file', `${place.runDir}/worker-%i.pid`];
  const refused = await runWith(120, place, commandLine(place, options));
  expect(refused.status).toBe(255);
  expect(withoutHints(refused.stderr)).toMatch(/^spawn-fcgi: too many open files: /);
  await expectNothingLeft(place);
  const up = await runWith(200, place, commandLine(place, options));
  expect(up.status).toBe(0);
  process.kill(printedPids(up.stdout)[0] ?? 0, 'SIGTERM');
  await expectNoProcess(place);
});

// Nothing is counted there: each step may be the one that meets the limit.
test('--no-supervise leaves nothing at any limit until one is enough', { timeout: 60_000 }, async () => {
  const place = makePlace();
  const args = ['-s', place.socket, '-P', place.pidFile, '--no-supervise', '--', place.app, 'serve'];
  let limit = fewest;
  for (; limit < 60; limit += 1) {
    const result = await runWith(limit, place, args);
    if (result.status === 0) break;
    expect(withoutHints(result.stderr)).toMatch(/^spawn-fcgi: .*too many open files/i);
    expect(withoutHints(result.stderr)).not.toMatch(/bind|removing/);
    expect(hintsOf(result.stderr).join('\n')).toContain(`now ${limit}, before the start: ulimit -n`);
    expect(filesOf(place)).toEqual([]);
  }
  expect(limit).toBeGreaterThan(fewest);
  expect(limit).toBeLessThan(60);
  await visit({ path: place.socket });
  expect(readdirSync(place.runDir).toSorted()).toEqual(['app.pid', 'app.sock']);
});
