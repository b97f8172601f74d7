// What an installation lacks, or a limit forbids, is one line: never a dump of Node's stack, never silence.
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { compileC } from '../helpers/build/index.ts';
import { needCommands, needRoot, runCommand, type RunResult, makeTempDir } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const checkout = dirname(dirname(pools.oursPath));
const modes = [['-v'], ['-n', '-s', 'a.sock', '--', '/bin/true']];

/** A copy of bin and dist, with what it depends on as given. */
function install(dependencies: readonly string[]): string {
  const dir = makeTempDir();
  for (const part of ['bin', 'dist']) cpSync(join(checkout, part), join(dir, part), { recursive: true });
  mkdirSync(join(dir, 'node_modules/.bin'), { recursive: true });
  symlinkSync(join(checkout, 'node_modules/node'), join(dir, 'node_modules/node'));
  symlinkSync('../node/bin/node', join(dir, 'node_modules/.bin/node'));
  for (const name of dependencies)
    cpSync(join(checkout, 'node_modules', name), join(dir, 'node_modules', name), { recursive: true });
  return dir;
}

function expectRefusal(result: RunResult, first: string | RegExp): void {
  expect(result).toMatchObject({ status: 255, stdout: '' });
  expect(result.stderr).toMatch(first);
  // One line and at most one hint.
  expect(result.stderr.replace(/^spawn-fcgi(?:ctl)?: hint: .*\n/m, '')).toMatch(/^spawn-fcgi(?:ctl)?: .*\n$/);
}

test('a clone that was not built says what to do, each command', async () => {
  const dir = install([]);
  rmSync(join(dir, 'dist'), { recursive: true });
  for (const name of ['spawn-fcgi', 'spawn-fcgictl']) {
    const result = await runCommand(join(dir, 'bin', name), ['-v']);
    expectRefusal(
      result,
      `: this copy was not built, dist/${name}.cjs is missing: run npm install && npm run build in ${dir}\n`,
    );
  }
});

test.for([
  ['koffi', ['koffi']],
  ['koffi and its loader', []],
] as const)('the native part of %s is missing', async ([, dependencies]) => {
  const dir = install(dependencies);
  for (const args of modes) {
    const result = await runCommand(join(dir, 'bin/spawn-fcgi'), args, { cwd: dir });
    expectRefusal(result, `@koromix/koffi-linux-${process.arch}, is not installed\n`);
    expect(result.stderr).toContain('npm install --include=optional');
  }
});

test('a native part that cannot be loaded says why', async () => {
  const dir = install(['koffi', '@koromix']);
  writeFileSync(
    join(dir, `node_modules/@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`),
    '',
  );
  const result = await runCommand(join(dir, 'bin/spawn-fcgi'), ['-v']);
  expectRefusal(result, /cannot be loaded: .*file too short\n/);
});

test.for([
  ['-v', 400_000, 'address space', 900_000],
  ['-d', 40_000, 'data segment', 100_000],
] as const)('ulimit %s %i is named, with what is needed', async ([option, limit, what, needed]) => {
  for (const args of modes) {
    const command = ['-c', `ulimit ${option} ${limit}; exec "$@"`, 'sh', pools.oursPath, ...args];
    expectRefusal(
      await runCommand('/bin/sh', command),
      `spawn-fcgi: the ${what} is limited to ${limit} KB (ulimit ${option}), and spawn-fcgi needs ${needed} KB\n`,
    );
  }
});

test.for([
  ['-v', 900_000],
  ['-d', 100_000],
] as const)('a pool of eight runs, reloads and stops with ulimit %s %i', async ([option, limit]) => {
  const place = pools.makePlace();
  const under = (name: string, args: readonly string[]): Promise<RunResult> =>
    runCommand(
      '/bin/sh',
      ['-c', `ulimit ${option} ${limit}; exec "$@"`, 'sh', join(checkout, 'bin', name), ...args],
      {
        cwd: place.dir,
      },
    );
  const options = ['-F', '8', '-P', place.pidFile, '--settle', '50ms'];
  const started = await under('spawn-fcgi', pools.commandLine(place, options));
  expect(started, started.stderr).toMatchObject({ status: 0 });
  for (const action of ['status', 'reload', 'stop']) {
    const result = await under('spawn-fcgictl', ['--state-dir', place.stateDir, action, place.pidFile]);
    expect(result, result.stderr).toMatchObject({ status: 0 });
  }
  await pools.expectNothingLeft(place);
});

test('a user with hardly any processes left is told so, and nothing hangs', async (ctx) => {
  needRoot(ctx);
  needCommands(ctx, 'setpriv', 'prlimit');
  // Whose processes are counted: somebody's who has none.
  const user = ['--reuid', '54329', '--regid', '54329', '--clear-groups'];
  for (const args of modes) {
    for (const limit of [2, 3, 4, 5]) {
      const command = [...user, 'prlimit', `--nproc=${limit}`, '/bin/sh', pools.oursPath, ...args];
      const result = await runCommand('setpriv', command, { cwd: '/' });
      expectRefusal(result, `too few processes are left to this user, whose limit is ${limit} (ulimit -u)`);
    }
  }
});

/** As MemoryDenyWriteExecute=yes of systemd. */
const denyWriteExecute = `
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>
int main(int count, char **arguments)
{
    if (count < 2 || prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0) != 0)
        return 77;
    execv(arguments[1], arguments + 1);
    return 127;
}
`;

test('a pool runs where no memory may be writable and executable', async (ctx) => {
  needCommands(ctx, 'gcc');
  const deny = compileC(denyWriteExecute);
  ctx.skip((await runCommand(deny, ['/bin/true'])).status === 77, 'needs PR_SET_MDWE (Linux 6.3)');
  const place = pools.makePlace();
  const options = ['-P', place.pidFile, '--settle', '50ms', '--min-uptime', '50ms'];
  const started = await runCommand(deny, [pools.oursPath, ...pools.commandLine(place, options)], {
    cwd: place.dir,
  });
  expect(started, started.stderr).toMatchObject({ status: 0 });
  await pools.visit({ path: place.socket });
  const [pid = 0] = pools.printedPids(started.stdout);
  await pools.onlyWorker({ pid });
  for (const action of ['reload', 'stop']) {
    const control = [`${pools.oursPath}ctl`, '--state-dir', place.stateDir, action, place.pidFile];
    const result = await runCommand(deny, control);
    expect(result, result.stderr).toMatchObject({ status: 0 });
  }
  await pools.expectNothingLeft(place);
  const inPlace = await runCommand(
    deny,
    [pools.oursPath, '-n', '-s', place.socket, '--', '/bin/echo', 'became'],
    {
      cwd: place.dir,
    },
  );
  expect(inPlace).toMatchObject({ status: 0, stdout: 'became\n', stderr: '' });
  rmSync(place.socket);
});
