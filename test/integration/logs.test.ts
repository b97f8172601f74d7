// `spawn-fcgictl logs`: the events of a pool wherever they go, over rotation, and what it does not let itself be led to.
import * as fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { LogPlace } from '../../src/core/log-target.ts';
import { writeState } from '../helpers/fakes/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const { makeTempDir, waitFor } = machine;
const { ctl, ctlPath, oursPath } = pools;
const target = '127.0.0.1:9000';

/** A pool that is this process, and has said that its events go there. */
function poolWithLog(log: LogPlace): string {
  const stateDir = pools.makeStateDir();
  writeState(stateDir, target, { memories: { log } });
  return stateDir;
}

function numbered(first: number, last: number): string {
  let text = '';
  for (let number = first; number <= last; number++) text += `line ${number}\n`;
  return text;
}

test('shows the last 10 lines of --log FILE, or as many as one likes, also of a killed pool', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place);
  await pools.waitForEvents(place, 'pool-up');
  fs.appendFileSync(place.log, numbered(1, 20_000));
  const logs = async (...args: string[]): Promise<string> => {
    const result = await ctl(place.stateDir, ['logs', ...args, place.socket]);
    expect(result).toMatchObject({ status: 0, stderr: '' });
    return result.stdout;
  };
  expect(await logs()).toBe(numbered(19_991, 20_000));
  expect(await logs('-n', '2')).toBe(numbered(19_999, 20_000));
  expect(await logs('-n', 'all')).toBe(fs.readFileSync(place.log, 'utf8'));
  const { stdout } = await ctl(place.stateDir, ['status', '--json']);
  expect(JSON.parse(stdout)).toMatchObject([{ log: { kind: 'file', path: place.log } }]);
  process.kill(pool.pid, 'SIGKILL');
  await waitFor('its end', async () => (await ctl(place.stateDir, ['ping', place.socket])).status === 1);
  expect(await logs('-n', '1')).toBe(numbered(20_000, 20_000));
  expect(await ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
});

describe('with -f', () => {
  test('reads on over a rename and a truncation, and ends by ^C', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place);
    await pools.onlyWorker(pool);
    const follower = follow(place.stateDir, place.socket);
    const shows = (name: string, count = 1): Promise<unknown> =>
      waitFor(`${count} of ${name}`, () => follower.stdout().split(`"event":"${name}"`).length > count);
    await shows('pool-up');
    fs.renameSync(place.log, `${place.log}.1`);
    process.kill(pool.pid, 'SIGTTIN');
    await shows('scaled');
    process.kill(pool.pid, 'SIGUSR1');
    await shows('logs-reopened');
    // A truncation shows by the size alone: what comes behind it must be shorter than what was read.
    for (let count = 1; count <= 3; count++) {
      process.kill(pool.pid, 'SIGUSR2');
      await shows('signal-ignored', count);
    }
    fs.copyFileSync(place.log, `${place.log}.2`);
    fs.truncateSync(place.log);
    process.kill(pool.pid, 'SIGTTOU');
    await shows('scaled', 2);
    process.kill(follower.pid, 'SIGINT');
    expect(await follower.ended).toMatchObject({ signal: 'SIGINT' });
    const all = [`${place.log}.1`, `${place.log}.2`, place.log].map((path) => fs.readFileSync(path, 'utf8'));
    expect(all.join('').startsWith(follower.stdout())).toBe(true);
    await pools.endPool(place, pool);
  });

  test('waits for a file that is not there, and ends when nobody reads any more', async () => {
    const path = join(makeTempDir(), 'app.log');
    const stateDir = poolWithLog({ kind: 'file', path });
    const line = '"$@" | head -n 1';
    const reader = pools.startForeground(
      ['-c', line, 'sh', ctlPath, '--state-dir', stateDir, 'logs', '-n', 'all', '-f', target],
      { command: '/bin/sh' },
    );
    let [count, isOver] = [0, false];
    void reader.ended.then(() => (isOver = true));
    // That nobody reads is seen when there is something to read.
    await waitFor('its end', () => isOver || fs.appendFileSync(path, `line ${++count}\n`), {
      intervalMs: 50,
    });
    expect(reader.stdout()).toBe('line 1\n');
  });
});

