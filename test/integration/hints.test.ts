// Errors that help: the line is 1.6's, and a hint below it says what to do.
import * as fs from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

describe('an address in use by a stranger', () => {
  test.for(['127.0.0.1', '0.0.0.0', '::1'])(
    'on %s names the PID and name of who holds the port',
    async (host) => {
      const place = pools.makePlace();
      const server = await listen({ host: host === '::1' ? '::1' : '127.0.0.1', port: 0 });
      const { port } = server.address() as AddressInfo;
      const result = await pools.run(place, [], ['serve'], { address: ['-a', host, '-p', String(port)] });
      expect(result.status).toBe(255);
      expect(pools.withoutHints(result.stderr)).toBe('spawn-fcgi: bind failed: Address already in use');
      expectHint(result, [`PID ${process.pid}`, machine.readStat(process.pid)?.comm ?? '', String(port)]);
    },
  );

  test('names who holds the socket file', async () => {
    const place = pools.makePlace();
    await listen({ path: place.socket });
    const result = await pools.run(place);
    expect(result.status).toBe(255);
    expect(pools.withoutHints(result.stderr)).toBe("spawn-fcgi: socket is already in use, can't spawn");
    expectHint(result, [`PID ${process.pid}`, place.socket]);
  });

  test('whose name has an escape sequence does not move the terminal', async () => {
    const place = pools.makePlace();
    await listen({ path: place.socket });
    const own = `/proc/${process.pid}/comm`;
    const before = fs.readFileSync(own, 'latin1').trim();
    machine.atEnd(() => fs.writeFileSync(own, before));
    fs.writeFileSync(own, 'e\x1b[31mvil\x07');
    const result = await pools.run(place);
    expect(result.stderr).toContain(String.raw`(e\x1b[31mvil\x07)`);
    expect(result.stderr).not.toMatch(/[^ -~\n]/);
  });

  test('with two holders of the port is blamed on the one whose address collides', async () => {
    const place = pools.makePlace();
    const port = await machine.freePort();
    const stranger = await holdPort('127.0.0.2', port);
    await holdPort('127.0.0.1', port);
    for (const host of ['127.0.0.2', '127.0.0.1']) {
      const result = await pools.run(place, [], ['serve'], { address: ['-a', host, '-p', String(port)] });
      expect(result.stderr.includes(`PID ${stranger} `)).toBe(host === '127.0.0.2');
      expectHint(result, [`${host}:${port} is held by PID `]);
    }
  });

  test('names who bound the socket file by another path', async () => {
    const place = pools.makePlace();
    const before = process.cwd();
    process.chdir(place.runDir);
    await listen({ path: 'app.sock' }).finally(() => process.chdir(before));
    expectHint(await pools.run(place), [`PID ${process.pid}`, place.socket]);
  });

  test('that another user may not look into says what root can run', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const server = await listen({ host: '127.0.0.1', port: 0 });
    const { port } = server.address() as AddressInfo;
    const result = await runAsNobody(place, ['-a', '127.0.0.1', '-p', String(port)]);
    expect(result.status).toBe(255);
    expectHint(result, ['ss -ltnp', String(port)]);
  });
});

