// PID files: what is written when, what is refused, and what is left of them.
import * as fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

/** As editors and package managers replace a file. */
function moveInto(path: string, text: string): void {
  fs.writeFileSync(`${path}.new`, text);
  fs.renameSync(`${path}.new`, path);
}

const read = (path: string): string => fs.readFileSync(path, 'utf8');

/** One above the highest PID that Linux gives. */
const nobodyPid = '4194305';

/** All that scripts ask of a PID file says that nobody runs. */
async function expectNobody(path: string): Promise<void> {
  expect(read(path)).toBe(nobodyPid);
  const questions = ['kill -0 $(cat "$1")', '[ -e "/proc/$(cat "$1")" ]', 'ps -p $(cat "$1")'];
  for (const question of questions) {
    const { status } = await machine.runCommand('/bin/sh', ['-c', question, 'sh', path]);
    expect({ question, status }).toEqual({ question, status: 1 });
  }
}

describe('-P', () => {
  test("holds the supervisor's PID without a newline when the command returns, and is removed at a clean end", async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['-P', place.pidFile, '-F', '3']);
    expect(read(place.pidFile)).toBe(String(pool.pid));
    await pools.endPool(place, pool);
    await pools.expectNothingLeft(place);
  });

  test.for([
    [0o022, 0o644],
    [0o077, 0o600],
    [0, 0o644],
  ] as const)('with umask %i has mode %i', async ([umask, mode]) => {
    const place = pools.makePlace();
    await pools.start(place, ['-P', place.pidFile], ['serve'], { umask });
    expect(fs.statSync(place.pidFile).mode & 0o777).toBe(mode);
  });

  test('in the foreground with --supervise is written and removed, too', async () => {
    const place = pools.makePlace();
    const pool = pools.startStaying(place, ['--supervise', '-P', place.pidFile]);
    await pools.waitForEvents(place, 'pool-up');
    expect(read(place.pidFile)).toBe(String(pool.pid));
    process.kill(pool.pid, 'SIGTERM');
    await pool.ended;
    await pools.expectNothingLeft(place);
  });

  test('relative to the working directory of the caller is still removed after -d', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['-P', 'run/app.pid', '-d', '/']);
    expect(read(place.pidFile)).toBe(String(pool.pid));
    await pools.endPool(place, pool);
    expect(fs.existsSync(place.pidFile)).toBe(false);
  });

  test.for([
    { what: 'another text', replace: (path, _pid) => fs.writeFileSync(path, '4711') },
    { what: 'another file with another text', replace: (path, _pid) => moveInto(path, '4711') },
    { what: 'another file with the same text', replace: moveInto },
    {
      what: 'a symbolic link to a file with the same text',
      replace: (path, pid) => {
        moveInto(`${path}.target`, pid);
        fs.rmSync(path);
        fs.symlinkSync(`${path}.target`, path);
      },
    },
  ] satisfies { what: string; replace: (path: string, pid: string) => void }[])(
    'that was replaced by $what is not ours any more, and stays',
    async ({ replace }) => {
      const place = pools.makePlace();
      const pool = await pools.start(place, ['-P', place.pidFile]);
      replace(place.pidFile, String(pool.pid));
      const [text, { ino }] = [read(place.pidFile), fs.lstatSync(place.pidFile)];
      await pools.endPool(place, pool);
      expect(read(place.pidFile)).toBe(text);
      expect(fs.lstatSync(place.pidFile).ino).toBe(ino);
    },
  );

  test('stays true when its workers are replaced', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['-P', place.pidFile, '--min-uptime', '1ms']);
    const first = await pools.onlyWorker(pool);
    process.kill(first, 'SIGKILL');
    await pools.onlyWorker(pool, [first]);
    expect(read(place.pidFile)).toBe(String(pool.pid));
  });
});