function follow(stateDir: string, pool: string): pools.ForegroundPool {
  return pools.startForeground(['--state-dir', stateDir, 'logs', '-n', 'all', '-f', pool], {
    command: ctlPath,
  });
}

test('in the foreground says who has the events, or shows the file that standard error is', async () => {
  const place = pools.makePlace();
  const args = [
    '-s',
    place.socket,
    '--state-dir',
    place.stateDir,
    '-n',
    '--supervise',
    '--',
    place.app,
    'serve',
  ];
  const piped = pools.startForeground(['-c', '"$@" 2>&1 | cat', 'sh', oursPath, ...args], {
    command: '/bin/sh',
  });
  await waitFor('the pool', () => piped.stdout().includes('pool up'));
  const result = await ctl(place.stateDir, ['logs', place.socket]);
  expect(result).toMatchObject({ status: 1, stdout: '' });
  expect(result.stderr).toMatch(
    /: its events go to standard error of whoever started it, a pipe that PID \d+ \(cat\) reads; --log FILE keeps them\n$/,
  );
  expect(await ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });

  const line = `exec "$0" "$@" 2>'${place.log}'`;
  const filed = pools.startForeground(['-c', line, oursPath, ...args], {
    command: '/bin/sh',
  });
  await waitFor(
    'the file',
    () => fs.existsSync(place.log) && fs.readFileSync(place.log, 'utf8').includes('pool up'),
  );
  const shown = await ctl(place.stateDir, ['logs', place.socket]);
  expect(shown).toEqual({ ...shown, status: 0, stdout: fs.readFileSync(place.log, 'utf8'), stderr: '' });
  await pools.endPool(place, filed);
});

describe('what is not a log that may be read is refused by its path:', () => {
  test.for([
    ['a link', (path: string) => fs.symlinkSync('/etc/passwd', path), 5, 'is a symbolic link'],
    ['a directory', (path: string) => fs.mkdirSync(path), 1, 'is no regular file'],
    ['nothing', () => undefined, 1, 'is not there'],
  ] as const)('%s', async ([, make, status, text]) => {
    const path = join(makeTempDir(), 'app.log');
    make(path);
    const result = await ctl(poolWithLog({ kind: 'file', path }), ['logs', target]);
    expect(result).toMatchObject({ status, stdout: '' });
    expect(result.stderr).toMatch(new RegExp(`^spawn-fcgictl: [^\\n]*${path} ${text}[^\\n]*\\n$`));
  });

  test('a FIFO, without waiting for a writer', async (ctx) => {
    machine.needCommands(ctx, 'mkfifo');
    const path = join(makeTempDir(), 'app.log');
    await machine.runCommand('mkfifo', [path]);
    const result = await ctl(poolWithLog({ kind: 'file', path }), ['logs', target]);
    expect(result).toMatchObject({ status: 1, stdout: '', timedOut: false });
  });

  test('as root a file of somebody else, and one with another name', async (ctx) => {
    machine.needRoot(ctx);
    const dir = makeTempDir();
    const path = join(dir, 'app.log');
    fs.writeFileSync(path, 'secret\n');
    const stateDir = poolWithLog({ kind: 'file', path });
    expect(await ctl(stateDir, ['logs', target])).toMatchObject({ status: 0, stdout: 'secret\n' });
    machine.giveAway(path, 4321);
    const foreign = await ctl(stateDir, ['logs', target]);
    expect(foreign).toMatchObject({ status: 5, stdout: '' });
    expect(foreign.stderr).toContain(`${path} belongs to uid 4321, and not to root`);
    machine.giveAway(path, 0);
    fs.linkSync(path, join(dir, 'other'));
    const linked = await ctl(stateDir, ['logs', target]);
    expect(linked).toMatchObject({ status: 5, stdout: '' });
    expect(linked.stderr).toContain(`${path} has other names (hard links)`);
  });

  test("as root anything but that user's own, where the pool is another user's", async (ctx) => {
    machine.needRoot(ctx);
    const path = join(makeTempDir(), 'app.log');
    fs.writeFileSync(path, 'secret\n');
    const stateDir = poolWithLog({ kind: 'file', path });
    machine.giveAway(join(stateDir, `${target}.state`), machine.NOBODY);
    machine.giveAway(stateDir, machine.NOBODY);
    const result = await ctl(stateDir, ['logs', target]);
    expect(result).toMatchObject({ status: 5, stdout: '' });
    expect(result.stderr).toContain(`${path} belongs to root, and not to uid ${machine.NOBODY}`);
    machine.giveAway(path, machine.NOBODY);
    expect(await ctl(stateDir, ['logs', target])).toMatchObject({ status: 0, stdout: 'secret\n' });
  });

  test('one that the caller may not read', async (ctx) => {
    machine.needRoot(ctx);
    const path = join(makeTempDir(), 'app.log');
    fs.writeFileSync(path, 'secret\n', { mode: 0o600 });
    const stateDir = poolWithLog({ kind: 'file', path });
    machine.giveAway(join(stateDir, `${target}.state`), machine.NOBODY);
    machine.giveAway(stateDir, machine.NOBODY);
    const result = await ctl(stateDir, ['logs', target], { uid: machine.NOBODY, gid: machine.NOBODY });
    expect(result).toMatchObject({
      status: 5,
      stdout: '',
      stderr: `spawn-fcgictl: not permitted: ${path} cannot be read\n`,
    });
  });
});

