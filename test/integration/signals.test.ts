// Signals to the supervisor that do not stop it, and the log that USR1 reopens.
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

/** Those that end a process by default, without those that no process survives or that report its own faults. */
const harmless = [
  'SIGUSR1',
  'SIGUSR2',
  'SIGPIPE',
  'SIGALRM',
  'SIGVTALRM',
  'SIGPROF',
  'SIGIO',
  'SIGPWR',
  'SIGSTKFLT',
  'SIGXCPU',
  'SIGXFSZ',
  'SIGTTOU',
  'SIGTSTP',
  'SIGWINCH',
  'SIGURG',
  'SIGCONT',
  'SIGCHLD',
] as const;

describe.for(harmless)('%s', (signal) => {
  test('does not end or stop the pool', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--min-uptime', '1ms']);
    const worker = await pools.onlyWorker(pool);
    process.kill(pool.pid, signal);
    // Answered in order: the pool still reopens its log and replaces a worker.
    process.kill(pool.pid, 'SIGUSR1');
    await pools.waitForEvents(place, 'logs-reopened');
    process.kill(worker, 'SIGKILL');
    await pools.onlyWorker(pool, [worker]);
    await pools.visit({ path: place.socket });
    expect(machine.isAlive(pool.pid)).toBe(true);
  });
});

test('real-time signals do not end the pool', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place);
  const worker = await pools.onlyWorker(pool);
  for (const number of [34, 50, 64]) process.kill(pool.pid, number);
  process.kill(pool.pid, 'SIGUSR1');
  await pools.waitForEvents(place, 'logs-reopened').catch(() => undefined);
  expect(machine.isAlive(pool.pid)).toBe(true);
  expect(machine.isAlive(worker)).toBe(true);
});

test('a start that waits for a pool to stop is neither ended nor stopped by signals without a meaning', async () => {
  const place = pools.makePlace();
  const first = await pools.start(
    place,
    ['--stop-timeout', '1s'],
    [`ignore=${constants.signals.SIGTERM}`, 'hang'],
  );
  process.kill(first.pid, 'SIGTERM');
  await pools.waitForEvents(place, 'stopping');
  const second = pools.run(place);
  const { pid } = await machine.waitFor('the second supervisor, with handlers', () =>
    pools
      .processesOf(place)
      .find(
        (one) => one.comm === 'app' && one.session === one.pid && ![one.pid, one.parent].includes(first.pid),
      ),
  );
  for (const signal of ['SIGUSR2', 'SIGALRM', 'SIGPROF', 'SIGTTIN', 'SIGTTOU', 34, 64])
    process.kill(pid, signal);
  const result = await second;
  expect(result).toMatchObject({ status: 0 });
  expect(machine.isAlive(pid)).toBe(true);
});

test('USR2 and ALRM are logged as ignored', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place);
  const sent = ['SIGUSR2', 'SIGALRM'] as const;
  for (const signal of sent) process.kill(pool.pid, signal);
  const logged = await pools.waitForEvents(place, 'signal-ignored', sent.length);
  expect(logged.map((event) => String(event['signal'])).toSorted()).toEqual([...sent].toSorted());
  expect(constants.signals.SIGUSR2).toBe(12);
});

test.for(['background', 'foreground'] as const)('SIGUSR1 opens no inspector, in the %s', async (where) => {
  const place = pools.makePlace();
  const pool = where === 'background' ? await pools.start(place) : pools.startStaying(place, ['--supervise']);
  await pools.waitForEvents(place, 'pool-up');
  // What follows on the word that it is up is done once it has heard a signal.
  process.kill(pool.pid, 'SIGUSR2');
  await pools.waitForEvents(place, 'signal-ignored');
  const before = socketsOf(pool.pid);
  process.kill(pool.pid, 'SIGUSR1');
  await pools.waitForEvents(place, 'logs-reopened');
  expect(socketsOf(pool.pid)).toEqual(before);
});

test('HUP reloads a foreground pool without a terminal', async () => {
  const place = pools.makePlace();
  const pool = pools.startStaying(place, ['--supervise', '--settle', '10ms']);
  await pools.waitForEvents(place, 'pool-up');
  process.kill(pool.pid, 'SIGHUP');
  expect(await pools.waitForEvents(place, 'reload-finished')).toMatchObject([{ result: 'reloaded' }]);
  expect(machine.isAlive(pool.pid)).toBe(true);
});