describe('an existing file', () => {
  test('in a directory that the caller cannot write is written in place and names nobody at the end', async (ctx) => {
    machine.needRoot(ctx);
    const place = makeOwnedPlace();
    const pidDir = join(place.dir, 'of-root');
    fs.mkdirSync(pidDir);
    const pidFile = join(pidDir, 'app.pid');
    fs.writeFileSync(pidFile, '');
    fs.chownSync(pidFile, machine.NOBODY, machine.NOBODY);
    const { ino } = fs.statSync(pidFile);
    const pool = await pools.start(place, ['-P', pidFile], ['serve'], {
      uid: machine.NOBODY,
      gid: machine.NOBODY,
    });
    expect(read(pidFile)).toBe(String(pool.pid));
    expect(fs.statSync(pidFile).ino).toBe(ino);
    await pools.endPool(place, pool);
    await expectNobody(pidFile);
    expect(fs.statSync(pidFile).ino).toBe(ino);
  });

  test('with a longer text holds only the PID afterwards', async () => {
    const place = pools.makePlace();
    fs.writeFileSync(place.pidFile, `${'9'.repeat(100)}\n`);
    const pool = await pools.start(place, ['-P', place.pidFile]);
    expect(read(place.pidFile)).toBe(String(pool.pid));
  });

  test.for(['exit=3', 'raise=9'])('keeps its text when the start fails (%s)', async (action) => {
    const place = pools.makePlace();
    fs.writeFileSync(place.pidFile, '4711\n');
    const before = fs.statSync(place.pidFile);
    expect((await pools.run(place, ['-P', place.pidFile], [action])).status).not.toBe(0);
    expect(read(place.pidFile)).toBe('4711\n');
    expect(fs.statSync(place.pidFile)).toMatchObject({ ino: before.ino, mode: before.mode });
  });

  test('keeps its text when the address is in use', async () => {
    const place = pools.makePlace();
    await pools.start(place);
    fs.writeFileSync(place.pidFile, '4711\n');
    expect((await pools.run(place, ['-P', place.pidFile])).status).toBe(255);
    expect(read(place.pidFile)).toBe('4711\n');
  });

  test('keeps mode and owner', async () => {
    const place = pools.makePlace();
    fs.writeFileSync(place.pidFile, '');
    fs.chmodSync(place.pidFile, 0o604);
    const owner = machine.isRoot
      ? { uid: 1234, gid: 4321 }
      : { uid: process.getuid?.(), gid: process.getgid?.() };
    if (machine.isRoot) fs.chownSync(place.pidFile, 1234, 4321);
    const { ino } = fs.statSync(place.pidFile);
    const pool = await pools.start(place, ['-P', place.pidFile]);
    expect(read(place.pidFile)).toBe(String(pool.pid));
    expect(fs.statSync(place.pidFile)).toMatchObject({ ...owner, ino, mode: 0o100604 });
  });
});

describe('with -u in a directory of root', () => {
  test('the file names a PID that nobody can have at a clean end, the socket stays, and both are used again', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const pool = await pools.start(place, ['-P', place.pidFile, '-u', 'nobody', '-g', 'nogroup']);
    expect(read(place.pidFile)).toBe(String(pool.pid));
    expect(fs.statSync(place.pidFile)).toMatchObject({ uid: 0, gid: 0 });
    await pools.endPool(place, pool);
    await expectNobody(place.pidFile);
    expect(fs.statSync(place.socket).isSocket()).toBe(true);
    const next = await pools.start(place, ['-P', place.pidFile, '-u', 'nobody', '-g', 'nogroup']);
    expect(read(place.pidFile)).toBe(String(next.pid));
  });
});

test('a start on another address waits for the pool that is stopping and has the PID file', async () => {
  const place = pools.makePlace();
  const first = await pools.start(place, ['-P', place.pidFile], ['slow-end=500', 'serve']);
  process.kill(first.pid, 'SIGTERM');
  const second = await pools.start({ ...place, socket: join(place.runDir, 'second.sock') }, [
    '-P',
    place.pidFile,
  ]);
  await machine.waitFor('the end of the first', () => !machine.isAlive(first.pid));
  expect(read(place.pidFile)).toBe(String(second.pid));
});

