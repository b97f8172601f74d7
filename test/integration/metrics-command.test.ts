// `spawn-fcgictl metrics`: all pools in one text, also those that have lost their supervisor.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { formatResult } from '../../src/control/protocol.ts';
import { answerTo, startFake } from '../helpers/fakes/index.ts';
import * as machine from '../helpers/machine/index.ts';
import { exampleWorker } from '../helpers/models/index.ts';
import * as pools from '../helpers/pool/index.ts';

async function metricsOf({ stateDir }: pools.Place, ...args: string[]): Promise<string[]> {
  const { status, stdout, stderr } = await pools.ctl(stateDir, ['metrics', ...args]);
  expect([status, stderr]).toEqual([0, '']);
  return stdout.split('\n');
}

test('two pools of one name are told apart, and promtool finds nothing wrong with both', async (ctx) => {
  machine.needCommands(ctx, 'promtool');
  const place = pools.makePlace();
  const other = join(place.runDir, 'other.sock');
  const first = await pools.start(place, ['-F', '2']);
  const second = await pools.start(place, [], ['serve'], { address: ['-s', other] });
  const lines = await metricsOf(place, '--full');
  for (const [address, idle] of [
    [place.socket, 2],
    [other, 1],
  ])
    expect(lines).toContain(`spawn_fcgi_workers{pool="app",address="${address}",state="idle"} ${idle}`);
  const input = lines.join('\n');
  const { status, stderr } = await machine.runCommand('promtool', ['check', 'metrics'], { input });
  expect([status, stderr]).toEqual([0, '']);
  expect((await metricsOf(place, other)).join('\n')).not.toContain(place.socket);
  await pools.stopPool([first.pid, second.pid]);
});

test('a pool whose supervisor was killed is down, and its workers are counted', async () => {
  const place = pools.makePlace();
  const status = join(place.runDir, 'app.status');
  const pool = await pools.start(place, ['-F', '2', '--status-socket', status]);
  await pools.fullPool(pool, 2);
  await machine.waitFor('the state', () => pools.readPoolState(place)?.workers.length === 2);
  await pools.killSupervisor(pool);
  const lines = await metricsOf(place);
  expect(lines).toContain(`spawn_fcgi_up{pool="app",address="${place.socket}"} 0`);
  expect(lines).toContain(`spawn_fcgi_orphans{pool="app",address="${place.socket}"} 2`);
  await pools.ctl(place.stateDir, ['stop', place.socket]);
  await pools.expectNothingLeft(place);
});

test('a pool that has the name and address of another one does not spoil the text', async () => {
  const { stateDir, address } = await startFake(machine.makeTempDir());
  // It says the same of itself, and has a worker twice.
  const worker = exampleWorker({ pid: process.pid, pids: [process.pid] });
  await startFake(stateDir, { address: '127.0.0.1:9001' });
  await startFake(stateDir, {
    address: '127.0.0.1:9002',
    behaviour: (request, connection) => {
      const changes = { address: '127.0.0.1:9002', workers: [worker, worker] };
      connection.end(formatResult(answerTo(request, changes)));
    },
  });
  const { status, stdout, stderr } = await pools.ctl(stateDir, ['metrics', '--full']);
  const series = stdout.split('\n').map((line) => line.replace(/ \S+$/, ''));
  const samples = series.filter((line) => line.includes('{'));
  expect(samples.filter((line, index) => samples.indexOf(line) !== index)).toEqual([]);
  expect(samples.some((line) => line.includes(`address="${address}"`))).toBe(true);
  expect([status, stderr]).toEqual([0, expect.stringMatching(/^spawn-fcgictl: left out: another pool '.*'/)]);
});

test('what a pool names more than once, or what is not there, is no memory of its own', async () => {
  const workers = [
    exampleWorker({ pid: process.pid, pids: Array.from({ length: 1000 }, () => process.pid) }),
  ];
  const { stateDir } = await startFake(machine.makeTempDir(), {
    behaviour: (request, connection) => connection.end(formatResult(answerTo(request, { workers }))),
  });
  const bytes = /^spawn_fcgi_workers_resident_bytes\{.*\} (\d+)$/m.exec(
    (await pools.ctl(stateDir, ['metrics'])).stdout,
  )?.[1];
  const own = process.memoryUsage.rss();
  expect(Number(bytes)).toBeGreaterThan(own / 4);
  expect(Number(bytes)).toBeLessThan(own * 4);
  const { stdout } = await pools.ctl(stateDir, ['status', '--json']);
  const [worker] = pools.readPools(stdout)[0]?.workers ?? [];
  expect(worker?.rssBytes).toBeLessThan(own * 4);
});

test('no pool is no line; one that is named and not there is an error', async () => {
  const place = pools.makePlace();
  expect(await metricsOf(place)).toEqual(['']);
  const { status, stdout } = await pools.ctl(place.stateDir, ['metrics', place.socket]);
  expect([status, stdout]).toEqual([4, '']);
});

test('a pool that does not answer keeps nobody from the metrics of the others', async () => {
  const place = pools.makePlace();
  const other = join(place.runDir, 'other.sock');
  const first = await pools.start(place);
  const second = await pools.start(place, [], ['serve'], { address: ['-s', other] });
  process.kill(second.pid, 'SIGSTOP');
  machine.atEnd(() =>
    machine.signalProcess(second.pid, machine.readStat(second.pid)?.startTime ?? 0, 'SIGCONT'),
  );
  const { status, stdout, stderr } = await pools.ctl(place.stateDir, ['--timeout', '300ms', 'metrics']);
  process.kill(second.pid, 'SIGCONT');
  expect([status, stderr.includes(other)]).toEqual([6, true]);
  expect(stdout).toContain(`spawn_fcgi_up{pool="app",address="${place.socket}"} 1\n`);
  await pools.stopPool([first.pid, second.pid]);
});

test('half of the text, on a disk that is full, is an error; a reader that has had enough is none', async () => {
  const place = pools.makePlace();
  const { pid } = await pools.start(place);
  const run = (end: string, before = ''): Promise<machine.RunResult> =>
    machine.runCommand('bash', [
      '-c',
      `${before} "$@" metrics ${end}`,
      'sh',
      pools.ctlPath,
      '--state-dir',
      place.stateDir,
    ]);
  expect(await run('>/dev/full')).toMatchObject({
    status: 255,
    stderr: 'spawn-fcgictl: standard output: write failed: no space left on device\n',
  });
  expect(await run('>&3 3>&-', 'exec 3> >(exit); wait $!;')).toMatchObject({ status: 0, stderr: '' });
  await pools.stopPool([pid]);
});

test('on a terminal, and there alone, no name of another can send sequences to it', async () => {
  const name = 'a\u001b]0;x\u0007\u202e';
  const { stateDir } = await startFake(machine.makeTempDir(), {
    behaviour: (request, connection) => connection.end(formatResult(answerTo(request, { name }))),
  });
  expect((await pools.ctl(stateDir, ['metrics'])).stdout).toContain(`spawn_fcgi_up{pool="${name}",`);
  const terminal = machine.onTerminal('"$@"', [pools.ctlPath, '--state-dir', stateDir, 'metrics']);
  expect(await terminal.ended).toBe(0);
  expect(terminal.output()).toContain(String.raw`spawn_fcgi_up{pool="a\x1b]0;x\x07\u{202e}",`);
  expect(terminal.output()).not.toContain('\u001b');
});
