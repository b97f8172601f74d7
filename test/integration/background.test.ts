// A pool in the background keeps nothing of its caller, whatever the caller was like.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

describe('the descriptors of the caller', () => {
  test.for([3, 4, 5, 9, 10, 251])(
    'on %i: a pipe there sees end of file when the command has returned',
    async (fd, ctx) => {
      machine.needCommands(ctx, 'bash');
      const place = pools.makePlace();
      // The pipe on that descriptor is the one that the test reads: it would time out.
      const result = await runInBash(place, `exec ${fd}>&1; out=$("$@") || exit; echo "$out"`);
      expect(result).toMatchObject({ status: 0, timedOut: false });
      expect(machine.isAlive(pools.printedPids(result.stdout)[0] ?? 0)).toBe(true);
    },
  );

  test('a lock of the caller is free when the caller has ended', async (ctx) => {
    machine.needCommands(ctx, 'bash', 'flock');
    const place = pools.makePlace();
    const lock = join(place.dir, 'lock');
    const script = `exec 9>'${lock}' 251>'${lock}.2'; flock 9; flock 251; "$@"`;
    expect((await runInBash(place, script)).status).toBe(0);
    for (const file of [lock, `${lock}.2`]) {
      expect((await machine.runCommand('flock', ['--nonblock', file, 'true'])).status).toBe(0);
    }
  });

  test('more of them than the soft limit allows do not disturb, and workers get that limit', async (ctx) => {
    machine.needCommands(ctx, 'bash');
    const place = pools.makePlace();
    const script = `for fd in {20..320}; do eval "exec $fd</dev/null"; done; ulimit -Sn 256; "$@"`;
    const result = await runInBash(place, script);
    expect(result).toMatchObject({ status: 0, timedOut: false });
    const [pid = 0] = pools.printedPids(result.stdout);
    const first = await pools.onlyWorker({ pid });
    expect(machine.readProcess(first)?.limits['Max open files']?.soft).toBe('256');
    process.kill(first, 'SIGKILL');
    const second = await pools.onlyWorker({ pid }, [first]);
    expect(machine.readProcess(second)?.limits['Max open files']?.soft).toBe('256');
    // The supervisor itself may have as many as it needs.
    const own = machine.readProcess(pid)?.limits['Max open files'];
    expect(own?.soft).toBe(own?.hard);
  });
});

test('the supervisor has a session of its own, no terminal, and /dev/null as its streams', async (ctx) => {
  ctx.skip(!machine.isRoot, 'needs root: nobody else may look into the supervisor');
  const place = pools.makePlace();
  const { pid } = await pools.start(place);
  const supervisor = machine.readProcess(pid);
  expect(supervisor).toMatchObject({ session: pid, tty: 0 });
  const streams = supervisor?.fds.filter(({ fd }) => fd <= 2).map(({ target }) => target);
  expect(streams).toEqual(['/dev/null', '/dev/null', '/dev/null']);
});

test('the supervisor holds on to no process once the pool is up', async (ctx) => {
  ctx.skip(!machine.isRoot, 'needs root: nobody else may look into the supervisor');
  const place = pools.makePlace();
  const { pid } = await pools.start(place);
  await pools.waitForEvents(place, 'pool-up');
  const targets = machine.readProcess(pid)?.fds.map(({ target }) => target);
  expect(targets?.filter((target) => target.includes('pidfd'))).toEqual([]);
});

test('a worker gets what is left of its limit when the hard one was lowered meanwhile', async (ctx) => {
  machine.needCommands(ctx, 'bash', 'prlimit');
  const place = pools.makePlace();
  const result = await runInBash(place, 'ulimit -Sn 256; "$@"', ['--min-uptime', '1ms']);
  const [pid = 0] = pools.printedPids(result.stdout);
  const first = await pools.onlyWorker({ pid });
  expect((await machine.runCommand('prlimit', ['--pid', String(pid), '--nofile=64:128'])).status).toBe(0);
  process.kill(first, 'SIGKILL');
  const second = await pools.onlyWorker({ pid }, [first]);
  expect(machine.readProcess(second)?.limits['Max open files']).toEqual({ soft: '128', hard: '128' });
});

