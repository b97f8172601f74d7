// Signals to the supervisor that do not stop it, and the log that USR1 reopens.
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  chownSync,
  statSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isAlive, readOpenFiles, readStat } from '../helpers/machine/processes.ts';
import { needCommands, needRoot } from '../helpers/machine/requirements.ts';
import { NOBODY } from '../helpers/machine/users.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { oursPath } from '../helpers/pool/command-under-test.ts';
import {
  commandLine,
  endPool,
  events,
  expectNothingLeft,
  makePlace,
  onlyWorker,
  processesOf,
  run,
  start,
  startStaying,
  visit,
  waitForEvents,
  type Place,
} from '../helpers/pool/place.ts';

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
    const place = makePlace();
    const pool = await start(place, ['--min-uptime', '1ms']);
    const worker = await onlyWorker(pool);
    process.kill(pool.pid, signal);
    // Answered in order: the pool still reopens its log and replaces a worker.
    process.kill(pool.pid, 'SIGUSR1');
    await waitForEvents(place, 'logs-reopened');
    process.kill(worker, 'SIGKILL');
    await onlyWorker(pool, [worker]);
    await visit({ path: place.socket });
    expect(isAlive(pool.pid)).toBe(true);
  });
});

test('real-time signals do not end the pool', async () => {
  const place = makePlace();
  const pool = await start(place);
  const worker = await onlyWorker(pool);
  for (const number of [34, 50, 64]) process.kill(pool.pid, number);
  process.kill(pool.pid, 'SIGUSR1');
  await waitForEvents(place, 'logs-reopened').catch(() => undefined);
  expect(isAlive(pool.pid)).toBe(true);
  expect(isAlive(worker)).toBe(true);
});

test('a start that waits for a pool to stop is neither ended nor stopped by signals without a meaning', async () => {
  const place = makePlace();
  const first = await start(place, ['--stop-timeout', '1s'], [`ignore=${constants.signals.SIGTERM}`, 'hang']);
  process.kill(first.pid, 'SIGTERM');
  await waitForEvents(place, 'stopping');
  const second = run(place);
  const { pid } = await waitFor('the second supervisor, with handlers', () =>
    processesOf(place).find(
      (one) => one.comm === 'app' && one.session === one.pid && ![one.pid, one.parent].includes(first.pid),
    ),
  );
  for (const signal of ['SIGUSR2', 'SIGALRM', 'SIGPROF', 'SIGTTIN', 'SIGTTOU', 34, 64])
    process.kill(pid, signal);
  const result = await second;
  expect(result).toMatchObject({ status: 0 });
  expect(isAlive(pid)).toBe(true);
});

test('USR2 and ALRM are logged as ignored', async () => {
  const place = makePlace();
  const pool = await start(place);
  const sent = ['SIGUSR2', 'SIGALRM'] as const;
  for (const signal of sent) process.kill(pool.pid, signal);
  const logged = await waitForEvents(place, 'signal-ignored', sent.length);
  expect(logged.map((event) => String(event['signal'])).toSorted()).toEqual([...sent].toSorted());
  expect(constants.signals.SIGUSR2).toBe(12);
});

test.for(['background', 'foreground'] as const)('SIGUSR1 opens no inspector, in the %s', async (where) => {
  const place = makePlace();
  const pool = where === 'background' ? await start(place) : startStaying(place, ['--supervise']);
  await waitForEvents(place, 'pool-up');
  // What follows on the word that it is up is done once it has heard a signal.
  process.kill(pool.pid, 'SIGUSR2');
  await waitForEvents(place, 'signal-ignored');
  const before = socketsOf(pool.pid);
  process.kill(pool.pid, 'SIGUSR1');
  await waitForEvents(place, 'logs-reopened');
  expect(socketsOf(pool.pid)).toEqual(before);
});

test('HUP reloads a foreground pool without a terminal', async () => {
  const place = makePlace();
  const pool = startStaying(place, ['--supervise', '--settle', '10ms']);
  await waitForEvents(place, 'pool-up');
  process.kill(pool.pid, 'SIGHUP');
  expect(await waitForEvents(place, 'reload-finished')).toMatchObject([{ result: 'reloaded' }]);
  expect(isAlive(pool.pid)).toBe(true);
});