test('as root sees the log of a pool that has a file system of its own there', async (ctx) => {
  machine.needRoot(ctx);
  machine.needCommands(ctx, 'unshare', 'mount');
  const place = pools.makePlace();
  const hidden = makeTempDir();
  const script = 'mount -t tmpfs hidden "$1" && shift && exec "$@"';
  const options = ['--log', join(hidden, 'app.log'), '-s', place.socket, '--state-dir', place.stateDir];
  const words = [hidden, oursPath, ...options, '--', place.app, 'serve'];
  await machine.runCommand('unshare', ['--mount', 'sh', '-c', script, 'sh', ...words]);
  await waitFor('its events', async () => {
    const { stdout } = await ctl(place.stateDir, ['logs', place.socket]);
    return stdout.includes(`pool up on ${place.socket}`);
  });
  expect(fs.existsSync(join(hidden, 'app.log'))).toBe(false);
  expect(await ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
});

test('a pool of an older supervisor does not say where its events go', async () => {
  const stateDir = pools.makeStateDir();
  writeState(stateDir, target);
  const result = await ctl(stateDir, ['logs', target]);
  expect(result).toMatchObject({ status: 1, stdout: '' });
  expect(result.stderr).toContain('its supervisor is of a version that does not say where its events go');
});

test('on a terminal nothing in a log is a control sequence, in a pipe all is as it was', async (ctx) => {
  machine.needCommands(ctx, 'script', 'stty');
  const path = join(makeTempDir(), 'app.log');
  fs.writeFileSync(path, 'a\tb \x1b]0;title\x07 \xff\nno end');
  const stateDir = poolWithLog({ kind: 'file', path });
  const piped = await ctl(stateDir, ['logs', target]);
  expect(piped.stdout).toBe(fs.readFileSync(path, 'utf8'));
  const terminal = machine.onTerminal('"$@"', [ctlPath, '--state-dir', stateDir, 'logs', target]);
  expect(await terminal.ended).toBe(0);
  expect(terminal.output()).toContain(`spawn-fcgictl: ${path}`);
  expect(terminal.output()).toContain(String.raw`\x1b]0;title\x07`);
  expect(terminal.output()).not.toContain('\x1b');
});
