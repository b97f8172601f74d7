// What counts as left behind by a test run: everything marked, but not vitest's own helper, and new state of pools.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readStat, isRoot } from '../helpers/machine/index.ts';
import { forgetStateBases } from '../helpers/test-run/index.ts';

const leftovers = new URL('../helpers/test-run/leftovers.ts', import.meta.url);
const watchdog = new URL(
  'dist/workers/watchdog.js',
  new URL('.', import.meta.resolve('vitest/package.json')),
);

test.for([
  // Without the options of this Node, which are for a script in its arguments.
  ['the helper of vitest is no leftover', `fork(${JSON.stringify(watchdog.pathname)}, { execArgv: [] })`, 0],
  [
    'another program of that title is one',
    "spawn('sleep', ['60'], { argv0: 'vitest-watchdog', stdio: 'ignore' })",
    1,
  ],
] as const)('%s', ([, start, count]) => {
  const found = watch(
    `
    const child = ${start};
    await once(child, 'spawn');`,
    `
    child.kill('SIGKILL');
    await once(child, 'exit');`,
  );
  expect(found.filter((text) => text.startsWith('process'))).toHaveLength(count);
});

describe.runIf(isRoot)('files in a base directory', () => {
  const base = '/run/spawn-fcgi';
  const self = `"pid":${process.pid},"startTime":"${readStat(process.pid)?.startTime}"`;

  test.for([
    ['are left behind', 'new.lock', '', 1],
    ['are not, if they were there before', 'old.lock', '', 0],
    ['are left behind by a supervisor that is gone', 'gone.state', '{"pid":1,"startTime":"0"}', 1],
    ['are not, if their supervisor lives', 'used.state', `{${self}}`, 0],
    ['are not, where pools of the machine have theirs', 'theirs.lock', '', 0, ''],
  ] as const)('%s', ([, name, text, count, own = '1']) => {
    const path = join(base, `leftovers-test-${name}`);
    onTestFinished(() => {
      rmSync(path, { force: true });
      forgetStateBases();
    });
    const putIt = `put(${JSON.stringify(path)}, ${JSON.stringify(text)});`;
    const found = name === 'old.lock' ? watch('', '', putIt, own) : watch(putIt, '', '', own);
    expect(found.filter((one) => one === `file ${path}`)).toHaveLength(count);
  });
});

/** What a run leaves that does this. */
function watch(leave: string, tidyUp = '', before = '', own = ''): string[] {
  const script = `
    process.env.SPAWN_FCGI_TEST_OWN_RUN = '${own}';
    import { fork, spawn } from 'node:child_process';
    import { once } from 'node:events';
    import { mkdirSync, writeFileSync } from 'node:fs';
    import { watchLeftovers } from ${JSON.stringify(leftovers.href)};
    // Another test may remove the directory while it is empty.
    function put(path, text) {
      mkdirSync('/run/spawn-fcgi', { recursive: true });
      try {
        writeFileSync(path, text);
      } catch {
        put(path, text);
      }
    }
    ${before}
    const take = watchLeftovers();
    ${leave}
    console.log(JSON.stringify(take()));
    ${tidyUp}
  `;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(run.stderr).toBe('');
  return JSON.parse(run.stdout) as string[];
}