test('started at a terminal, neither supervisor nor worker has it', async () => {
  const place = pools.makePlace();
  const result = await runAs(
    place,
    ['terminal=yes', `output=${join(place.dir, 'out')}`],
    ['-P', place.pidFile],
  );
  expect(result.status).toBe(0);
  const pid = Number(readFileSync(place.pidFile, 'utf8'));
  const worker = await pools.onlyWorker({ pid });
  expect(machine.readStat(pid)).toMatchObject({ session: pid, tty: 0 });
  expect(machine.readStat(worker)).toMatchObject({ session: worker, tty: 0 });
});

describe('the environment', () => {
  test('may be empty', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, [], ['serve'], { env: {} });
    expect(await environmentOf(place, await pools.onlyWorker(pool))).toEqual([]);
  });

  test.for(['--bogus', '--require /nonexistent', '--inspect=127.0.0.1:0 --max-old-space-size=0'])(
    'NODE_OPTIONS=%s steers the worker, not the supervisor',
    async (value) => {
      const place = pools.makePlace();
      const env = { PATH: '/usr/bin:/bin', NODE_OPTIONS: value, NODE_DEBUG: 'net,child_process' };
      const pool = await pools.start(place, ['--min-uptime', '1ms'], ['serve'], { env });
      const wanted = Object.entries(env).map(([name, text]) => `${name}=${text}`);
      const first = await pools.onlyWorker(pool);
      expect((await environmentOf(place, first)).toSorted()).toEqual(wanted.toSorted());
      process.kill(first, 'SIGKILL');
      expect((await environmentOf(place, await pools.onlyWorker(pool, [first]))).toSorted()).toEqual(
        wanted.toSorted(),
      );
    },
  );

  test('in the foreground is the same', async () => {
    const place = pools.makePlace();
    const env = { PATH: '/usr/bin:/bin', NODE_OPTIONS: '--bogus', EMPTY: '' };
    const pool = pools.startStaying(place, ['--supervise'], ['serve'], { env });
    await pools.waitForEvents(place, 'pool-up');
    expect((await environmentOf(place, await pools.onlyWorker(pool))).toSorted()).toEqual([
      'EMPTY=',
      'NODE_OPTIONS=--bogus',
      'PATH=/usr/bin:/bin',
    ]);
  });
});

test.for(['0', '1', '2', '0,1', '0,2', '1,2', '0,1,2'])(
  'closed streams (%s) of the caller change nothing for workers',
  async (list, ctx) => {
    ctx.skip(!machine.isRoot, 'needs root: nobody else may look into the supervisor');
    const place = pools.makePlace();
    const result = await runAs(place, [`close=${list}`], ['-P', place.pidFile]);
    expect(result).toMatchObject({ status: 0, timedOut: false });
    const pid = Number(readFileSync(place.pidFile, 'utf8'));
    const worker = await pools.onlyWorker({ pid });
    expect(
      machine
        .readProcess(pid)
        ?.fds.filter(({ fd }) => fd <= 2)
        .map(({ target }) => target),
    ).toEqual(['/dev/null', '/dev/null', '/dev/null']);
    expect(machine.readProcess(worker)?.fds).toMatchObject([
      { fd: 0, target: expect.stringMatching(/^socket:/) as string },
      { fd: 1, target: '/dev/null' },
      { fd: 2, target: '/dev/null' },
    ]);
  },
);

test('a caller whose stdout is a full disk gets a pool all the same', async (ctx) => {
  machine.needCommands(ctx, 'bash');
  const place = pools.makePlace();
  const script = '"$@" >/dev/full';
  const result = await runInBash(place, script, ['-P', place.pidFile]);
  expect(result.timedOut).toBe(false);
  expect(machine.isAlive(Number(readFileSync(place.pidFile, 'utf8')))).toBe(true);
});

test('printing the line does not make the pipe of the caller non-blocking', async (ctx) => {
  machine.needCommands(ctx, 'bash');
  const place = pools.makePlace();
  const result = await runInBash(place, '{ "$@"; grep flags: /proc/self/fdinfo/1; } | cat');
  expect(result.stdout).toMatch(/successfully[\s\S]*flags:\s+0*1\b/);
});

