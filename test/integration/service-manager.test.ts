// What a service manager hears of a pool (sd_notify), and what of it workers see.
import { openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as fakes from '../helpers/fakes/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const quick = ['--settle', '50ms', '--min-uptime', '50ms'];

/** The environment of a unit of Type=notify. */
function unitOf(manager: { address: string }, more: Record<string, string> = {}): NodeJS.ProcessEnv {
  return { ...process.env, NOTIFY_SOCKET: manager.address, ...more };
}

describe.for(['background', 'foreground'] as const)('in the %s', (model) => {
  async function startUnit(place: pools.Place, options: string[], env: NodeJS.ProcessEnv): Promise<number> {
    if (model === 'background') return (await pools.start(place, options, ['serve'], { env })).pid;
    return pools.startStaying(place, ['--supervise', ...options], ['serve'], { env }).pid;
  }

  test('a pool says that it starts, is up, reloads and stops, and how it is', async () => {
    const place = pools.makePlace();
    const manager = await fakes.startManager();
    const pid = await startUnit(place, [...quick, '-F', '2'], unitOf(manager));
    const up = await manager.hears('READY=1', 'STATUS=2 of 2 up, 0 busy, 0 waiting');
    expect(up.pid).toBe(pid);
    // In the foreground the manager knows: it has started this very process.
    expect(up.lines.includes(`MAINPID=${pid}`)).toBe(model === 'background');
    expect(manager.notices()[0]).toMatchObject({
      pid,
      lines: ['EXTEND_TIMEOUT_USEC=65000000', 'STATUS=starting 2 workers'],
    });
    const beforeUsec = process.hrtime.bigint() / 1000n;
    process.kill(pid, 'SIGHUP');
    const reloading = await manager.hears('RELOADING=1', 'MONOTONIC_USEC=…');
    expect(BigInt(reloading.lines[1]?.split('=')[1] ?? 0)).toBeGreaterThanOrEqual(beforeUsec);
    await manager.hears('READY=1', 'STATUS=2 of 2 up, 0 busy, 0 waiting; reloaded');
    process.kill(pid, 'SIGTERM');
    await manager.hears(
      'STOPPING=1',
      'EXTEND_TIMEOUT_USEC=14000000',
      'STATUS=stopping: 2 workers left, 0 busy',
    );
    await pools.expectNothingLeft(place);
  });
});

test('the command returns behind READY=1, with the supervisor as no child of its own', async () => {
  const place = pools.makePlace();
  const manager = await fakes.startManager({ abstract: true });
  const pool = await pools.start(place, quick, ['serve'], { env: unitOf(manager) });
  // What was sent before is with the kernel; the manager has only to read it.
  await manager.hears('READY=1', `MAINPID=${pool.pid}`);
  expect(machine.readStat(pool.pid)?.parent).not.toBe(process.pid);
  await pools.endPool(place, pool);
});

test('a reload that fails is over with READY=1 as well, and the status says so', async () => {
  const place = pools.makePlace();
  const manager = await fakes.startManager();
  const pool = await pools.start(place, quick, ['serve'], { env: unitOf(manager) });
  await manager.hears('READY=1');
  const heard = manager.notices().length;
  rmSync(place.app);
  writeFileSync(place.app, 'no program', { mode: 0o755 });
  process.kill(pool.pid, 'SIGHUP');
  const isOver = (): fakes.Notice | undefined =>
    manager
      .notices()
      .slice(heard)
      .find(({ lines }) => lines.includes('READY=1'));
  const { lines: said } = await machine.waitFor('the end of the reload', isOver);
  // Whether the worker is seen at rest is not what is told here.
  const verdict =
    /^STATUS=1 of 1 up, \d busy, 0 waiting; last reload failed, the old workers are in service: /;
  expect(said).toContainEqual(expect.stringMatching(verdict));
  expect(
    manager
      .notices()
      .slice(heard)
      .map(({ lines }) => lines[0])
      .filter((line) => !line?.startsWith('STATUS=')),
  ).toEqual(['RELOADING=1', 'READY=1']);
  await pools.endPool(place, pool);
});

test('workers find nothing that was meant for the supervisor, and with --ready notify its own socket', async () => {
  const place = pools.makePlace();
  const manager = await fakes.startManager();
  const mine = { WATCHDOG_USEC: '60000000', FDSTORE: '4', OTHER: 'stays' };
  const pool = await pools.start(place, [...quick, '--ready', 'notify'], ['ready', 'serve'], {
    env: unitOf(manager, mine),
  });
  const environment = readFileSync(`/proc/${await pools.onlyWorker(pool)}/environ`, 'utf8').split('\0');
  expect(environment).toContain('OTHER=stays');
  expect(environment.filter((entry) => /^(?:WATCHDOG_|FDSTORE=)/.test(entry))).toEqual([]);
  expect(environment).not.toContain(`NOTIFY_SOCKET=${manager.address}`);
  expect(environment.find((entry) => entry.startsWith('NOTIFY_SOCKET='))).toMatch(/^NOTIFY_SOCKET=@/);
  await pools.endPool(place, pool);
});

test('a program that takes the place of the command keeps all of it, and a hint names the way out', async () => {
  const place = pools.makePlace();
  const manager = await fakes.startManager();
  const env = unitOf(manager, { WATCHDOG_USEC: '60000000' });
  const args = ['-n', '-s', place.socket, '--', '/usr/bin/env'];
  const { stdout, stderr } = await machine.runCommand(pools.oursPath, args, { env, cwd: place.dir });
  expect(stdout.split('\n')).toEqual(
    expect.arrayContaining([`NOTIFY_SOCKET=${manager.address}`, 'WATCHDOG_USEC=60000000']),
  );
  expect(pools.hintsOf(stderr).join('\n')).toContain('with --supervise the supervisor does');
  expect(manager.notices()).toEqual([]);
});

describe('a watchdog', () => {
  test('is answered twice as often as it asks, from READY=1 on', async () => {
    const place = pools.makePlace();
    const manager = await fakes.startManager();
    const pool = await pools.start(place, quick, ['serve'], {
      env: unitOf(manager, { WATCHDOG_USEC: '400000' }),
    });
    await machine.waitFor('four beats', () => beats(manager).length >= 4);
    const all = manager.notices().map(({ lines }) => lines[0]);
    expect(all.indexOf('READY=1')).toBeLessThan(all.indexOf('WATCHDOG=1'));
    await pools.endPool(place, pool);
  });

  test('of another process is left alone, and a hint says so', async () => {
    const place = pools.makePlace();
    const manager = await fakes.startManager();
    const pool = await pools.start(place, quick, ['serve'], {
      env: unitOf(manager, { WATCHDOG_USEC: '20000', WATCHDOG_PID: '1' }),
    });
    expect(pools.hintsOf(pool.stderr)[0]).toMatch(/^no watchdog is answered: WATCHDOG_PID is 1, and this is/);
    await pools.endPool(place, pool);
    await manager.hears('STOPPING=1');
    expect(beats(manager)).toEqual([]);
  });

  function beats(manager: fakes.FakeManager): fakes.Notice[] {
    return manager.notices().filter(({ lines }) => lines[0] === 'WATCHDOG=1');
  }
});

describe('a manager that keeps descriptors', () => {
  test('gets the listening socket, whose path outlives the pool', async () => {
    const place = pools.makePlace();
    const manager = await fakes.startManager();
    const pool = await pools.start(place, quick, ['serve'], { env: unitOf(manager, { FDSTORE: '1' }) });
    const kept = await manager.hears('FDSTORE=1', 'FDNAME=spawn-fcgi', 'FDPOLL=0');
    expect(kept).toMatchObject({ pid: pool.pid, descriptors: 1 });
    await pools.endPool(place, pool);
    await pools.expectNothingLeft(place, ['run/app.sock']);
  });

  test('gets another one in its place when it was bound anew', async () => {
    const place = pools.makePlace();
    const manager = await fakes.startManager();
    const pool = await pools.start(place, quick, ['serve'], { env: unitOf(manager, { FDSTORE: '1' }) });
    await manager.hears('FDSTORE=1');
    await machine.runCommand('rm', [place.socket]);
    process.kill(pool.pid, 'SIGHUP');
    await machine.waitFor('the second socket', () => {
      const first = manager.notices().map(({ lines }) => lines[0]);
      return first.filter((line) => line === 'FDSTORE=1').length === 2 && first.includes('FDSTOREREMOVE=1');
    });
    await pools.endPool(place, pool);
  });
});

test.for([
  [
    'a relative path',
    'run/notify',
    "is 'run/notify', and it must be an absolute path, or @ and an abstract name",
  ],
  ['a virtual machine', 'vsock:2:1234', "is 'vsock:2:1234', and only a Unix socket can be told"],
  ['nobody there', '/run/not-there', "'/run/not-there': No such file or directory"],
])('with %s in NOTIFY_SOCKET a pool starts all the same', async ([, address = '', problem = '']) => {
  const place = pools.makePlace();
  const pool = await pools.start(place, quick, ['serve'], { env: unitOf({ address }) });
  expect(pools.hintsOf(pool.stderr)).toEqual([
    `nobody is told that the pool is up: NOTIFY_SOCKET ${problem}`,
  ]);
  await pools.endPool(place, pool);
});

test('a start that fails says why, with its status and the errno of an exec', async () => {
  const place = pools.makePlace();
  const manager = await fakes.startManager();
  const env = unitOf(manager);
  writeFileSync(place.app, 'no program', { mode: 0o755 });
  expect(await pools.run(place, quick, [], { env })).toMatchObject({ status: 8 });
  await manager.hears('STATUS=child exited with: 8…', 'EXIT_STATUS=8', 'ERRNO=8');
  await machine.runCommand(pools.oursPath, ['-p', '75000', '--', place.app], { env });
  await manager.hears('STATUS=invalid port: 75000; hint: -p takes…', 'EXIT_STATUS=255');
});

test('a manager that reads nothing keeps nobody waiting, and hears of all that matters when it does', async () => {
  const place = pools.makePlace();
  const manager = await fakes.startManager();
  const pool = await pools.start(place, quick, ['serve'], { env: unitOf(manager) });
  await manager.hears('READY=1');
  manager.pause();
  const heard = manager.notices().length;
  // Each is two messages; the kernel keeps a dozen of them.
  for (let hangups = 0; hangups < 20; hangups++) {
    const reloads = pools.events(place, 'reload-finished').length;
    process.kill(pool.pid, 'SIGHUP');
    await machine.waitFor('a reload', () => pools.events(place, 'reload-finished').length > reloads);
  }
  manager.goOn();
  await machine.waitFor('the last word', () => {
    const rest = manager
      .notices()
      .slice(heard)
      .map(({ lines }) => lines[0]);
    return rest.filter((line) => line === 'READY=1').length === 20 && rest.at(-1) !== 'RELOADING=1';
  });
  await pools.endPool(place, pool);
});

describe('a pool that is taken over', () => {
  const heir = { FDSTORE: '2', WATCHDOG_USEC: '30000000' };

  /** Which of the notices it is; -1: none yet. */
  function namedBy(old: pools.Pool, next: pools.Pool, manager: fakes.FakeManager): number {
    return manager
      .notices()
      .findIndex(({ pid, lines }) => pid === old.pid && lines[0] === `MAINPID=${next.pid}`);
  }

  test("stays its unit's: the old supervisor names the new one, which goes on with manager, beats and socket", async () => {
    const place = pools.makePlace();
    const manager = await fakes.startManager();
    const old = await pools.start(place, quick, ['serve'], { env: unitOf(manager, heir) });
    await manager.hears('FDSTORE=1');
    const next = await pools.start(place, [...quick, '--replace'], ['serve']);
    await machine.waitFor('the word of the old supervisor', () => namedBy(old, next, manager) >= 0);
    const ready = await manager.hears(
      'READY=1',
      `MAINPID=${next.pid}`,
      'STATUS=1 of 1 up, 0 busy, 0 waiting',
    );
    expect(ready.pid).toBe(next.pid);
    await manager.hears('WATCHDOG=1');
    const all = manager.notices();
    // Else the unit would end.
    expect(all.flatMap(({ lines }) => lines)).not.toContain('STOPPING=1');
    // Only the main process may be heard before.
    expect(namedBy(old, next, manager)).toBeLessThan(
      all.findLastIndex(({ lines }) => lines[0] === 'READY=1'),
    );
    // The manager has this socket.
    expect(all.filter(({ lines }) => lines[0] === 'FDSTORE=1')).toHaveLength(1);
    await pools.endPool(place, next);
    await manager.hears('STOPPING=1');
    await pools.expectNothingLeft(place, ['run/app.sock']);
  });

  test('by a new supervisor that hears of the manager itself: that is told by both', async () => {
    const place = pools.makePlace();
    const manager = await fakes.startManager();
    const old = await pools.start(place, quick, ['serve'], { env: unitOf(manager, heir) });
    const next = await pools.start(place, [...quick, '--replace'], ['serve'], { env: unitOf(manager) });
    await machine.waitFor('the word of the old supervisor', () => namedBy(old, next, manager) >= 0);
    await manager.hears('READY=1', `MAINPID=${next.pid}`);
    // A unit's ExecReload= knows nothing of its watchdog. The old supervisor may send a last beat as it ends.
    await machine.waitFor('a beat of the new supervisor', () =>
      manager.notices().some(({ pid, lines }) => pid === next.pid && lines.includes('WATCHDOG=1')),
    );
    await pools.endPool(place, next);
    await pools.expectNothingLeft(place, ['run/app.sock']);
  });

  test('by a new supervisor that fails goes on, and the manager hears nothing of it', async () => {
    const place = pools.makePlace();
    const manager = await fakes.startManager();
    const old = await pools.start(place, quick, ['serve'], { env: unitOf(manager) });
    await manager.hears('READY=1');
    const heard = manager.notices().length;
    expect((await pools.run(place, [...quick, '--replace'], ['exit=3'])).status).toBe(3);
    process.kill(old.pid, 'SIGTERM');
    await manager.hears('STOPPING=1');
    const lines = manager
      .notices()
      .slice(heard)
      .flatMap((notice) => notice.lines);
    expect(lines.filter((line) => /^(?:MAINPID|READY|EXIT_STATUS)=/.test(line))).toEqual([]);
    await pools.expectNothingLeft(place);
  });
});

test("start-stop-daemon --notify-await is told of Debian's way", async (ctx) => {
  machine.needCommands(ctx, 'start-stop-daemon');
  const place = pools.makePlace();
  const args = ['--start', '--notify-await', '--notify-timeout', '20', '--exec', pools.oursPath, '--'];
  const own = pools.commandLine(place, [...quick, '-P', place.pidFile]);
  const result = await machine.runCommand('start-stop-daemon', [...args, ...own], { cwd: place.dir });
  expect(result).toMatchObject({ status: 0 });
  await pools.endPool(place, { pid: Number(readFileSync(place.pidFile, 'utf8')) });
  await pools.expectNothingLeft(place);
});

describe('--notify-fd', () => {
  /** Runs a command with the write end of a pipe as that descriptor, and prints what comes out of it and its end. */
  const program = `
import os, subprocess, sys
number = int(sys.argv[1])
ends = os.pipe()
os.dup2(ends[0], 60, inheritable=False)
os.dup2(ends[1], 61, inheritable=False)
os.closerange(3, 60)
os.dup2(61, number)
os.close(61)
subprocess.Popen(sys.argv[2:], close_fds=False, stdout=-3, stderr=-3)
os.close(number)
print(repr(os.read(60, 9)), repr(os.read(60, 9)))
`;

  test.for([
    ['background', '7', []],
    ['foreground', '3', ['-n']],
  ] as const)('in the %s gets a newline when the pool is up, and its end', async ([, number, options]) => {
    const place = pools.makePlace();
    const line = pools.commandLine(place, [...options, ...quick, '-P', place.pidFile, '--notify-fd', number]);
    const { stdout } = await machine.runCommand(
      'timeout',
      ['20', 'python3', '-c', program, number, pools.oursPath, ...line],
      {
        cwd: place.dir,
      },
    );
    expect(stdout).toContain(String.raw`b'\n' b''`);
    const pid = Number(readFileSync(place.pidFile, 'utf8'));
    const worker = await pools.onlyWorker({ pid });
    expect(() => openSync(`/proc/${worker}/fd/${number}`, 'r')).toThrow('ENOENT');
    await pools.endPool(place, { pid });
  });

  test.for([
    ['9', 'Bad file descriptor'],
    ['3', 'the command itself uses descriptor 3 in the background; take one from 5 on, or -n'],
  ])('%s is refused: %s', async ([number = '', problem = '']) => {
    const place = pools.makePlace();
    const result = await pools.run(place, ['--notify-fd', number]);
    expect(result).toMatchObject({
      status: 255,
      stderr: `spawn-fcgi: --notify-fd ${number} cannot be used: ${problem}\n`,
    });
    await pools.expectNothingLeft(place);
  });
});
