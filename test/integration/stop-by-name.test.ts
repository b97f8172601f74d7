// A pool is found and stopped by its program's name, by the real killall and pidof, in a PID namespace: only our
// processes are there to be hit.
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { needCommands, needRoot, runCommand } from '../helpers/machine/index.ts';
import { oursPath, commandLine, expectNothingLeft, makePlace } from '../helpers/pool/index.ts';

const names = [
  ['a short name', 'app-c', []],
  ['a name of 15 bytes', 'fifteen-bytes-x', []],
  ['a name over 15 bytes', 'my-very-long-worker-program', []],
  ['a name whose 15th byte is within a character', 'fourteen-bytesäöü', []],
  ['--name over 15 bytes', 'my-very-long-worker-program', ['--name', 'my-very-long-worker-boss']],
] as const;

test.for(names)('killall and pidof reach supervisor and workers by %s', async ([, program, options], ctx) => {
  needRoot(ctx);
  needCommands(ctx, 'unshare', 'killall', 'pidof');
  const place = makePlace();
  const app = join(place.dir, program);
  copyFileSync(place.app, app);
  const boss = options[1] ?? program;
  // The shell is the namespace's first process and stays; it waits for nothing but the end of the pool.
  const script = `"$@" || exit
    echo "found $(pidof '${boss}' | wc -w)"
    killall '${boss}'
    while pidof '${boss}' '${program}' >/dev/null; do :; done`;
  const pool = commandLine({ ...place, app }, [
    '-F',
    '2',
    '-P',
    place.pidFile,
    '--min-uptime',
    '0',
    ...options,
  ]);
  const args = [
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
    '/bin/sh',
    '-c',
    script,
    'sh',
    oursPath,
    ...pool,
  ];
  const result = await runCommand('unshare', args, { cwd: place.dir, timeoutMs: 15_000 });
  expect(result).toMatchObject({ status: 0, timedOut: false });
  expect(result.stdout).toContain(`found ${boss === program ? 3 : 1}\n`);
  expect(existsSync(place.pidFile)).toBe(false);
  await expectNothingLeft(place);
});