describe('a start that fails leaves no process,', () => {
  const user = ['-u', String(machine.NOBODY), '-g', String(machine.NOBODY)];
  // In a PID namespace there is nobody else, so that no process escapes for what it is called or where it is.
  const countRest = `"$@"; echo "status $?"; looks=0
    while set -- /proc/[0-9]*; [ $# -gt 1 ]; do
      looks=$((looks + 1)); [ $looks -lt 500 ] || { cat /proc/[0-9]*/cmdline; exit 99; }
      sleep 0.01
    done`;

  test.for([
    { what: 'refused at the socket', options: [], status: 255 },
    { what: 'refused at the socket after the drop', options: user, status: 255 },
    { what: 'with workers that die', options: ['-F', '2'], actions: ['exit=3'], status: 3 },
    { what: 'with workers that die after the drop', options: user, actions: ['exit=3'], status: 3 },
    {
      what: 'with a worker that is not ready',
      options: [...user, '--ready', 'notify', '--ready-timeout', '100ms'],
      actions: ['hang'],
      status: 75,
    },
  ])('$what', async ({ options, actions, status }, ctx) => {
    machine.needRoot(ctx);
    machine.needCommands(ctx, 'unshare');
    const place = pools.makePlace();
    if (actions === undefined) writeFileSync(place.socket, 'not a socket');
    const line = pools.commandLine(place, ['-P', place.pidFile, ...options], actions);
    const script = ['--pid', '--fork', '--mount-proc', 'sh', '-c', countRest, 'sh', pools.oursPath, ...line];
    const result = await machine.runCommand('unshare', script, { cwd: place.dir });
    expect(result).toMatchObject({ status: 0, stdout: `status ${status}\n` });
    await pools.expectNothingLeft(place, actions === undefined ? ['run/app.sock'] : []);
  });
});

test('a stderr that is a full pipe, which nobody reads, delays a start at most', async (ctx) => {
  machine.needCommands(ctx, 'bash', 'mkfifo', 'dd');
  const place = pools.makePlace();
  const pipe = join(place.dir, 'pipe');
  // One worker dies at first, and the start says so.
  const line = pools.commandLine(
    place,
    ['-F', '2', '-P', place.pidFile, '--restart-delay', '20ms'],
    [`once=${join(place.dir, 'once')}`, 'exit=3', 'serve'],
  );
  const script = `mkfifo '${pipe}'; exec 5<>'${pipe}'; dd if=/dev/zero oflag=nonblock bs=4096 >&5 2>'${pipe}.dd'; "$@" 2>&5`;
  const result = await machine.runCommand('bash', ['-c', script, 'bash', pools.oursPath, ...line], {
    cwd: place.dir,
    timeoutMs: 8_000,
  });
  expect(result).toMatchObject({ status: 0, timedOut: false });
  const pid = Number(readFileSync(place.pidFile, 'utf8'));
  await pools.fullPool({ pid }, 2);
  process.kill(pid, 'SIGTERM');
  await pools.expectNothingLeft(place);
});

/** Once the worker has reported itself: its environment is there by then. */
async function environmentOf(place: pools.Place, pid: number): Promise<string[]> {
  await machine.waitFor('the report of the worker', () => pools.starts(place).some((one) => one.pid === pid));
  return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').slice(0, -1);
}

function runInBash(
  place: pools.Place,
  script: string,
  options: readonly string[] = [],
): Promise<machine.RunResult> {
  const args = ['-c', script, 'bash', pools.oursPath, ...pools.commandLine(place, options)];
  return machine.runCommand('bash', args, { cwd: place.dir, timeoutMs: 8_000 });
}

/** Through test/fixtures/caller.c, which sets up what no shell can. */
function runAs(
  place: pools.Place,
  settings: readonly string[],
  options: readonly string[],
): Promise<machine.RunResult> {
  const args = [...settings, '--', pools.oursPath, ...pools.commandLine(place, options)];
  return machine.runCommand(compileC(fixture('caller.c')), args, { cwd: place.dir, timeoutMs: 8_000 });
}

test.for(['1', '2'])(
  'a /proc with hidepid=%s, which hides the command from the dropped supervisor, is enough',
  async (hide, ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const script = `mount -t proc -o hidepid=${hide} proc /proc && exec "$@"`;
    const args = pools.commandLine(place, [
      '-u',
      String(machine.NOBODY),
      '-g',
      String(machine.NOBODY),
      '-P',
      place.pidFile,
    ]);
    const result = await machine.runCommand(
      'unshare',
      ['--mount', 'sh', '-c', script, 'sh', pools.oursPath, ...args],
      {
        cwd: place.dir,
      },
    );
    expect(result.status).toBe(0);
    expect(readFileSync(place.pidFile, 'utf8')).toBe(String(pools.printedPids(result.stdout)[0]));
  },
);
