// --rlimit, --nice, --umask, --no-new-privileges: what a worker is held to, however it comes to be started, and nobody else.
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const limits: readonly (readonly [option: string, name: string, soft: string, hard: string])[] = [
  ['as=512M:1G', 'Max address space', '536870912', '1073741824'],
  ['core=0', 'Max core file size', '0', '0'],
  ['cpu=90:5m', 'Max cpu time', '90', '300'],
  ['data=256M', 'Max data size', '268435456', '268435456'],
  ['fsize=8M:16M', 'Max file size', '8388608', '16777216'],
  ['locks=100:200', 'Max file locks', '100', '200'],
  ['memlock=4K', 'Max locked memory', '4096', '4096'],
  ['msgqueue=1K:2K', 'Max msgqueue size', '1024', '2048'],
  ['nice=0', 'Max nice priority', '0', '0'],
  ['nofile=100:200', 'Max open files', '100', '200'],
  ['nproc=500:600', 'Max processes', '500', '600'],
  ['rss=1G', 'Max resident set', '1073741824', '1073741824'],
  ['rtprio=0', 'Max realtime priority', '0', '0'],
  ['rttime=200000', 'Max realtime timeout', '200000', '200000'],
  ['sigpending=50:60', 'Max pending signals', '50', '60'],
  ['stack=1M:2M', 'Max stack size', '1048576', '2097152'],
];

const options = [
  ...limits.flatMap(([option]) => ['--rlimit', option]),
  '--nice',
  '7',
  '--umask',
  '0137',
  '--no-new-privileges',
];

const quick = ['--min-uptime', '1ms', '--settle', '300ms'];

describe('a worker has all of it, and what every worker has besides', () => {
  test.each(['in the background', 'in the foreground'])('%s, respawned and reloaded too', async (where) => {
    const place = pools.makePlace();
    const isBehind = where === 'in the background';
    const pool = isBehind
      ? await pools.start(place, [...options, ...quick])
      : pools.startStaying(place, ['--supervise', ...options, ...quick]);
    await pools.waitForEvents(place, 'pool-up');
    const before = machine.readProcess(pool.pid);
    const first = await pools.onlyWorker(pool);
    expectHeld(first, pool.pid);

    process.kill(first, 'SIGKILL');
    const second = await pools.onlyWorker(pool, [first]);
    expectHeld(second, pool.pid);

    expect(await pools.ctl(place.stateDir, ['reload', place.socket])).toMatchObject({ status: 0 });
    expectHeld(await pools.onlyWorker(pool, [first, second]), pool.pid);

    const after = machine.readProcess(pool.pid);
    expect(after?.limits).toEqual(before?.limits);
    expect(after?.limits).toMatchObject({ 'Max address space': { soft: 'unlimited' } });
    expect(after).toMatchObject({ nice: machine.readStat(process.pid)?.nice, status: { NoNewPrivs: '0' } });
    expect(after?.status['Umask']).not.toBe('0137');
    expect(after?.status['SigBlk']).toBe(before?.status['SigBlk']);
    await pools.endPool(place, pool);
  });

  test('without a supervisor', async () => {
    const place = pools.makePlace();
    const args = ['-s', place.socket, '--no-supervise', '-F', '2', ...options, '--', place.app, 'serve'];
    const { pids } = await pools.startPool(args);
    expect(pids).toHaveLength(2);
    pids.forEach((pid) => expectHeld(pid));
  });

  test('in place', async () => {
    const place = pools.makePlace();
    const command = pools.startForeground(['-n', '-s', place.socket, ...options, '--', place.app, 'serve']);
    // Its loader has a library open for a moment.
    await machine.waitFor('the program without more than the three', () => {
      const program = machine.readProcess(command.pid);
      return program?.comm === 'app' && program.fds.length === 3;
    });
    expectHeld(command.pid);
    await command.stop();
  });

  test('as another user, in a chroot without /proc', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const jail = machine.makeTempDir();
    copyFileSync(compileC(fixture('scripted-worker.c'), { static: true }), join(jail, 'app'));
    chmodSync(jail, 0o755);
    const own = ['-c', jail, '-u', 'nobody', '-g', 'nogroup', '-d', '/', '--state-dir', place.stateDir];
    const port = String(await machine.freePort());
    const address = ['-a', '127.0.0.1', '-p', port, '--log', place.log, '--log-format', 'json'];
    const pool = await pools.startPool([...address, ...own, ...options, '--', '/app', 'serve']);
    const first = await pools.onlyWorker(pool);
    expectHeld(first, pool.pid);
    expect(machine.readProcess(first)?.status['Uid']).toMatch(/^65534\b/);
    process.kill(first, 'SIGKILL');
    expectHeld(await pools.onlyWorker(pool, [first]), pool.pid);
    await pool.stop();
  });
});

