// `--control-group`: members may ask a pool of root's, and change nothing; and every change is logged with who asked.
import { readFileSync, statSync } from 'node:fs';
import { describe, expect, test, type TestContext } from 'vitest';
import { needRoot, runCommand, waitFor, type RunOptions } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const group = 3101;
const member: RunOptions = { uid: 3102, gid: group };
const stranger: RunOptions = { uid: 3103, gid: 3103 };
const changes = [['reload'], ['restart'], ['stop'], ['scale', '3'], ['try']] as const;

async function startShared(
  ctx: TestContext,
  options = ['--control-group', String(group)],
): Promise<pools.EchoPlace & { pid: number }> {
  needRoot(ctx);
  const place = await pools.makeEchoPlace();
  const { pid } = await pools.start(place, options, [], { address: place.address });
  return { ...place, pid };
}

const ask = (
  { stateDir, name }: pools.EchoPlace,
  [command = '', ...rest]: readonly string[],
  who: RunOptions,
) => pools.ctl(stateDir, [command, name, ...rest], who);

const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8);

describe('a member of the group', () => {
  test('asks for status, ping and doctor, and follows the events', async (ctx) => {
    const place = await startShared(ctx);
    expect(await ask(place, ['status'], member)).toMatchObject({ status: 0, stderr: '' });
    const all = await pools.ctl(place.stateDir, ['status', '--json'], member);
    expect(pools.readPools(all.stdout)).toMatchObject([{ pid: place.pid, phase: 'serving' }]);
    expect(await ask(place, ['ping'], member)).toMatchObject({ status: 0 });
    expect(await ask(place, ['doctor', '--config', '/dev/null'], member)).toMatchObject({
      status: 0,
      stdout: '',
    });
    const following = ask(place, ['events'], { ...member, timeoutMs: 20_000 });
    const control = ` ${pools.poolFile(place, '.ctl')}`;
    await waitFor('the events to be followed', () => {
      const sockets = readFileSync('/proc/net/unix', 'utf8').split('\n');
      // The one that listens, and that of the connection.
      return sockets.filter((line) => line.endsWith(control)).length > 1;
    });
    await ask(place, ['stop'], {});
    expect((await following).stdout).toMatch(/stop asked for by uid 0 \(PID \d+\)/);
  });

  test.for(changes)('is refused a %s, and nothing of it is done', async (change, ctx) => {
    const place = await startShared(ctx);
    const before = await pools.statusOf(place);
    const result = await ask(place, change, member);
    expect(result).toMatchObject({ status: 5, stdout: '' });
    expect(result.stderr).toMatch(
      new RegExp(
        `^spawn-fcgictl: (?:pool .*: )?${change[0]} is for the pool's owner: you may ask, and change nothing\n$`,
      ),
    );
    const { generation, wanted, workers } = await pools.statusOf(place);
    expect({ generation, wanted, pids: workers.map(({ pid }) => pid) }).toEqual({
      generation: before.generation,
      wanted: before.wanted,
      pids: before.workers.map(({ pid }) => pid),
    });
    expect(pools.events(place, 'change-asked')).toEqual([]);
  });

  test('gets nothing by speaking the protocol himself, and no file of the pool is his to write', async (ctx) => {
    const place = await startShared(ctx);
    const script = `const s=require('net').connect(${JSON.stringify(pools.poolFile(place, '.ctl'))},()=>s.write('{"v":1,"command":"handover","patienceMs":1000}\\n'));s.pipe(process.stdout)`;
    const answer = await runCommand(process.execPath, ['-e', script], member);
    expect(JSON.parse(answer.stdout)).toMatchObject({ ok: false, error: 'not-permitted', status: 5 });
    expect(['.ctl', '.state', '.lock'].map((end) => modeOf(pools.poolFile(place, end as '.ctl')))).toEqual([
      '660',
      '640',
      '600',
    ]);
    expect(statSync(place.stateDir).mode & 0o022).toBe(0);
  });
});

test('who is not in the group is refused as without it, and so is everybody by default', async (ctx) => {
  const shared = await startShared(ctx);
  expect(await ask(shared, ['status'], stranger)).toMatchObject({ status: 5 });
  const own = await startShared(ctx, []);
  expect(await ask(own, ['status'], member)).toMatchObject({ status: 5 });
  expect(modeOf(pools.poolFile(own, '.ctl'))).toBe('600');
  expect(modeOf(pools.poolFile(own, '.state'))).toBe('600');
});

test('every change that root asks for is logged with uid and PID, before it is carried out', async (ctx) => {
  const place = await startShared(ctx);
  for (const change of [['reload'], ['scale', '2'], ['restart']])
    expect(await ask(place, change, {})).toMatchObject({ status: 0 });
  const asked = pools.events(place, 'change-asked');
  expect(asked).toMatchObject(
    ['reload', 'scale', 'restart'].map((command) => ({ command, uid: 0, severity: 'notice' })),
  );
  for (const { clientPid } of asked) expect(clientPid).toBeGreaterThan(1);
  const names = pools.events(place).map(({ event }) => event);
  expect(names.indexOf('change-asked')).toBeLessThan(names.indexOf('reload-started'));
});

test('a takeover leaves it as it is, also without the option, and says so', async (ctx) => {
  const place = await startShared(ctx);
  const args = pools.commandLine(place, ['--replace'], [], { address: place.address });
  const taken = await pools.startPool(args, { cwd: place.dir });
  expect(taken.stderr).toContain('--control-group stays what it was while a pool is taken over');
  expect(await ask(place, ['status'], member)).toMatchObject({ status: 0 });
  expect(await ask(place, ['stop'], member)).toMatchObject({ status: 5 });
  expect(await ask(place, ['reload'], {})).toMatchObject({ status: 0 });
});

test('a start without it takes it back from what a killed supervisor has left', async (ctx) => {
  const place = await startShared(ctx);
  await pools.killSupervisor(place);
  await pools.start(place, [], [], { address: place.address });
  expect(await ask(place, ['status'], member)).toMatchObject({ status: 5 });
  expect(modeOf(pools.poolFile(place, '.ctl'))).toBe('600');
  expect(modeOf(pools.poolFile(place, '.state'))).toBe('600');
});

test('a group that is not there refuses the start', async (ctx) => {
  needRoot(ctx);
  const place = pools.makePlace();
  const refused = await pools.run(place, ['--control-group', 'no-such-group']);
  expect(refused.stderr).toContain("can't find group name no-such-group");
  expect(refused.status).not.toBe(0);
  await pools.expectNothingLeft(place);
});
