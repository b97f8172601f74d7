// What counts as left behind by a test run: everything marked, but not vitest's own helper.
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const leftovers = new URL('../helpers/leftovers.ts', import.meta.url);
const watchdog = new URL(
  'dist/workers/watchdog.js',
  new URL('.', import.meta.resolve('vitest/package.json')),
);

test.for([
  ['the helper of vitest is no leftover', `fork(${JSON.stringify(watchdog.pathname)})`, 0],
  [
    'another program of that title is one',
    "spawn('sleep', ['60'], { argv0: 'vitest-watchdog', stdio: 'ignore' })",
    1,
  ],
] as const)('%s', ([, start, count]) => {
  const script = `
    import { fork, spawn } from 'node:child_process';
    import { once } from 'node:events';
    import { watchLeftovers } from ${JSON.stringify(leftovers.href)};
    const take = watchLeftovers();
    const child = ${start};
    await once(child, 'spawn');
    console.log(JSON.stringify(take()));
    child.kill('SIGKILL');
    await once(child, 'exit');
  `;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(run.stderr).toBe('');
  expect(JSON.parse(run.stdout)).toHaveLength(count);
});