describe('refused, with nothing touched and nothing left:', () => {
  test('a symbolic link to a file', async () => {
    const place = pools.makePlace();
    const target = join(place.dir, 'precious');
    fs.writeFileSync(target, 'precious');
    fs.symlinkSync(target, place.pidFile);
    await expectRefusal(place, `PID-file exists and isn't regular file: '${place.pidFile}'`);
    expect(read(target)).toBe('precious');
  });

  test('a symbolic link to nothing', async () => {
    const place = pools.makePlace();
    const target = join(place.dir, 'not-there');
    fs.symlinkSync(target, place.pidFile);
    await expectRefusal(place, `PID-file exists and isn't regular file: '${place.pidFile}'`);
    expect(fs.existsSync(target)).toBe(false);
  });

  test('a directory', async () => {
    const place = pools.makePlace();
    fs.mkdirSync(place.pidFile);
    await expectRefusal(place, `PID-file exists and isn't regular file: '${place.pidFile}'`);
  });

  test('a FIFO, without waiting for a reader', async () => {
    const place = pools.makePlace();
    await machine.runCommand('mkfifo', [place.pidFile]);
    await expectRefusal(place, `PID-file exists and isn't regular file: '${place.pidFile}'`);
  });

  test('a device', async () => {
    const place = pools.makePlace();
    await expectRefusal(place, "PID-file exists and isn't regular file: '/dev/null'", '/dev/null');
    expect(fs.statSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  test('a file with a second name', async () => {
    const place = pools.makePlace();
    const other = join(place.dir, 'other-name');
    fs.writeFileSync(other, 'precious');
    fs.linkSync(other, place.pidFile);
    await expectRefusal(place, /hard link/);
    expect(read(other)).toBe('precious');
  });

  test('a missing directory', async () => {
    const place = pools.makePlace();
    const path = join(place.dir, 'missing/app.pid');
    await expectRefusal(place, `opening PID-file '${path}' failed: No such file or directory`, path);
  });

  test('the file of a running pool, whose PID stays in it', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['-P', place.pidFile]);
    const second = { ...place, socket: join(place.dir, 'second.sock') };
    const result = await pools.run(second, ['-P', place.pidFile]);
    expect(result).toMatchObject({ status: 255, stdout: '' });
    expect(result.stderr).toContain(String(pool.pid));
    expect(read(place.pidFile)).toBe(String(pool.pid));
    expect(fs.existsSync(second.socket)).toBe(false);
    expect(machine.isAlive(pool.pid)).toBe(true);
  });

  test.for(['nothing', 'an old PID file'])('a full disk that holds %s', async (what, ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const disk = join(place.dir, 'disk');
    fs.mkdirSync(disk);
    const pidFile = join(disk, 'app.pid');
    // The tmpfs exists in the caller's own mount namespace only: what it holds has to be looked at from there.
    const script = `${what === 'nothing' ? '' : `: >${pidFile};`} "$@"; echo "status $?"; stat -c '%n %s' ${disk}/*`;
    const args = [`full-disk=${disk}`, '--', '/bin/sh', '-c', script, 'sh', pools.oursPath];
    const result = await machine.runCommand(
      compileC(fixture('caller.c')),
      [...args, ...pools.commandLine(place, ['-P', pidFile])],
      {
        cwd: place.dir,
        timeoutMs: 8_000,
      },
    );
    expect(result.stdout).toContain('status 255');
    expect(pools.withoutHints(result.stderr)).toBe(
      'spawn-fcgi: writing pid file failed: No space left on device',
    );
    expect(result.stdout.includes('app.pid')).toBe(what !== 'nothing');
    await pools.expectNothingLeft(place);
  });
});

test('a PID file that cannot be written once the pool is up fails the start, and is told of once', async (ctx) => {
  machine.needRoot(ctx);
  machine.needCommands(ctx, 'strace');
  const place = pools.makePlace();
  const inject = ['-P', place.pidFile, '-e', 'trace=pwrite64', '-e', 'inject=pwrite64:error=ENOSPC'];
  const args = pools.commandLine(place, ['-P', place.pidFile]);
  const result = await machine.runCommand(
    'strace',
    ['-f', '-qq', '-o', '/dev/null', ...inject, pools.oursPath, ...args],
    {
      cwd: place.dir,
    },
  );
  expect(result).toMatchObject({ status: 1, stdout: '' });
  expect(pools.withoutHints(result.stderr)).toBe(
    'spawn-fcgi: writing pid file failed: No space left on device',
  );
  await pools.expectNothingLeft(place);
});

describe('--worker-pid-file', () => {
  test('has one file a slot, true across restarts, removed at the end', async () => {
    const place = pools.makePlace();
    const pattern = join(place.runDir, 'worker-%i.pid');
    const pool = await pools.start(place, ['-F', '3', '--min-uptime', '1ms', '--worker-pid-file', pattern]);
    const paths = ['0', '1', '2'].map((slot) => pattern.replace('%i', slot));
    const listed = (): string[] => paths.map(read);
    const workers = await pools.fullPool(pool, 3);
    expect(listed().map(Number)).toEqual(workers);
    const [zero = '', one = '', two = ''] = listed();
    process.kill(Number(one), 'SIGKILL');
    await pools.fullPool(pool, 3, [Number(one)]);
    const successor = await machine.waitFor('the new PID', () =>
      [read(paths[1] ?? '')].find((text) => text && text !== one),
    );
    expect(await pools.fullPool(pool, 3)).toContain(Number(successor));
    expect(listed()).toEqual([zero, successor, two]);
    await pools.endPool(place, pool);
    await pools.expectNothingLeft(place);
  });

  test('names the new worker of a slot after a reload, also when the old one has ended', async () => {
    const place = pools.makePlace();
    const path = join(place.runDir, 'worker.pid');
    const quick = ['--min-uptime', '1ms', '--settle', '1ms'];
    const pool = await pools.start(place, [...quick, '--worker-pid-file', path]);
    const old = await pools.onlyWorker(pool);
    process.kill(pool.pid, 'SIGHUP');
    await pools.waitForEvents(place, 'reload-finished');
    const worker = await pools.onlyWorker(pool, [old]);
    // The state is written after the PID files of those that have ended.
    await machine.waitFor('the state without it', () =>
      pools.readPoolState(place)?.workers.every(({ pid }) => pid === worker),
    );
    expect(read(path)).toBe(String(worker));
  });

  test('names nobody while its slot backs off', async () => {
    const place = pools.makePlace();
    const path = join(place.runDir, 'worker.pid');
    const options = ['--min-uptime', '1h', '--restart-delay', '1h', '--restart-max-delay', '1h'];
    const pool = await pools.start(place, [...options, '--worker-pid-file', path]);
    process.kill(await pools.onlyWorker(pool), 'SIGKILL');
    await machine.waitFor('a PID that nobody has', () => read(path) === nobodyPid);
    await expectNobody(path);
    expect(machine.isAlive(pool.pid)).toBe(true);
  });

  test('works with -u in a directory of root', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const path = join(place.runDir, 'worker-%i.pid');
    const options = ['-u', 'nobody', '-g', 'nogroup', '--min-uptime', '1ms', '--worker-pid-file', path];
    const pool = await pools.start(place, options);
    const file = path.replace('%i', '0');
    const first = await pools.onlyWorker(pool);
    expect(read(file)).toBe(String(first));
    process.kill(first, 'SIGKILL');
    const second = await pools.onlyWorker(pool, [first]);
    await machine.waitFor('the new PID', () => read(file) === String(second));
    await pools.endPool(place, pool);
    await expectNobody(file);
  });

  test('that cannot be written any more keeps no slot from being filled, and is warned of once', async (ctx) => {
    machine.needRoot(ctx);
    machine.needCommands(ctx, 'chattr');
    const place = pools.makePlace();
    const path = join(place.runDir, 'worker.pid');
    const pool = await pools.start(place, ['--min-uptime', '1ms', '--worker-pid-file', path]);
    const first = await pools.onlyWorker(pool);
    const { status } = await machine.runCommand('chattr', ['+i', path]);
    ctx.skip(status !== 0, 'needs a file system with immutable files');
    try {
      process.kill(first, 'SIGKILL');
      const second = await pools.onlyWorker(pool, [first]);
      process.kill(second, 'SIGKILL');
      const third = await pools.onlyWorker(pool, [first, second]);
      await pools.waitForEvents(place, 'worker-ended', 2);
      const warnings = pools.events(place, 'warning').map(({ message }) => message);
      expect(warnings).toEqual([
        `PID file '${path}' is not true any more: writing pid file failed: Operation not permitted`,
      ]);
      await machine.runCommand('chattr', ['-i', path]);
      process.kill(third, 'SIGKILL');
      const fourth = await pools.onlyWorker(pool, [first, second, third]);
      await machine.waitFor('the new PID', () => read(path) === String(fourth));
    } finally {
      await machine.runCommand('chattr', ['-i', path]);
    }
    await pools.endPool(place, pool);
    await pools.expectNothingLeft(place);
  });

  test('on a disk that became full is true after a restart all the same', async (ctx) => {
    machine.needRoot(ctx);
    machine.needCommands(ctx, 'unshare', 'mount');
    const place = pools.makePlace();
    const disk = join(place.dir, 'disk');
    fs.mkdirSync(disk);
    const script = `mount -t tmpfs -o size=16k tmpfs '${disk}' && exec "$@"`;
    const options = ['--min-uptime', '1ms', '--worker-pid-file', join(disk, 'worker.pid')];
    const args = [
      '--mount',
      '/bin/sh',
      '-c',
      script,
      'sh',
      pools.oursPath,
      ...pools.commandLine(place, options),
    ];
    const pool = await pools.startPool(args, { command: 'unshare', cwd: place.dir });
    const first = await pools.onlyWorker(pool);
    const inside = join(`/proc/${pool.pid}/root`, disk);
    // As long as the slot is being filled, everything that gets free is taken by somebody else.
    fill(join(inside, 'filler'));
    process.kill(first, 'SIGKILL');
    const isRenamed = (): boolean => {
      fill(join(inside, 'filler'));
      return ![String(first), ''].includes(read(join(inside, 'worker.pid')));
    };
    await machine.waitFor('the new PID', isRenamed, { intervalMs: 0 });
    expect(read(join(inside, 'worker.pid'))).toBe(String(await pools.onlyWorker(pool, [first])));
    expect(pools.events(place, 'warning')).toEqual([]);
    await pools.endPool(place, pool);
  });

  test('that may have no content (ulimit -f 0) fails the start, and no worker lives on', async () => {
    const place = pools.makePlace();
    const path = join(place.runDir, 'worker.pid');
    const options = ['-s', place.socket, '--state-dir', place.stateDir, '--worker-pid-file', path];
    const result = await machine.runCommand(
      compileC(fixture('caller.c')),
      ['fsize=0:0', '--', pools.oursPath, ...options, '--', place.app, 'serve'],
      { cwd: place.dir },
    );
    expect(result.status).toBe(255);
    expect(pools.withoutHints(result.stderr)).toBe('spawn-fcgi: writing pid file failed: File too large');
    await pools.expectNothingLeft(place);
  });

  test('of a failed start leaves nothing', async () => {
    const place = pools.makePlace();
    const path = join(place.runDir, 'worker-%i.pid');
    const result = await pools.run(
      place,
      ['-F', '2', '--worker-pid-file', path, '-P', place.pidFile],
      ['exit=3'],
    );
    expect(result.status).toBe(3);
    await pools.expectNothingLeft(place);
  });

  test('through a symbolic link is refused', async () => {
    const place = pools.makePlace();
    const path = join(place.runDir, 'worker-0.pid');
    fs.symlinkSync(join(place.dir, 'elsewhere'), path);
    const result = await pools.run(place, ['--worker-pid-file', path]);
    expect(result.status).toBe(255);
    await pools.expectNoProcess(place);
    expect(fs.existsSync(join(place.dir, 'elsewhere'))).toBe(false);
  });
});

/** Takes all room of a disk for this file. */
function fill(path: string): void {
  for (;;) {
    try {
      fs.appendFileSync(path, 'x'.repeat(512));
    } catch {
      return;
    }
  }
}

async function expectRefusal(place: pools.Place, line: string | RegExp, path = place.pidFile): Promise<void> {
  const result = await pools.run(place, ['-P', path], ['serve'], { timeoutMs: 8_000 });
  expect(result).toMatchObject({ status: 255, stdout: '' });
  if (typeof line === 'string') expect(pools.withoutHints(result.stderr)).toBe(`spawn-fcgi: ${line}`);
  else expect(result.stderr).toMatch(line);
  await pools.expectNoProcess(place);
  expect(fs.existsSync(place.socket)).toBe(false);
}

/** A place that user nobody may write. */
function makeOwnedPlace(): pools.Place {
  const place = pools.makePlace();
  fs.mkdirSync(place.stateDir);
  fs.chmodSync(place.stateDir, 0o700);
  if (machine.isRoot)
    for (const path of [place.dir, place.runDir, place.stateDir])
      fs.chownSync(path, machine.NOBODY, machine.NOBODY);
  return place;
}