test('HUP of a foreground pool whose terminal is gone stops it', async (ctx) => {
  machine.needCommands(ctx, 'script');
  const place = pools.makePlace();
  const words = [pools.oursPath, ...pools.commandLine(place, ['-n', '--supervise', '-P', place.pidFile])];
  const line = `exec ${words.map((word) => `'${word}'`).join(' ')}`;
  const terminal = spawn('script', ['-qfc', line, '/dev/null'], { stdio: 'ignore', cwd: place.dir });
  await pools.waitForEvents(place, 'pool-up');
  const pid = Number(fs.readFileSync(place.pidFile, 'utf8'));
  expect(machine.readStat(pid)?.tty).not.toBe(0);
  terminal.kill('SIGKILL');
  expect(await pools.waitForEvents(place, 'stopping')).toMatchObject([{ reason: 'SIGHUP' }]);
  await pools.expectNothingLeft(place);
});

describe('USR1 with --log', () => {
  test('goes on in a new file after a rename', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place);
    const rotated = `${place.log}.1`;
    fs.renameSync(place.log, rotated);
    process.kill(pool.pid, 'SIGUSR1');
    await pools.waitForEvents(place, 'logs-reopened');
    const size = fs.statSync(rotated).size;
    process.kill(await pools.onlyWorker(pool), 'SIGKILL');
    await pools.waitForEvents(place, 'worker-ended');
    expect(fs.statSync(rotated).size).toBe(size);
    await pools.endPool(place, pool);
    expect(pools.events(place, 'stopped')).toHaveLength(1);
  });

  test('works for a pool of nobody, whose log file root created', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const logDir = join(place.dir, 'log');
    fs.mkdirSync(logDir);
    fs.chownSync(logDir, machine.NOBODY, machine.NOBODY);
    const nested = { ...place, log: join(logDir, 'events') };
    const pool = await pools.start(nested, ['-u', 'nobody', '-g', 'nogroup']);
    expect(fs.statSync(nested.log)).toMatchObject({
      uid: machine.NOBODY,
      gid: machine.NOBODY,
      mode: 0o100640,
    });
    fs.renameSync(nested.log, `${nested.log}.1`);
    process.kill(pool.pid, 'SIGUSR1');
    await pools.waitForEvents(nested, 'logs-reopened');
  });

  test('keeps the old file when the new one cannot be opened, and says so once', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place);
    const rotated = `${place.log}.1`;
    fs.renameSync(place.log, rotated);
    fs.symlinkSync('/dev/null', place.log);
    process.kill(pool.pid, 'SIGUSR1');
    const warning = await machine.waitFor('the warning', () => lastWarning(rotated));
    expect(warning).toContain('the old file stays in use');
    fs.rmSync(place.log);
    process.kill(pool.pid, 'SIGUSR1');
    await pools.waitForEvents(place, 'logs-reopened');
    expect(fs.existsSync(place.log)).toBe(true);
  });
});

test.for(['a symbolic link', 'a directory'] as const)(
  '--log with %s is refused before anything runs',
  async (what) => {
    const place = pools.makePlace();
    if (what === 'a directory') fs.mkdirSync(place.log);
    else fs.symlinkSync(join(place.dir, 'elsewhere'), place.log);
    await expect(pools.start(place)).rejects.toThrow(/"status":255/);
    expect(fs.existsSync(join(place.dir, 'elsewhere'))).toBe(false);
  },
);

function lastWarning(path: string): string | undefined {
  const place = { log: path } as pools.Place;
  return pools.events(place, 'warning').map(({ message }) => String(message))[0];
}

/** Sockets that the supervisor holds: its listening one and none of a debugger. */
function socketsOf(pid: number): string[] {
  return machine
    .readOpenFiles(pid)
    .map(({ target }) => target)
    .filter((target) => target.startsWith('socket:'));
}

test('a log file is readable by its owner and group only, and lines are appended', async () => {
  const place = pools.makePlace();
  const first = await pools.start(place);
  await pools.endPool(place, first);
  expect(fs.statSync(place.log).mode & 0o777).toBe(0o640);
  await pools.start(place);
  await pools.waitForEvents(place, 'pool-up', 2);
  expect(fs.readFileSync(place.log, 'utf8').split('\n').length).toBeGreaterThan(3);
});