test('it has them from its first instruction on, on trial and in a try as well', async () => {
  const place = pools.makePlace();
  const [program, notes] = [join(place.dir, 'noting'), join(place.dir, 'notes')];
  const note = `echo "$(ulimit -Sn) $(ulimit -Hn) $(umask) $(nice)" >>${notes}`;
  writeFileSync(program, `#!/bin/sh\n${note}\nexec ${place.app} serve\n`, { mode: 0o755 });
  const own = ['-s', place.socket, '--state-dir', place.stateDir];
  const held = ['--rlimit', 'nofile=64:65', '--nice', '6', '--umask', '007'];
  await pools.startPool([...own, ...held, ...quick, '--', program]);
  expect(await pools.ctl(place.stateDir, ['reload', place.socket])).toMatchObject({ status: 0 });
  expect(await pools.ctl(place.stateDir, ['try', place.socket])).toMatchObject({ status: 0 });
  const lines = readFileSync(notes, 'utf8').split('\n').filter(Boolean);
  expect(lines).toEqual(Array.from({ length: 4 }, () => '64 65 0007 6'));
});

test('a log program has nothing of it', async () => {
  const place = pools.makePlace();
  const log = join(place.dir, 'lines');
  const pool = await pools.start(place, [...options, '--output', `|cat >${log}`]);
  const reader = pools.workersOf(pool).find((pid) => machine.readStat(pid)?.comm === 'sh');
  const [own, program] = [machine.readProcess(process.pid), machine.readProcess(reader ?? 0)];
  expect(program).toMatchObject({ nice: own?.nice, status: { NoNewPrivs: own?.status['NoNewPrivs'] } });
  expect(program?.limits['Max address space']).toEqual(own?.limits['Max address space']);
  expect(program?.limits['Max processes']).toEqual(own?.limits['Max processes']);
  await pools.endPool(place, pool);
});

test.for([{ model: [] }, { model: ['-n', '--supervise'] }, { model: ['--no-supervise'] }, { model: ['-n'] }])(
  "what cannot be executed is told in 1.6's words: $model",
  async ({ model }) => {
    const place = pools.makePlace();
    const text = join(place.dir, 'text');
    writeFileSync(text, 'no program\n', { mode: 0o755 });
    const notMine = join(place.dir, 'not-executable');
    writeFileSync(notMine, '', { mode: 0o644 });
    for (const file of [join(place.dir, 'missing'), text, notMine, place.dir]) {
      const plain = await machine.runCommand(pools.oursPath, ['-s', place.socket, ...model, '--', file]);
      const words = ['-s', place.socket, ...model, ...options, '--', file];
      const held = await machine.runCommand(pools.oursPath, words);
      expect(held).toEqual(plain);
      expect(held.status).not.toBe(0);
    }
    expect(pools.filesOf(place)).toEqual([]);
  },
);

test('a directory that nobody may search any more fails the start of a worker, not its place', async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  const directory = join(place.dir, 'inner');
  await machine.runCommand('/bin/mkdir', ['-m', '755', directory]);
  const user = ['-u', 'nobody', '-g', 'nogroup', '-d', directory, '--nice', '3', '--min-uptime', '1ms'];
  const pool = await pools.start(place, user);
  const first = await pools.onlyWorker(pool);
  chmodSync(directory, 0o700);
  process.kill(first, 'SIGKILL');
  const failed = await pools.waitForEvents(place, 'exec-failed');
  expect(failed[0]).toMatchObject({ error: 'Permission denied' });
  chmodSync(directory, 0o755);
  const second = await pools.onlyWorker(pool, [first]);
  expect(machine.readProcess(second)?.cwd).toBe(directory);
  await pools.endPool(place, pool);
});