test('HUP of a foreground pool whose terminal is gone stops it', async (ctx) => {
  needCommands(ctx, 'script');
  const place = makePlace();
  const words = [oursPath, ...commandLine(place, ['-n', '--supervise', '-P', place.pidFile])];
  const line = `exec ${words.map((word) => `'${word}'`).join(' ')}`;
  const terminal = spawn('script', ['-qfc', line, '/dev/null'], { stdio: 'ignore', cwd: place.dir });
  await waitForEvents(place, 'pool-up');
  const pid = Number(readFileSync(place.pidFile, 'utf8'));
  expect(readStat(pid)?.tty).not.toBe(0);
  terminal.kill('SIGKILL');
  expect(await waitForEvents(place, 'stopping')).toMatchObject([{ reason: 'SIGHUP' }]);
  await expectNothingLeft(place);
});

describe('USR1 with --log', () => {
  test('goes on in a new file after a rename', async () => {
    const place = makePlace();
    const pool = await start(place);
    const rotated = `${place.log}.1`;
    renameSync(place.log, rotated);
    process.kill(pool.pid, 'SIGUSR1');
    await waitForEvents(place, 'logs-reopened');
    const size = statSync(rotated).size;
    process.kill(await onlyWorker(pool), 'SIGKILL');
    await waitForEvents(place, 'worker-ended');
    expect(statSync(rotated).size).toBe(size);
    await endPool(place, pool);
    expect(events(place, 'stopped')).toHaveLength(1);
  });

  test('works for a pool of nobody, whose log file root created', async (ctx) => {
    needRoot(ctx);
    const place = makePlace();
    const logDir = join(place.dir, 'log');
    mkdirSync(logDir);
    chownSync(logDir, NOBODY, NOBODY);
    const nested = { ...place, log: join(logDir, 'events') };
    const pool = await start(nested, ['-u', 'nobody', '-g', 'nogroup']);
    expect(statSync(nested.log)).toMatchObject({ uid: NOBODY, gid: NOBODY, mode: 0o100640 });
    renameSync(nested.log, `${nested.log}.1`);
    process.kill(pool.pid, 'SIGUSR1');
    await waitForEvents(nested, 'logs-reopened');
  });

  test('keeps the old file when the new one cannot be opened, and says so once', async () => {
    const place = makePlace();
    const pool = await start(place);
    const rotated = `${place.log}.1`;
    renameSync(place.log, rotated);
    symlinkSync('/dev/null', place.log);
    process.kill(pool.pid, 'SIGUSR1');
    const warning = await waitFor('the warning', () => lastWarning(rotated));
    expect(warning).toContain('the old file stays in use');
    rmSync(place.log);
    process.kill(pool.pid, 'SIGUSR1');
    await waitForEvents(place, 'logs-reopened');
    expect(existsSync(place.log)).toBe(true);
  });
});

test.for(['a symbolic link', 'a directory'] as const)(
  '--log with %s is refused before anything runs',
  async (what) => {
    const place = makePlace();
    if (what === 'a directory') mkdirSync(place.log);
    else symlinkSync(join(place.dir, 'elsewhere'), place.log);
    await expect(start(place)).rejects.toThrow(/"status":255/);
    expect(existsSync(join(place.dir, 'elsewhere'))).toBe(false);
  },
);

function lastWarning(path: string): string | undefined {
  const place = { log: path } as Place;
  return events(place, 'warning').map(({ message }) => String(message))[0];
}

/** Sockets that the supervisor holds: its listening one and none of a debugger. */
function socketsOf(pid: number): string[] {
  return readOpenFiles(pid)
    .map(({ target }) => target)
    .filter((target) => target.startsWith('socket:'));
}

test('a log file is readable by its owner and group only, and lines are appended', async () => {
  const place = makePlace();
  const first = await start(place);
  await endPool(place, first);
  expect(statSync(place.log).mode & 0o777).toBe(0o640);
  await start(place);
  await waitForEvents(place, 'pool-up', 2);
  expect(readFileSync(place.log, 'utf8').split('\n').length).toBeGreaterThan(3);
});