describe('a program that cannot be executed', () => {
  const scripts: readonly (readonly [string, string, number, number, RegExp])[] = [
    ['a script without x bit', '#!/bin/sh\n', 0o644, 13, /chmod \+x/],
    ['a #! line that ends in CRLF', '#!/bin/sh\r\nexit\r\n', 0o755, 2, /CRLF/],
    ['a missing interpreter', '#!/opt/missing/perl -w\n', 0o755, 2, /\/opt\/missing\/perl/],
    ['no #! line', 'echo hello\n', 0o755, 8, /#! line/],
  ];

  test.for(scripts)('for %s', async ([, text, mode, status, hint]) => {
    const place = pools.makePlace();
    fs.writeFileSync(place.app, text);
    fs.chmodSync(place.app, mode);
    for (const options of [[], ['-n', '--no-supervise'], ['--no-supervise']]) {
      const how = options.length > 0 ? bare(place, options) : pools.commandLine(place, []);
      const result = await machine.runCommand(pools.oursPath, how, { cwd: place.dir });
      expect(result.status).toBe(status);
      expect(pools.hintsOf(result.stderr).join('\n')).toMatch(hint);
      expect(fs.existsSync(place.socket)).toBe(false);
    }
  });

  test.for([
    ['in a directory that the -u user may not search', 0o700, 0o755, 'may not search a directory above that'],
    ['that the -u user may not execute', 0o755, 0o700, 'which the user may not execute'],
    ['without x bit', 0o755, 0o644, 'which is not executable'],
  ] as const)('for an interpreter %s', async ([, directoryMode, fileMode, hint], ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const directory = join(place.dir, 'private');
    const interpreter = join(directory, 'interpreter');
    fs.mkdirSync(directory);
    fs.copyFileSync('/bin/sh', interpreter);
    fs.chmodSync(interpreter, fileMode);
    fs.chmodSync(directory, directoryMode);
    fs.writeFileSync(place.app, `#!${interpreter}\n`);
    fs.chmodSync(place.app, 0o755);
    const user = ['-u', 'nobody', '-g', 'nogroup'];
    for (const how of [pools.commandLine(place, user), bare(place, ['-n', ...user])]) {
      const result = await machine.runCommand(pools.oursPath, how, { cwd: place.dir });
      expect(result.status).toBe(13);
      expectHint(result, [interpreter, hint]);
    }
  });

  test('for a directory', async () => {
    const place = pools.makePlace();
    const program = join(place.dir, 'directory');
    fs.mkdirSync(program);
    const result = await pools.run({ ...place, app: program });
    expect(result.status).toBe(13);
    expectHint(result, ['is a directory']);
  });

  test('for a name without a slash that only PATH has', async () => {
    const place = pools.makePlace();
    const result = await pools.run({ ...place, app: 'true' });
    expect(result.status).toBe(2);
    expectHint(result, ['never in PATH']);
  });

  test('in place for a name with a slash, which nobody looks for in PATH', async () => {
    const place = pools.makePlace();
    const result = await machine.runCommand(pools.oursPath, ['-n', '-s', place.socket, '--', './nope'], {
      cwd: place.dir,
    });
    expect(pools.hintsOf(result.stderr)).toEqual(["there is no './nope'"]);
  });

  test('by -f', async () => {
    const place = pools.makePlace();
    const args = [...bare(place, []).slice(0, -2), '-f', join(place.dir, 'missing')];
    const result = await machine.runCommand(pools.oursPath, args, { cwd: place.dir });
    expect(result.status).toBe(127);
    expectHint(result, ['there is no', 'missing']);
  });
});

test('an option without its argument before a bare program says where -- belongs', async () => {
  const place = pools.makePlace();
  const args = ['-s', place.socket, '--state-dir', place.stateDir, '/usr/sbin/fcgiwrap', '-f'];
  const result = await machine.runCommand(pools.oursPath, args, { cwd: place.dir });
  expect(result.status).toBe(255);
  expect(pools.withoutHints(result.stderr)).toMatch(/option requires an argument -- 'f'/);
  expectHint(result, ['-- /usr/sbin/fcgiwrap']);
});

describe('a privileged port', () => {
  test('as a user says what to do', async (ctx) => {
    const first = Number(fs.readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
    ctx.skip(first < 700, 'needs privileged ports');
    const port = await machine.freePort(600, 699).catch(() => 650);
    const place = pools.makePlace();
    const result = await runAsNobody(place, ['-a', '127.0.0.1', '-p', String(port)]);
    expect(result.status).toBe(255);
    expect(pools.withoutHints(result.stderr)).toBe('spawn-fcgi: bind failed: Permission denied');
    expectHint(result, ['root']);
  });
});

describe('options of root', () => {
  test('-u NUMBER without a passwd entry and without -g prints the ready option', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const result = await pools.run(place, ['-u', '54321']);
    expect(result).toMatchObject({ status: 255, stdout: '' });
    expect(result.stderr).toContain('-g 54321');
    expect(fs.existsSync(place.socket)).toBe(false);
  });

  test('given by another user are ignored, and a hint says so', async () => {
    const place = pools.makePlace();
    const result = await runAsNobody(
      place,
      ['-a', '127.0.0.1', '-p', String(await machine.freePort())],
      ['-u', 'root', '-c', '/'],
    );
    expect(result.status).toBe(0);
    expectHint(result, ['-c, -u ignored']);
  });
});

test('/dev/log that is missing is told once, where events would go there', async () => {
  const place = pools.makePlace();
  const args = ['-s', place.socket, '--state-dir', place.stateDir, '--', place.app, 'serve', place.dir];
  const result = await machine.runCommand(pools.oursPath, args, { cwd: place.dir });
  expect(result.status).toBe(0);
  const told = pools.hintsOf(result.stderr).filter((hint) => hint.includes('/dev/log'));
  expect(told).toHaveLength(fs.existsSync('/dev/log') ? 0 : 1);
  expect(pools.hintsOf((await pools.start({ ...place, socket: `${place.socket}.2` })).stderr)).toEqual([]);
});

test('a host name that does not resolve is refused', async () => {
  const place = pools.makePlace();
  const result = await pools.run(place, [], ['serve'], {
    address: ['-a', 'no-such-host.invalid', '-p', '9000'],
  });
  expect(result).toMatchObject({ status: 255, stdout: '' });
  expect(result.stderr).toContain('no-such-host.invalid');
});

test('a missing directory of the socket is named', async () => {
  const place = pools.makePlace();
  const socket = join(place.dir, 'missing/app.sock');
  const result = await pools.run({ ...place, socket });
  expect(result.status).toBe(255);
  expect(pools.withoutHints(result.stderr)).toBe('spawn-fcgi: bind failed: No such file or directory');
  expectHint(result, [socket]);
});

/** The command line without options that need a supervisor. */
/** A process of its own that listens; its PID. */
async function holdPort(host: string, port: number): Promise<number> {
  const script = `require('node:net').createServer().listen(${port}, '${host}', () => console.log('ready'))`;
  const holder = pools.startForeground(['-e', script], { command: process.execPath });
  await machine.waitFor('the holder', () => holder.stdout().includes('ready'));
  return holder.pid;
}

function bare(place: pools.Place, options: readonly string[]): string[] {
  return ['-s', place.socket, ...options, '--', place.app];
}

function runAsNobody(
  place: pools.Place,
  address: readonly string[],
  options: readonly string[] = [],
): Promise<machine.RunResult> {
  const user = machine.isRoot ? { uid: machine.NOBODY, gid: machine.NOBODY } : {};
  fs.mkdirSync(place.stateDir);
  if (machine.isRoot) fs.chownSync(place.stateDir, machine.NOBODY, machine.NOBODY);
  const state = ['--state-dir', place.stateDir];
  const args = [...address, ...state, ...options, '--', place.app, 'serve', place.dir];
  return machine.runCommand(pools.oursPath, args, {
    cwd: place.dir,
    env: { PATH: '/usr/bin:/bin' },
    ...user,
  });
}

function expectHint({ stderr }: machine.RunResult, words: readonly string[]): void {
  const hints = pools.hintsOf(stderr).join('\n');
  for (const word of words) expect(hints).toContain(word);
}

function listen(where: { path: string } | { host: string; port: number }): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(where, () => resolve(server));
    machine.atEnd(() => void server.close());
  });
}
