// A working directory that was removed: relative paths are refused as 1.6 does, absolute ones work.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import { runCommand } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

function fromRemovedDirectory(place: pools.Place, args: readonly string[]): string[] {
  const directory = join(place.dir, 'gone');
  mkdirSync(directory);
  return [`directory=${directory}`, `remove=${directory}`, '--', pools.oursPath, ...args];
}

const caller = (): string => compileC(fixture('caller.c'));

test.for([
  ['-s', ['-s', 'app.sock'], 'bind failed: No such file or directory'],
  ['-P', ['-P', 'app.pid'], "opening PID-file 'app.pid' failed: No such file or directory"],
  ['-d', ['-d', 'sub'], "chdir('sub') failed: No such file or directory"],
  ['--log', ['--log', 'app.log'], "opening log file 'app.log' failed: No such file or directory"],
  ['--output', ['--output', 'out'], "opening output file 'out' failed: No such file or directory"],
] as const)('a relative %s is refused by one line', async ([, options, line]) => {
  const place = pools.makePlace();
  const args = fromRemovedDirectory(place, pools.commandLine(place, options));
  const result = await runCommand(caller(), args);
  expect(result).toMatchObject({ status: 255, stdout: '' });
  // /bin/sh has a line of its own on such a directory.
  const own = result.stderr.split('\n').filter((one) => !one.startsWith('sh: '));
  expect(pools.withoutHints(own.join('\n'))).toBe(`spawn-fcgi: ${line}`);
  await pools.expectNoProcess(place);
});

test('a pool whose paths are absolute runs, and its worker is replaced', async () => {
  const place = pools.makePlace();
  const args = fromRemovedDirectory(
    place,
    pools.commandLine(place, ['-P', place.pidFile, '--min-uptime', '1ms']),
  );
  const pool = await pools.startPool(args, { command: caller() });
  const first = await pools.onlyWorker(pool);
  process.kill(first, 'SIGKILL');
  expect(await pools.onlyWorker(pool, [first])).not.toBe(first);
});