test('more than the caller has is refused, or set where it may be', async () => {
  const place = pools.makePlace();
  const script = 'ulimit -n 500 && exec "$0" "$@"';
  const words = pools.commandLine(place, ['--rlimit', 'nofile=100:600']);
  const result = await machine.runCommand('/bin/sh', ['-c', script, pools.oursPath, ...words]);
  if (result.status === 0) {
    // We have CAP_SYS_RESOURCE.
    const pid = Number(/PID: (\d+)/.exec(result.stdout)?.[1]);
    const worker = machine.readProcess(await pools.onlyWorker({ pid }));
    expect(worker?.limits['Max open files']).toMatchObject({ soft: '100', hard: '600' });
    await pools.endPool(place, { pid });
    return;
  }
  expect(result).toMatchObject({ status: 255, stdout: '' });
  expect(pools.withoutHints(result.stderr)).toBe(
    'spawn-fcgi: cannot set --rlimit nofile=100:600: Operation not permitted',
  );
  expect(pools.hintsOf(result.stderr)[0]).toContain('the hard limit is 500');
  await pools.expectNothingLeft(place);
});

test('before others goes whom root lets, without the supervisor being root; the log program does not', async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  const user = ['-u', 'nobody', '-g', 'nogroup', '--nice', '-3', '--output', '|cat >/dev/null'];
  const pool = await pools.start(place, [...user, '--min-uptime', '1ms']);
  const niceOf = (name: string): readonly (number | undefined)[] =>
    pools
      .workersOf(pool)
      .map((pid) => machine.readStat(pid))
      .filter((stat) => stat?.comm === name)
      .map((stat) => stat?.nice);
  expect(niceOf('app')).toEqual([-3]);
  expect(niceOf('sh')).toEqual([machine.readStat(process.pid)?.nice]);
  const worker = pools.workersOf(pool).find((pid) => machine.readStat(pid)?.comm === 'app') ?? 0;
  process.kill(worker, 'SIGKILL');
  // Between clone(2) and execve(2) it has our name, and not yet its own nice value.
  await machine.waitFor('another worker', () => !machine.isAlive(worker) && String(niceOf('app')) === '-3');
  await pools.endPool(place, pool);
});

test('before others goes nobody whom the kernel does not let', async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  machine.giveAway(place.runDir, machine.NOBODY);
  const asNobody = { uid: machine.NOBODY, gid: machine.NOBODY };
  for (const model of [[], ['-n']]) {
    const args = ['-s', place.socket, ...model, '--nice', '-3', '--', place.app, 'serve'];
    const result = await machine.runCommand(pools.oursPath, args, asNobody);
    expect(result).toMatchObject({ status: 255, stdout: '' });
    expect(pools.withoutHints(result.stderr)).toBe('spawn-fcgi: cannot set --nice -3: Permission denied');
    expect(pools.hintsOf(result.stderr)[0]).toContain('CAP_SYS_NICE');
  }
  expect(pools.filesOf(place)).toEqual([]);
});

test('more files than the kernel gives anybody are refused with the number', async () => {
  const place = pools.makePlace();
  const most = readFileSync('/proc/sys/fs/nr_open', 'utf8').trim();
  for (const model of [[], ['-n', '--supervise'], ['--no-supervise'], ['-n']]) {
    const args = ['-s', place.socket, ...model, '--rlimit', 'nofile=9:unlimited', '--', place.app, 'serve'];
    const result = await machine.runCommand(pools.oursPath, args);
    expect(result).toMatchObject({ status: 255, stdout: '' });
    expect(pools.withoutHints(result.stderr)).toBe(
      `spawn-fcgi: cannot set --rlimit nofile=9:unlimited: the kernel allows no more than ${most} files`,
    );
  }
  await pools.expectNothingLeft(place);
});

function expectHeld(pid: number, supervisor?: number): void {
  const worker = machine.readProcess(pid);
  for (const [, name, soft, hard] of limits) {
    expect([name, worker?.limits[name]?.soft, worker?.limits[name]?.hard.split(' ')[0]]).toEqual([
      name,
      soft,
      hard,
    ]);
  }
  expect(worker?.status).toMatchObject({
    NoNewPrivs: '1',
    Umask: '0137',
    SigIgn: '0000000000000000',
    SigBlk: '0000000000000000',
    ShdPnd: '0000000000000000',
  });
  expect(worker).toMatchObject({ comm: 'app', nice: 7 });
  expect(worker?.fds.map(({ fd }) => fd)).toEqual([0, 1, 2]);
  if (supervisor === undefined) return;
  expect(worker).toMatchObject({ parent: supervisor, session: pid });
}
