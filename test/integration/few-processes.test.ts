// Hardly any process or thread is left, to root as well: the commands say so, and nothing of theirs stays.
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import { oursPath, printedPids } from '../helpers/pool/command-under-test.ts';
import { makeProcessGroup, type ProcessGroup } from '../helpers/machine/process-group.ts';
import { needRoot } from '../helpers/machine/requirements.ts';
import { runCommand, type RunResult } from '../helpers/machine/run-command.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { commandLine, expectNothingLeft, makePlace, processesOf, type Place } from '../helpers/pool/place.ts';

const options = ['-u', 'nobody', '-g', 'nogroup'];

function needProcessGroup(ctx: TestContext): ProcessGroup {
  needRoot(ctx);
  const group = makeProcessGroup();
  if (typeof group === 'string') return ctx.skip(group);
  return group;
}

function runWithin({ enter }: ProcessGroup, place: Place, command: string, args: readonly string[]) {
  return runCommand('/bin/sh', ['-c', `${enter} && exec "$0" "$@"`, command, ...args], { cwd: place.dir });
}

/** One line and its hint; what is left of the group has ended by then. */
function expectRefusal({ status, stderr, timedOut }: RunResult, command: string): void {
  expect({ status, timedOut, stderr }).toMatchObject({ status: 255, timedOut: false });
  expect(stderr).toMatch(
    new RegExp(
      `^${command}: too few processes are left.*\\n${command}: hint: see pids.max of the cgroup .*\\n$`,
    ),
  );
}

test('a start of root with 1 to 7 processes left is refused in one line', async (ctx) => {
  const group = needProcessGroup(ctx);
  const place = makePlace();
  for (const limit of [2, 4, 5, 6, 7, 8]) {
    group.setLimit(limit);
    const result = await runWithin(group, place, oursPath, commandLine(place, options));
    expectRefusal(result, 'spawn-fcgi');
    await expectNothingLeft(place);
  }
  group.setLimit(50);
  const result = await runWithin(group, place, oursPath, commandLine(place, options));
  expect(result).toMatchObject({ status: 0, timedOut: false });
  process.kill(printedPids(result.stdout)[0] ?? 0, 'SIGTERM');
  await waitFor('the end of the pool', () => processesOf(place).length === 0);
});

test('spawn-fcgictl and -n say the same', async (ctx) => {
  const group = needProcessGroup(ctx);
  const place = makePlace();
  group.setLimit(3);
  expectRefusal(
    await runWithin(group, place, join(dirname(oursPath), 'spawn-fcgictl'), ['status']),
    'spawn-fcgictl',
  );
  expectRefusal(await runWithin(group, place, oursPath, ['-n', '-s', place.socket, place.app]), 'spawn-fcgi');
});

test('a Node that does not come to life is ended, and so is who watched it', async (ctx) => {
  const group = needProcessGroup(ctx);
  const place = makePlace();
  const command = makeCommand(place, 'exec /bin/sleep 1000');
  // The 30 seconds are over at once.
  const path = join(dirname(command), 'watch-node.sh');
  const watch = readFileSync(path, 'utf8');
  expect(watch).toContain('exec sleep "$most_seconds"');
  writeFileSync(path, watch.replace('exec sleep "$most_seconds"', 'exec sleep 0'));
  group.setLimit(50);
  const { status, stderr, timedOut } = await runWithin(group, place, command, commandLine(place, []));
  expect({ status, timedOut }).toEqual({ status: 1, timedOut: false });
  expect(stderr).toMatch(
    /^spawn-fcgi: Node\.js did not start within 30 s, and was ended\nspawn-fcgi: hint: too few processes/,
  );
  await expectNothingLeft(place);
});

test('a Node that ends before it comes to life is told from one that was ended', async () => {
  const place = makePlace();
  const result = await runCommand(makeCommand(place, 'kill -ABRT $$'), commandLine(place, []));
  expect(result).toMatchObject({ status: 1, timedOut: false });
  expect(result.stderr).toBe('spawn-fcgi: the supervisor was ended by SIGABRT before it could say why\n');
  await expectNothingLeft(place);
});

test('nobody watches a Node that has come to life', async (ctx) => {
  const group = needProcessGroup(ctx);
  const place = makePlace();
  group.setLimit(50);
  const result = await runWithin(group, place, oursPath, commandLine(place, []));
  const [pid = 0] = printedPids(result.stdout);
  const others = processesOf(place).filter((one) => one.pid !== pid && one.parent !== pid);
  process.kill(pid, 'SIGTERM');
  expect(others).toEqual([]);
  await expectNothingLeft(place);
});

test.each(['--ignore-signal=TERM', '--block-signal=TERM', '--block-signal=TERM,CHLD'])(
  'a watched start with %s of its caller is not held up, and no living Node ended',
  async (signals) => {
    const place = makePlace();
    // As few as a container has: somebody watches.
    const script = `ulimit -u 1000 && exec env ${signals} "$0" "$@"`;
    const began = Date.now();
    const result = await runCommand('/bin/bash', ['-c', script, oursPath, ...commandLine(place, [])]);
    // The watch goes on for 30 s.
    expect({ ...result, isSoon: Date.now() - began < 20_000 }).toMatchObject({ status: 0, isSoon: true });
    process.kill(printedPids(result.stdout)[0] ?? 0, 'SIGTERM');
    await expectNothingLeft(place);
  },
);

/** The command with this shell script for a Node. */
function makeCommand({ dir }: Place, script: string): string {
  const home = join(dir, 'package');
  const ours = join(dirname(oursPath), '..');
  for (const name of ['bin', 'node_modules/.bin']) mkdirSync(join(home, name), { recursive: true });
  cpSync(join(ours, 'bin'), join(home, 'bin'), { recursive: true });
  symlinkSync(realpathSync(join(ours, 'dist')), join(home, 'dist'));
  const node = join(home, 'node_modules/.bin/node');
  writeFileSync(node, `#!/bin/sh\n[ "$1" = --version ] && echo ${process.version} && exit\n${script}\n`);
  chmodSync(node, 0o755);
  return join(home, 'bin/spawn-fcgi');
}
