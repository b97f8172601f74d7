// PID files: what is written when, what is refused, and what is left of them.
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/compile-c.ts';
import { isAlive } from '../helpers/machine/processes.ts';
import { isRoot, needCommands, needRoot } from '../helpers/machine/requirements.ts';
import { runCommand } from '../helpers/machine/run-command.ts';
import { NOBODY } from '../helpers/machine/users.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { oursPath, startPool } from '../helpers/pool/command-under-test.ts';
import { readPoolState } from '../helpers/pool/echo-pool.ts';
import {
  commandLine,
  endPool,
  events,
  expectNoProcess,
  expectNothingLeft,
  fullPool,
  makePlace,
  onlyWorker,
  run,
  start,
  startStaying,
  waitForEvents,
  withoutHints,
  type Place,
} from '../helpers/pool/place.ts';

/** As editors and package managers replace a file. */
function moveInto(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

const read = (path: string): string => readFileSync(path, 'utf8');

/** One above the highest PID that Linux gives. */
const nobodyPid = '4194305';

/** All that scripts ask of a PID file says that nobody runs. */
async function expectNobody(path: string): Promise<void> {
  expect(read(path)).toBe(nobodyPid);
  const questions = ['kill -0 $(cat "$1")', '[ -e "/proc/$(cat "$1")" ]', 'ps -p $(cat "$1")'];
  for (const question of questions) {
    const { status } = await runCommand('/bin/sh', ['-c', question, 'sh', path]);
    expect({ question, status }).toEqual({ question, status: 1 });
  }
}

describe('-P', () => {
  test("holds the supervisor's PID without a newline when the command returns, and is removed at a clean end", async () => {
    const place = makePlace();
    const pool = await start(place, ['-P', place.pidFile, '-F', '3']);
    expect(read(place.pidFile)).toBe(String(pool.pid));
    await endPool(place, pool);
    await expectNothingLeft(place);
  });

  test.for([
    [0o022, 0o644],
    [0o077, 0o600],
    [0, 0o644],
  ] as const)('with umask %i has mode %i', async ([umask, mode]) => {
    const place = makePlace();
    await start(place, ['-P', place.pidFile], ['serve'], { umask });
    expect(statSync(place.pidFile).mode & 0o777).toBe(mode);
  });

  test('in the foreground with --supervise is written and removed, too', async () => {
    const place = makePlace();
    const pool = startStaying(place, ['--supervise', '-P', place.pidFile]);
    await waitForEvents(place, 'pool-up');
    expect(read(place.pidFile)).toBe(String(pool.pid));
    process.kill(pool.pid, 'SIGTERM');
    await pool.ended;
    await expectNothingLeft(place);
  });

  test('relative to the working directory of the caller is still removed after -d', async () => {
    const place = makePlace();
    const pool = await start(place, ['-P', 'run/app.pid', '-d', '/']);
    expect(read(place.pidFile)).toBe(String(pool.pid));
    await endPool(place, pool);
    expect(existsSync(place.pidFile)).toBe(false);
  });

  test.for([
    { what: 'another text', replace: (path, _pid) => writeFileSync(path, '4711') },
    { what: 'another file with another text', replace: (path, _pid) => moveInto(path, '4711') },
    { what: 'another file with the same text', replace: moveInto },
    {
      what: 'a symbolic link to a file with the same text',
      replace: (path, pid) => {
        moveInto(`${path}.target`, pid);
        rmSync(path);
        symlinkSync(`${path}.target`, path);
      },
    },
  ] satisfies { what: string; replace: (path: string, pid: string) => void }[])(
    'that was replaced by $what is not ours any more, and stays',
    async ({ replace }) => {
      const place = makePlace();
      const pool = await start(place, ['-P', place.pidFile]);
      replace(place.pidFile, String(pool.pid));
      const [text, { ino }] = [read(place.pidFile), lstatSync(place.pidFile)];
      await endPool(place, pool);
      expect(read(place.pidFile)).toBe(text);
      expect(lstatSync(place.pidFile).ino).toBe(ino);
    },
  );

  test('stays true when its workers are replaced', async () => {
    const place = makePlace();
    const pool = await start(place, ['-P', place.pidFile, '--min-uptime', '1ms']);
    const first = await onlyWorker(pool);
    process.kill(first, 'SIGKILL');
    await onlyWorker(pool, [first]);
    expect(read(place.pidFile)).toBe(String(pool.pid));
  });
});

describe('an existing file', () => {
  test('in a directory that the caller cannot write is written in place and names nobody at the end', async (ctx) => {
    needRoot(ctx);
    const place = makeOwnedPlace();
    const pidDir = join(place.dir, 'of-root');
    mkdirSync(pidDir);
    const pidFile = join(pidDir, 'app.pid');
    writeFileSync(pidFile, '');
    chownSync(pidFile, NOBODY, NOBODY);
    const { ino } = statSync(pidFile);
    const pool = await start(place, ['-P', pidFile], ['serve'], { uid: NOBODY, gid: NOBODY });
    expect(read(pidFile)).toBe(String(pool.pid));
    expect(statSync(pidFile).ino).toBe(ino);
    await endPool(place, pool);
    await expectNobody(pidFile);
    expect(statSync(pidFile).ino).toBe(ino);
  });

  test('with a longer text holds only the PID afterwards', async () => {
    const place = makePlace();
    writeFileSync(place.pidFile, `${'9'.repeat(100)}\n`);
    const pool = await start(place, ['-P', place.pidFile]);
    expect(read(place.pidFile)).toBe(String(pool.pid));
  });

  test.for(['exit=3', 'raise=9'])('keeps its text when the start fails (%s)', async (action) => {
    const place = makePlace();
    writeFileSync(place.pidFile, '4711\n');
    const before = statSync(place.pidFile);
    expect((await run(place, ['-P', place.pidFile], [action])).status).not.toBe(0);
    expect(read(place.pidFile)).toBe('4711\n');
    expect(statSync(place.pidFile)).toMatchObject({ ino: before.ino, mode: before.mode });
  });

  test('keeps its text when the address is in use', async () => {
    const place = makePlace();
    await start(place);
    writeFileSync(place.pidFile, '4711\n');
    expect((await run(place, ['-P', place.pidFile])).status).toBe(255);
    expect(read(place.pidFile)).toBe('4711\n');
  });

  test('keeps mode and owner', async () => {
    const place = makePlace();
    writeFileSync(place.pidFile, '');
    chmodSync(place.pidFile, 0o604);
    const owner = isRoot ? { uid: 1234, gid: 4321 } : { uid: process.getuid?.(), gid: process.getgid?.() };
    if (isRoot) chownSync(place.pidFile, 1234, 4321);
    const { ino } = statSync(place.pidFile);
    const pool = await start(place, ['-P', place.pidFile]);
    expect(read(place.pidFile)).toBe(String(pool.pid));
    expect(statSync(place.pidFile)).toMatchObject({ ...owner, ino, mode: 0o100604 });
  });
});

describe('with -u in a directory of root', () => {
  test('the file names a PID that nobody can have at a clean end, the socket stays, and both are used again', async (ctx) => {
    needRoot(ctx);
    const place = makePlace();
    const pool = await start(place, ['-P', place.pidFile, '-u', 'nobody', '-g', 'nogroup']);
    expect(read(place.pidFile)).toBe(String(pool.pid));
    expect(statSync(place.pidFile)).toMatchObject({ uid: 0, gid: 0 });
    await endPool(place, pool);
    await expectNobody(place.pidFile);
    expect(statSync(place.socket).isSocket()).toBe(true);
    const next = await start(place, ['-P', place.pidFile, '-u', 'nobody', '-g', 'nogroup']);
    expect(read(place.pidFile)).toBe(String(next.pid));
  });
});

test('a start on another address waits for the pool that is stopping and has the PID file', async () => {
  const place = makePlace();
  const first = await start(place, ['-P', place.pidFile], ['slow-end=500', 'serve']);
  process.kill(first.pid, 'SIGTERM');
  const second = await start({ ...place, socket: join(place.runDir, 'second.sock') }, ['-P', place.pidFile]);
  await waitFor('the end of the first', () => !isAlive(first.pid));
  expect(read(place.pidFile)).toBe(String(second.pid));
});

describe('refused, with nothing touched and nothing left:', () => {
  test('a symbolic link to a file', async () => {
    const place = makePlace();
    const target = join(place.dir, 'precious');
    writeFileSync(target, 'precious');
    symlinkSync(target, place.pidFile);
    await expectRefusal(place, `PID-file exists and isn't regular file: '${place.pidFile}'`);
    expect(read(target)).toBe('precious');
  });

  test('a symbolic link to nothing', async () => {
    const place = makePlace();
    const target = join(place.dir, 'not-there');
    symlinkSync(target, place.pidFile);
    await expectRefusal(place, `PID-file exists and isn't regular file: '${place.pidFile}'`);
    expect(existsSync(target)).toBe(false);
  });

  test('a directory', async () => {
    const place = makePlace();
    mkdirSync(place.pidFile);
    await expectRefusal(place, `PID-file exists and isn't regular file: '${place.pidFile}'`);
  });

  test('a FIFO, without waiting for a reader', async () => {
    const place = makePlace();
    await runCommand('mkfifo', [place.pidFile]);
    await expectRefusal(place, `PID-file exists and isn't regular file: '${place.pidFile}'`);
  });

  test('a device', async () => {
    const place = makePlace();
    await expectRefusal(place, "PID-file exists and isn't regular file: '/dev/null'", '/dev/null');
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  test('a file with a second name', async () => {
    const place = makePlace();
    const other = join(place.dir, 'other-name');
    writeFileSync(other, 'precious');
    linkSync(other, place.pidFile);
    await expectRefusal(place, /hard link/);
    expect(read(other)).toBe('precious');
  });

  test('a missing directory', async () => {
    const place = makePlace();
    const path = join(place.dir, 'missing/app.pid');
    await expectRefusal(place, `opening PID-file '${path}' failed: No such file or directory`, path);
  });

  test('the file of a running pool, whose PID stays in it', async () => {
    const place = makePlace();
    const pool = await start(place, ['-P', place.pidFile]);
    const second = { ...place, socket: join(place.dir, 'second.sock') };
    const result = await run(second, ['-P', place.pidFile]);
    expect(result).toMatchObject({ status: 255, stdout: '' });
    expect(result.stderr).toContain(String(pool.pid));
    expect(read(place.pidFile)).toBe(String(pool.pid));
    expect(existsSync(second.socket)).toBe(false);
    expect(isAlive(pool.pid)).toBe(true);
  });

  test.for(['nothing', 'an old PID file'])('a full disk that holds %s', async (what, ctx) => {
    needRoot(ctx);
    const place = makePlace();
    const disk = join(place.dir, 'disk');
    mkdirSync(disk);
    const pidFile = join(disk, 'app.pid');
    // The tmpfs exists in the caller's own mount namespace only: what it holds has to be looked at from there.
    const script = `${what === 'nothing' ? '' : `: >${pidFile};`} "$@"; echo "status $?"; stat -c '%n %s' ${disk}/*`;
    const args = [`full-disk=${disk}`, '--', '/bin/sh', '-c', script, 'sh', oursPath];
    const result = await runCommand(
      compileC(fixture('caller.c')),
      [...args, ...commandLine(place, ['-P', pidFile])],
      {
        cwd: place.dir,
        timeoutMs: 8_000,
      },
    );
    expect(result.stdout).toContain('status 255');
    expect(withoutHints(result.stderr)).toBe('spawn-fcgi: writing pid file failed: No space left on device');
    expect(result.stdout.includes('app.pid')).toBe(what !== 'nothing');
    await expectNothingLeft(place);
  });
});

test('a PID file that cannot be written once the pool is up fails the start, and is told of once', async (ctx) => {
  needRoot(ctx);
  needCommands(ctx, 'strace');
  const place = makePlace();
  const inject = ['-P', place.pidFile, '-e', 'trace=pwrite64', '-e', 'inject=pwrite64:error=ENOSPC'];
  const args = commandLine(place, ['-P', place.pidFile]);
  const result = await runCommand('strace', ['-f', '-qq', '-o', '/dev/null', ...inject, oursPath, ...args], {
    cwd: place.dir,
  });
  expect(result).toMatchObject({ status: 1, stdout: '' });
  expect(withoutHints(result.stderr)).toBe('spawn-fcgi: writing pid file failed: No space left on device');
  await expectNothingLeft(place);
});

describe('--worker-pid-file', () => {
  test('has one file a slot, true across restarts, removed at the end', async () => {
    const place = makePlace();
    const pattern = join(place.runDir, 'worker-%i.pid');
    const pool = await start(place, ['-F', '3', '--min-uptime', '1ms', '--worker-pid-file', pattern]);
    const paths = ['0', '1', '2'].map((slot) => pattern.replace('%i', slot));
    const listed = (): string[] => paths.map(read);
    const workers = await fullPool(pool, 3);
    expect(
      listed()
        .map(Number)
        .toSorted((a, b) => a - b),
    ).toEqual(workers);
    const [zero = '', one = '', two = ''] = listed();
    process.kill(Number(one), 'SIGKILL');
    await fullPool(pool, 3, [Number(one)]);
    const successor = await waitFor('the new PID', () =>
      [read(paths[1] ?? '')].find((text) => text && text !== one),
    );
    expect(await fullPool(pool, 3)).toContain(Number(successor));
    expect(listed()).toEqual([zero, successor, two]);
    await endPool(place, pool);
    await expectNothingLeft(place);
  });

  test('names the new worker of a slot after a reload, also when the old one has ended', async () => {
    const place = makePlace();
    const path = join(place.runDir, 'worker.pid');
    const quick = ['--min-uptime', '1ms', '--settle', '1ms'];
    const pool = await start(place, [...quick, '--worker-pid-file', path]);
    const old = await onlyWorker(pool);
    process.kill(pool.pid, 'SIGHUP');
    await waitForEvents(place, 'reload-finished');
    const worker = await onlyWorker(pool, [old]);
    // The state is written after the PID files of those that have ended.
    await waitFor('the state without it', () =>
      readPoolState(place)?.workers.every(({ pid }) => pid === worker),
    );
    expect(read(path)).toBe(String(worker));
  });

  test('names nobody while its slot backs off', async () => {
    const place = makePlace();
    const path = join(place.runDir, 'worker.pid');
    const options = ['--min-uptime', '1h', '--restart-delay', '1h', '--restart-max-delay', '1h'];
    const pool = await start(place, [...options, '--worker-pid-file', path]);
    process.kill(await onlyWorker(pool), 'SIGKILL');
    await waitFor('a PID that nobody has', () => read(path) === nobodyPid);
    await expectNobody(path);
    expect(isAlive(pool.pid)).toBe(true);
  });

  test('works with -u in a directory of root', async (ctx) => {
    needRoot(ctx);
    const place = makePlace();
    const path = join(place.runDir, 'worker-%i.pid');
    const options = ['-u', 'nobody', '-g', 'nogroup', '--min-uptime', '1ms', '--worker-pid-file', path];
    const pool = await start(place, options);
    const file = path.replace('%i', '0');
    const first = await onlyWorker(pool);
    expect(read(file)).toBe(String(first));
    process.kill(first, 'SIGKILL');
    const second = await onlyWorker(pool, [first]);
    await waitFor('the new PID', () => read(file) === String(second));
    await endPool(place, pool);
    await expectNobody(file);
  });

  test('that cannot be written any more keeps no slot from being filled, and is warned of once', async (ctx) => {
    needRoot(ctx);
    needCommands(ctx, 'chattr');
    const place = makePlace();
    const path = join(place.runDir, 'worker.pid');
    const pool = await start(place, ['--min-uptime', '1ms', '--worker-pid-file', path]);
    const first = await onlyWorker(pool);
    const { status } = await runCommand('chattr', ['+i', path]);
    ctx.skip(status !== 0, 'needs a file system with immutable files');
    try {
      process.kill(first, 'SIGKILL');
      const second = await onlyWorker(pool, [first]);
      process.kill(second, 'SIGKILL');
      const third = await onlyWorker(pool, [first, second]);
      await waitForEvents(place, 'worker-ended', 2);
      const warnings = events(place, 'warning').map(({ message }) => message);
      expect(warnings).toEqual([
        `PID file '${path}' is not true any more: writing pid file failed: Operation not permitted`,
      ]);
      await runCommand('chattr', ['-i', path]);
      process.kill(third, 'SIGKILL');
      const fourth = await onlyWorker(pool, [first, second, third]);
      await waitFor('the new PID', () => read(path) === String(fourth));
    } finally {
      await runCommand('chattr', ['-i', path]);
    }
    await endPool(place, pool);
    await expectNothingLeft(place);
  });

  test('on a disk that became full is true after a restart all the same', async (ctx) => {
    needRoot(ctx);
    needCommands(ctx, 'unshare', 'mount');
    const place = makePlace();
    const disk = join(place.dir, 'disk');
    mkdirSync(disk);
    const script = `mount -t tmpfs -o size=16k tmpfs '${disk}' && exec "$@"`;
    const options = ['--min-uptime', '1ms', '--worker-pid-file', join(disk, 'worker.pid')];
    const args = ['--mount', '/bin/sh', '-c', script, 'sh', oursPath, ...commandLine(place, options)];
    const pool = await startPool(args, { command: 'unshare', cwd: place.dir });
    const first = await onlyWorker(pool);
    const inside = join(`/proc/${pool.pid}/root`, disk);
    // As long as the slot is being filled, everything that gets free is taken by somebody else.
    fill(join(inside, 'filler'));
    process.kill(first, 'SIGKILL');
    const isRenamed = (): boolean => {
      fill(join(inside, 'filler'));
      return ![String(first), ''].includes(read(join(inside, 'worker.pid')));
    };
    await waitFor('the new PID', isRenamed, { intervalMs: 0 });
    expect(read(join(inside, 'worker.pid'))).toBe(String(await onlyWorker(pool, [first])));
    expect(events(place, 'warning')).toEqual([]);
    await endPool(place, pool);
  });

  test('that may have no content (ulimit -f 0) fails the start, and no worker lives on', async () => {
    const place = makePlace();
    const path = join(place.runDir, 'worker.pid');
    const options = ['-s', place.socket, '--state-dir', place.stateDir, '--worker-pid-file', path];
    const result = await runCommand(
      compileC(fixture('caller.c')),
      ['fsize=0:0', '--', oursPath, ...options, '--', place.app, 'serve'],
      { cwd: place.dir },
    );
    expect(result.status).toBe(255);
    expect(withoutHints(result.stderr)).toBe('spawn-fcgi: writing pid file failed: File too large');
    await expectNothingLeft(place);
  });

  test('of a failed start leaves nothing', async () => {
    const place = makePlace();
    const path = join(place.runDir, 'worker-%i.pid');
    const result = await run(place, ['-F', '2', '--worker-pid-file', path, '-P', place.pidFile], ['exit=3']);
    expect(result.status).toBe(3);
    await expectNothingLeft(place);
  });

  test('through a symbolic link is refused', async () => {
    const place = makePlace();
    const path = join(place.runDir, 'worker-0.pid');
    symlinkSync(join(place.dir, 'elsewhere'), path);
    const result = await run(place, ['--worker-pid-file', path]);
    expect(result.status).toBe(255);
    await expectNoProcess(place);
    expect(existsSync(join(place.dir, 'elsewhere'))).toBe(false);
  });
});

/** Takes all room of a disk for this file. */
function fill(path: string): void {
  for (;;) {
    try {
      appendFileSync(path, 'x'.repeat(512));
    } catch {
      return;
    }
  }
}

async function expectRefusal(place: Place, line: string | RegExp, path = place.pidFile): Promise<void> {
  const result = await run(place, ['-P', path], ['serve'], { timeoutMs: 8_000 });
  expect(result).toMatchObject({ status: 255, stdout: '' });
  if (typeof line === 'string') expect(withoutHints(result.stderr)).toBe(`spawn-fcgi: ${line}`);
  else expect(result.stderr).toMatch(line);
  await expectNoProcess(place);
  expect(existsSync(place.socket)).toBe(false);
}

/** A place that user nobody may write. */
function makeOwnedPlace(): Place {
  const place = makePlace();
  mkdirSync(place.stateDir);
  chmodSync(place.stateDir, 0o700);
  if (isRoot) for (const path of [place.dir, place.runDir, place.stateDir]) chownSync(path, NOBODY, NOBODY);
  return place;
}
