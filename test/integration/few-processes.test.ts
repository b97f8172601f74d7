// Hardly any process or thread is left, to root as well: the commands say so, and nothing of theirs stays.
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const options = ['-u', 'nobody', '-g', 'nogroup'];

function needProcessGroup(ctx: TestContext): machine.ProcessGroup {
  machine.needRoot(ctx);
  const group = machine.makeProcessGroup();
  if (typeof group === 'string') return ctx.skip(group);
  return group;
}

function runWithin(
  { enter }: machine.ProcessGroup,
  place: pools.Place,
  command: string,
  args: readonly string[],
) {
  return machine.runCommand('/bin/sh', ['-c', `${enter} && exec "$0" "$@"`, command, ...args], {
    cwd: place.dir,
  });
}

/** One line and its hint; what is left of the group has ended by then. */
function expectRefusal({ status, stderr, timedOut }: machine.RunResult, command: string): void {
  expect({ status, timedOut, stderr }).toMatchObject({ status: 255, timedOut: false });
  expect(stderr).toMatch(
    new RegExp(
      `^${command}: too few processes are left.*\\n${command}: hint: see pids.max of the cgroup .*\\n$`,
    ),
  );
}

test('a start of root with 1 to 7 processes left is refused in one line', async (ctx) => {
  const group = needProcessGroup(ctx);
  const place = pools.makePlace();
  for (const limit of [2, 4, 5, 6, 7, 8]) {
    group.setLimit(limit);
    const result = await runWithin(group, place, pools.oursPath, pools.commandLine(place, options));
    expectRefusal(result, 'spawn-fcgi');
    await pools.expectNothingLeft(place);
  }
  group.setLimit(50);
  const result = await runWithin(group, place, pools.oursPath, pools.commandLine(place, options));
  expect(result).toMatchObject({ status: 0, timedOut: false });
  process.kill(pools.printedPids(result.stdout)[0] ?? 0, 'SIGTERM');
  await machine.waitFor('the end of the pool', () => pools.processesOf(place).length === 0);
});

test('spawn-fcgictl and -n say the same', async (ctx) => {
  const group = needProcessGroup(ctx);
  const place = pools.makePlace();
  group.setLimit(3);
  expectRefusal(
    await runWithin(group, place, join(dirname(pools.oursPath), 'spawn-fcgictl'), ['status']),
    'spawn-fcgictl',
  );
  expectRefusal(
    await runWithin(group, place, pools.oursPath, ['-n', '-s', place.socket, place.app]),
    'spawn-fcgi',
  );
});

test('a Node that does not come to life is ended, and so is who watched it', async (ctx) => {
  const group = needProcessGroup(ctx);
  const place = pools.makePlace();
  const command = makeCommand(place, 'exec /bin/sleep 1000');
  // The 30 seconds are over at once.
  const path = join(dirname(command), 'watch-node.sh');
  const watch = fs.readFileSync(path, 'utf8');
  expect(watch).toContain('exec sleep "$most_seconds"');
  fs.writeFileSync(path, watch.replace('exec sleep "$most_seconds"', 'exec sleep 0'));
  group.setLimit(50);
  const { status, stderr, timedOut } = await runWithin(group, place, command, pools.commandLine(place, []));
  expect({ status, timedOut }).toEqual({ status: 1, timedOut: false });
  expect(stderr).toMatch(
    /^spawn-fcgi: Node\.js did not start within 30 s, and was ended\nspawn-fcgi: hint: too few processes/,
  );
  await pools.expectNothingLeft(place);
});

test('a Node that ends before it comes to life is told from one that was ended', async () => {
  const place = pools.makePlace();
  const result = await machine.runCommand(makeCommand(place, 'kill -ABRT $$'), pools.commandLine(place, []));
  expect(result).toMatchObject({ status: 1, timedOut: false });
  expect(result.stderr).toBe('spawn-fcgi: the supervisor was ended by SIGABRT before it could say why\n');
  await pools.expectNothingLeft(place);
});

test('nobody watches a Node that has come to life', async (ctx) => {
  const group = needProcessGroup(ctx);
  const place = pools.makePlace();
  group.setLimit(50);
  const result = await runWithin(group, place, pools.oursPath, pools.commandLine(place, []));
  const [pid = 0] = pools.printedPids(result.stdout);
  const others = pools.processesOf(place).filter((one) => one.pid !== pid && one.parent !== pid);
  process.kill(pid, 'SIGTERM');
  expect(others).toEqual([]);
  await pools.expectNothingLeft(place);
});

test.each(['--ignore-signal=TERM', '--block-signal=TERM', '--block-signal=TERM,CHLD'])(
  'a watched start with %s of its caller is not held up, and no living Node ended',
  async (signals) => {
    const place = pools.makePlace();
    // As few as a container has: somebody watches.
    const script = `ulimit -u 1000 && exec env ${signals} "$0" "$@"`;
    const began = Date.now();
    const result = await machine.runCommand('/bin/bash', [
      '-c',
      script,
      pools.oursPath,
      ...pools.commandLine(place, []),
    ]);
    // The watch goes on for 30 s.
    expect({ ...result, isSoon: Date.now() - began < 20_000 }).toMatchObject({ status: 0, isSoon: true });
    process.kill(pools.printedPids(result.stdout)[0] ?? 0, 'SIGTERM');
    await pools.expectNothingLeft(place);
  },
);

/** The command with this shell script for a Node. */
function makeCommand({ dir }: pools.Place, script: string): string {
  const home = join(dir, 'package');
  const ours = join(dirname(pools.oursPath), '..');
  for (const name of ['bin', 'node_modules/.bin']) fs.mkdirSync(join(home, name), { recursive: true });
  fs.cpSync(join(ours, 'bin'), join(home, 'bin'), { recursive: true });
  fs.symlinkSync(fs.realpathSync(join(ours, 'dist')), join(home, 'dist'));
  const node = join(home, 'node_modules/.bin/node');
  fs.writeFileSync(node, `#!/bin/sh\n[ "$1" = --version ] && echo ${process.version} && exit\n${script}\n`);
  fs.chmodSync(node, 0o755);
  return join(home, 'bin/spawn-fcgi');
}
