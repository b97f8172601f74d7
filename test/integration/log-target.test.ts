// --log on a descriptor that the caller has open, and the file of --log after a start that failed.
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fileLog } from '../../src/sys/log/event-log.ts';
import { needCommands, needRoot, runCommand, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const timed = /^\d{4}-\d\d-\d\dT\S+Z spawn-fcgi\[\d+\] app: pool up/m;
const untimed = /^spawn-fcgi\[\d+\] app: pool up/m;

describe('--log', () => {
  test.for([
    ['-', 'stdout'],
    ['/dev/stdout', 'stdout'],
    ['/dev/stderr', 'stderr'],
    ['/dev/fd/1', 'stdout'],
    ['/proc/self/fd/2', 'stderr'],
  ] as const)('%s is %s of the caller, in the background and in the foreground', async ([target, stream]) => {
    const place = pools.makePlace();
    for (const options of [[], ['-n']]) {
      const command = pools.startForeground([...options, ...own(place, target)], { cwd: place.dir });
      const pid = await upOf(command);
      await waitFor('the event', () => untimed.test(command[stream]()));
      expect(untimed.test(command[stream === 'stdout' ? 'stderr' : 'stdout']())).toBe(false);
      await pools.endPool(place, { pid });
      await waitFor('the last event', () => command[stream]().includes('app: stopped\n'));
    }
  });

  test.for([[], ['-n']])('a higher number is a descriptor of the caller, with %j', async (options) => {
    const place = pools.makePlace();
    const args = ['-c', 'exec "$@" 9>events', 'sh', pools.oursPath, ...options, ...own(place, '/dev/fd/9')];
    const command = pools.startForeground(args, { command: '/bin/sh', cwd: place.dir });
    const pid = await upOf(command);
    const file = join(place.dir, 'events');
    await waitFor('the event', () => timed.test(readFileSync(file, 'utf8')));
    const links = linksOf(pid);
    expect(links.filter((link) => link === file)).toHaveLength(1);
    await pools.endPool(place, { pid });
  });

  test('in the background keeps that one descriptor and no other of the caller', async () => {
    const place = pools.makePlace();
    const script = 'exec "$@" >out 2>err 9>lock';
    const args = ['-c', script, 'sh', pools.oursPath, ...own(place, '/dev/stdout')];
    const { status } = await runCommand('/bin/sh', args, { cwd: place.dir });
    expect(status).toBe(0);
    const out = readFileSync(join(place.dir, 'out'), 'utf8');
    const [pid = 0] = pools.printedPids(out);
    // It leaves the streams of the command when that has returned, and tells of the pool behind that.
    await waitFor('the event', () => timed.test(readFileSync(join(place.dir, 'out'), 'utf8')));
    const links = linksOf(pid).filter(
      (link) => link.startsWith(place.dir) && !link.startsWith(place.stateDir),
    );
    expect(links).toContain(join(place.dir, 'out'));
    expect(links).not.toContain(join(place.dir, 'err'));
    expect(links).not.toContain(join(place.dir, 'lock'));
    await pools.endPool(place, { pid });
  });

  test.for([
    ['0', [], '', 'descriptor 0 is for input'],
    ['3', [], '3>x', 'the command itself uses descriptor 3 in the background; take 1, 2, or one from 5 on'],
    ['9', [], '', 'Bad file descriptor'],
    ['9', ['-n'], '', 'Bad file descriptor'],
    ['9', [], '9</dev/null', 'it is not open for writing'],
    ['9', ['-n'], '9</dev/null', 'it is not open for writing'],
  ] as const)('/dev/fd/%s with %j and %s is refused', async ([number, options, redirection, reason]) => {
    const place = pools.makePlace();
    const target = `/dev/fd/${number}`;
    const args = ['-c', `exec "$@" ${redirection}`, 'sh', pools.oursPath, ...options, ...own(place, target)];
    const result = await runCommand('/bin/sh', args, { cwd: place.dir });
    expect(result.status).toBe(255);
    expect(pools.withoutHints(result.stderr)).toBe(
      `spawn-fcgi: opening log file '${target}' failed: ${reason}`,
    );
    expect(existsSync(place.socket)).toBe(false);
  });

  test("no descriptor of Node's own is taken for one of the caller", async () => {
    const place = pools.makePlace();
    const numbers = Array.from({ length: 40 }, (_unused, index) => index + 3);
    for (const number of numbers) {
      const args = ['-n', ...own(place, `/dev/fd/${number}`)];
      const { stderr } = await runCommand(pools.oursPath, args, { cwd: place.dir, timeoutMs: 5000 });
      expect(stderr).toMatch(new RegExp(`/dev/fd/${number}' failed: `));
    }
  });
});

test('events on standard error have a time in a file, and none in a pipe', async () => {
  const place = pools.makePlace();
  const args = [
    '-n',
    '--supervise',
    '-s',
    place.socket,
    '--state-dir',
    place.stateDir,
    '--',
    place.app,
    'serve',
  ];
  const piped = pools.startForeground(args, { cwd: place.dir });
  await waitFor('the event', () => untimed.test(piped.stderr()));
  await pools.endPool(place, piped);
  const filed = pools.startForeground(['-c', 'exec "$@" 2>err', 'sh', pools.oursPath, ...args], {
    command: '/bin/sh',
    cwd: place.dir,
  });
  await waitFor('the announcement', () => filed.stdout().includes('successfully'));
  await waitFor('the event', () => timed.test(readFileSync(join(place.dir, 'err'), 'utf8')));
  await pools.endPool(place, filed);
});

test('events on a terminal have a time', async (ctx) => {
  needCommands(ctx, 'script');
  const place = pools.makePlace();
  const line = `'${pools.oursPath}' -n ${own(place, '-')
    .map((word) => `'${word}'`)
    .join(' ')}`;
  const terminal = pools.startForeground(['-qec', line, '/dev/null'], { command: 'script', cwd: place.dir });
  await waitFor('the event', () => timed.test(terminal.stdout().replaceAll('\r', '')));
  const [pid = 0] = pools.printedPids(terminal.stdout().replaceAll('\r', ''));
  await pools.endPool(place, { pid });
});

describe('the file of --log, when the start fails,', () => {
  const fail = async (place: pools.Place, log: string, options: readonly string[] = []): Promise<void> => {
    const args = [...options, '-s', place.socket, '--state-dir', place.stateDir, '--log', log];
    const result = await runCommand(pools.oursPath, [...args, '--', '/none/app'], { cwd: place.dir });
    expect(result.status).toBe(2);
  };

  test.for([[], ['-n']])('is not left behind empty, with %j', async (options) => {
    const place = pools.makePlace();
    await fail(place, place.log, options);
    expect(existsSync(place.log)).toBe(false);
  });

  test('is removed also where only root may', async (ctx) => {
    needRoot(ctx);
    const place = pools.makePlace();
    const directory = join(place.dir, 'logs');
    mkdirSync(directory, { mode: 0o755 });
    await fail(place, join(directory, 'app.log'), ['-u', 'nobody', '-g', 'nogroup']);
    expect(readdirSync(directory)).toEqual([]);
  });

  test('stays if it was there', async () => {
    const place = pools.makePlace();
    writeFileSync(place.log, '');
    await fail(place, place.log);
    expect(readFileSync(place.log, 'utf8')).toBe('');
  });

  test('stays if another pool has it by now, or lines are in it', () => {
    const { log } = pools.makePlace();
    const options = { format: 'human', name: 'app', address: log, pid: process.pid } as const;
    const undo: (() => boolean)[] = [];
    const open = (): ReturnType<typeof fileLog> =>
      fileLog(log, { uid: 0, gid: 0, userName: undefined }, options, (_file, one) => undo.push(one));
    const first = open();
    open();
    expect(undo).toHaveLength(1);
    expect(undo[0]?.()).toBe(true);
    expect(existsSync(log)).toBe(true);
    first.write({ event: 'stopped' });
    expect(undo[0]?.()).toBe(true);
    expect(readFileSync(log, 'utf8')).toContain('stopped');
  });

  test('beside one that runs is used by both', async () => {
    const place = pools.makePlace();
    const pool = await pools.startPool(own(place, place.log), { cwd: place.dir });
    await fail({ ...place, socket: `${place.socket}.2` }, place.log);
    await pools.endPool(place, pool);
    expect(readFileSync(place.log, 'utf8')).toContain('app: stopped\n');
  });
});

function own(place: pools.Place, log: string): string[] {
  return ['-s', place.socket, '--state-dir', place.stateDir, '--log', log, '--', place.app, 'serve'];
}

async function upOf(command: pools.ForegroundPool): Promise<number> {
  const [pid = 0] = await waitFor('the pool', () => {
    const pids = pools.printedPids(command.stdout());
    return pids.length > 0 && pids;
  });
  return pid;
}

function linksOf(pid: number): string[] {
  const path = `/proc/${pid}/fd`;
  return readdirSync(path).flatMap((name) => {
    try {
      return [readlinkSync(join(path, name))];
    } catch {
      // Closed since the list was read.
      return [];
    }
  });
}

test('a new file of --log that cannot be given to the user of -u is refused in one line, and not left', async (ctx) => {
  needRoot(ctx);
  needCommands(ctx, 'setpriv');
  const place = pools.makePlace();
  const args = [
    '--bounding-set=-chown',
    '--inh-caps=-chown',
    pools.oursPath,
    '-u',
    'nobody',
    '-g',
    'nogroup',
  ];
  const { status, stderr } = await runCommand('setpriv', [...args, ...own(place, place.log)], {
    cwd: place.dir,
  });
  expect(status).toBe(255);
  expect(pools.withoutHints(stderr)).toBe(
    `spawn-fcgi: opening log file '${place.log}' failed: it cannot be given to uid 65534: Operation not permitted`,
  );
  expect(stderr).toContain('CAP_CHOWN');
  expect(existsSync(place.log)).toBe(false);
});
