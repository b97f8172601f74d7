// spawn-fcgictl against a supervisor that behaves as the test says: every command, every exit status, every way in
// which an answer may be missing or wrong.
import { chmodSync, lchownSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { formatProgress, formatResult } from '../../src/control/protocol.ts';
import { afterPing, answerTo, saying, startFake, writeState } from '../helpers/fakes/index.ts';
import * as machine from '../helpers/machine/index.ts';
import { exampleWorker } from '../helpers/models/index.ts';
import { ctl, ctlPath, makeStateDir, readPools } from '../helpers/pool/index.ts';

const waiting = ['stop', 'reload', 'restart'] as const;
const target = '127.0.0.1:9000';

describe('without a command', () => {
  test('usage goes to stdout, with status 255', async () => {
    const result = await machine.runCommand(ctlPath);
    expect(result).toMatchObject({ status: 255, stderr: '' });
    for (const command of ['status', 'ping', 'logs', 'scale', ...waiting])
      expect(result.stdout).toContain(`  ${command} `);
  });

  test.each([['-h'], ['--help'], ['help'], ['status', '--help']])(
    '%s prints usage, with status 0',
    async (...args) => {
      const result = await machine.runCommand(ctlPath, args);
      expect(result).toMatchObject({ status: 0, stderr: '' });
      expect(result.stdout).toMatch(/^Usage: spawn-fcgictl /);
      expect(Math.max(...result.stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    },
  );

  test.each(['-v', '--version'])('%s prints the version', async (flag) => {
    const result = await machine.runCommand(ctlPath, [flag]);
    expect(result).toMatchObject({ status: 0, stderr: '' });
    expect(result.stdout).toMatch(/^spawn-fcgictl v\d+\.\d+\.\d+\n$/);
  });
});

describe('a mistake in the command line is one line with the way out, status 255:', () => {
  test.each([
    [['frobnicate'], "unknown command 'frobnicate'"],
    [['--state-dir', '/nowhere'], 'no command given'],
    [['status', '--frobnicate'], "unknown option '--frobnicate'"],
    [['reload'], "missing required argument 'target'"],
    [['stop', 'a', 'b'], 'too many arguments'],
    [['status', '--interval', '1s'], '--interval is for --watch'],
    [['status', '--watch', '--interval', '99ms'], "invalid time for --interval: '99ms'"],
    [['logs', '9000', '-n', 'ten'], "invalid number of lines: 'ten'"],
    [['scale', '9000'], "missing required argument 'workers'"],
    [['scale', '9000', 'many'], "invalid number of workers: 'many'"],
    [['scale', '9000', '0'], "invalid number of workers: '0'"],
    [['scale', '9000', '65536'], "invalid number of workers: '65536'"],
    [['scale', '9000', '2.5'], "invalid number of workers: '2.5'"],
    [['ping', '9000', '--timeout', 'soon'], "invalid time for --timeout: 'soon'"],
    [['ping', '9000', '--timeout', '0'], "invalid time for --timeout: '0'"],
    [['ping', '9000', '--timeout'], 'argument missing'],
    [['ping', ''], "'' is no target"],
    [['ping', '127.0.0.1:70000'], "'127.0.0.1:70000' is no target"],
    [['ping', '0'], "'0' is no target"],
    [['\x1b[31m'], "unknown command '\\x1b[31m'"],
  ])('%j', async (args, text) => {
    const result = await machine.runCommand(ctlPath, args);
    expect(result).toMatchObject({ status: 255, stdout: '' });
    expect(result.stderr).toMatch(/^spawn-fcgictl: [^\n]+\n$/);
    expect(result.stderr).toContain(text);
  });
});

describe('status', () => {
  test('of one pool is its table', async () => {
    const { stateDir } = await startFake(makeStateDir());
    const result = await ctl(stateDir, ['status', target]);
    expect(result).toMatchObject({ status: 0, stderr: '' });
    const [heading, operation, columns, row, ...rest] = result.stdout.split('\n');
    expect(heading).toBe(
      `php-cgi on 127.0.0.1:9000: PID ${process.pid}, serving, gen 2, up 1d, 3 idle 1 busy, queue 0/1024`,
    );
    expect(operation).toBe('  reload since 3s: slot 2 of 4');
    expect(columns?.trim().split(/ +/).join(' ')).toBe(
      'SLOT PID GEN STATE DOES UP RSS CPU% RESTARTS NEXT LAST EXIT',
    );
    expect(row).toMatch(
      new RegExp(`^ +0 +${process.pid} +2 +running +idle +5s +\\d+M +\\d+\\.\\d +3 +- killed by `),
    );
    expect(rest).toEqual(['']);
  });

  test('without a target shows every pool, and nothing of those that are gone', async () => {
    const stateDir = makeStateDir();
    await startFake(stateDir);
    await startFake(stateDir, {
      address: '/run/app.sock',
      state: { pid: await machine.startSleeper() },
      behaviour: (request, connection) =>
        connection.end(formatResult(answerTo(request, { name: 'other', address: '/run/app.sock' }))),
    });
    writeState(stateDir, '127.0.0.1:9002', { startTime: '1' });
    writeFileSync(join(stateDir, '127.0.0.1:9004.state'), 'garbage');
    writeFileSync(join(stateDir, '127.0.0.1:9005.state'), '');
    const result = await ctl(stateDir, ['status']);
    expect(result).toMatchObject({ status: 0, stderr: '' });
    expect(result.stdout.match(/^\S+ on \S+/gm)).toEqual([
      'other on /run/app.sock:',
      'php-cgi on 127.0.0.1:9000:',
    ]);
  });

  test('without a target names a pool that runs and cannot be asked, and ends with 4', async () => {
    const stateDir = makeStateDir();
    writeState(stateDir, target);
    const result = await ctl(stateDir, ['status']);
    expect(result).toMatchObject({ status: 4, stdout: '' });
    expect(result.stderr).toContain(`no control socket; signals to PID ${process.pid} still work`);
  });

  test.each([
    [[], 'no pools\n'],
    [['--json'], '[]\n'],
  ])('without any pool says so (%j)', async (options, stdout) => {
    expect(await ctl(makeStateDir(), ['status', ...options])).toMatchObject({
      status: 0,
      stdout,
      stderr: '',
    });
    expect(await ctl('/nonexistent/dir', ['status', ...options])).toMatchObject({
      status: 0,
      stdout,
      stderr: '',
    });
  });

  test('shows the pools that answer beside one that does not, and ends with 6', async () => {
    const stateDir = makeStateDir();
    await startFake(stateDir);
    await startFake(stateDir, { address: '127.0.0.1:9001', behaviour: () => undefined });
    const result = await ctl(stateDir, ['status', '--timeout', '300ms']);
    expect(result.status).toBe(6);
    expect(result.stdout).toContain('php-cgi on 127.0.0.1:9000');
    expect(result.stderr).toMatch(
      /^spawn-fcgictl: pool 'php-cgi' on 127\.0\.0\.1:9001 .* no answer within 300 ms\n$/,
    );
  });

  test('as JSON has the fields of the protocol, and what was measured; dead PIDs are none', async () => {
    const ended = await machine.startSleeper();
    const workers = [
      exampleWorker({ pid: process.pid, pids: [process.pid, 2 ** 22 + 1] }),
      exampleWorker({ slot: 1, pid: 2 ** 22 + 2, pids: [2 ** 22 + 2] }),
      exampleWorker({ slot: 2, pid: null, pids: [], state: 'backoff', nextTryMs: 400, uptimeMs: null }),
    ];
    const { stateDir } = await startFake(makeStateDir(), {
      state: { pid: ended },
      behaviour: (request, connection) => connection.end(formatResult(answerTo(request, { workers }))),
    });
    const result = await ctl(stateDir, ['status', '--json', target]);
    expect(result).toMatchObject({ status: 0, stderr: '' });
    const [pool, ...others] = readPools(result.stdout);
    expect(others).toEqual([]);
    expect(pool).toMatchObject({ name: 'php-cgi', wanted: 4, queue: { length: 0, backlog: 1024 } });
    expect(pool?.workers.map(({ slot, rssBytes }) => [slot, rssBytes === null])).toEqual([
      [0, false],
      [1, true],
      [2, true],
    ]);
    expect(pool?.workers[0]?.rssBytes).toBeGreaterThan(10_000_000);
    expect(pool?.workers[0]?.cpuPercent).toBeGreaterThanOrEqual(0);
    const table = await ctl(stateDir, ['status', target]);
    expect(table.stdout).toMatch(/^ +2 +- +2 +backoff +- +- +- +- +3 +0\.4s /m);
  });

  test('with a thousand workers is whole, aligned and quick', async () => {
    const workers = Array.from({ length: 1000 }, (_unused, slot) =>
      exampleWorker({ slot, pid: process.pid, pids: [process.pid] }),
    );
    const { stateDir } = await startFake(makeStateDir(), {
      behaviour: (request, connection) => connection.end(formatResult(answerTo(request, { workers }))),
    });
    const { stdout, status } = await ctl(stateDir, ['status', target]);
    expect(status).toBe(0);
    expect(stdout.split('\n')).toHaveLength(1004);
    expect(
      stdout
        .split('\n')
        .slice(1)
        .every((line) => line.length <= 80),
    ).toBe(true);
  });

  test('is harmless when its reader goes away', async () => {
    const { stateDir } = await startFake(makeStateDir());
    const script = `'${ctlPath}' --state-dir '${stateDir}' status; echo "status $?" >&2`;
    const result = await machine.runCommand('/bin/sh', ['-c', `{ ${script}; } | true`]);
    expect(result.stderr).toBe('status 0\n');
  });

  test('shows no control characters of others', async () => {
    const { stateDir } = await startFake(makeStateDir(), {
      behaviour: (request, connection) =>
        connection.end(formatResult(answerTo(request, { name: 'a\x1b]0;x\x07\u202e\x9b' }))),
    });
    const table = await ctl(stateDir, ['status', target]);
    expect(table.stdout).toContain(String.raw`a\x1b]0;x\x07\u{202e}\x9b on`);
    const json = await ctl(stateDir, ['status', '--json', target]);
    expect(json.stdout).toMatch(/^[ -~\n]*$/);
    expect(readPools(json.stdout)[0]?.name).toBe('a\x1b]0;x\x07\u202e\x9b');
  });
});

describe('ping', () => {
  const saturated = { idle: 0, busy: 4, queue: { length: 7, backlog: 128 } };

  test.each([
    [{}, [], 0, 'serving: php-cgi on 127.0.0.1:9000, PID '],
    [saturated, [], 0, 'saturated: php-cgi on 127.0.0.1:9000, PID '],
    [saturated, ['--strict'], 1, '0 idle, 4 busy, 7 of 128 waiting\n'],
    [{ ...saturated, queue: { length: 0, backlog: 128 } }, ['--strict'], 0, 'serving: '],
    [{ ...saturated, queue: null }, ['--strict'], 0, 'serving: '],
    [
      { ...saturated, serving: 'unknown' as const },
      ['--strict'],
      0,
      'unknown: its workers may not be looked into; ',
    ],
    [{ ...saturated, idle: 1 }, ['--strict'], 0, 'serving: '],
    [{ serving: 'no' as const }, [], 1, 'not serving: no worker accepts; php-cgi on 127.0.0.1:9000, PID '],
    [{ idle: 0, busy: 0 }, [], 1, 'not serving: no worker is up; '],
    [{ idle: 0, busy: 0, backoff: 4 }, [], 1, 'failing: all 4 workers in backoff; '],
    [{ phase: 'starting' as const }, [], 1, 'starting: '],
    [{ phase: 'stopping' as const }, [], 1, 'stopping: '],
  ])('of a pool with %j %j is %i', async (changes, options, status, text) => {
    const { stateDir } = await startFake(makeStateDir(), {
      behaviour: (request, connection) => connection.end(formatResult(answerTo(request, changes))),
    });
    const result = await ctl(stateDir, ['ping', target, ...options]);
    expect(result).toMatchObject({ status, stderr: '' });
    expect(result.stdout).toContain(text);
  });
});

describe.each(waiting)('%s', (command) => {
  test('sends its request and prints the result', async () => {
    const { stateDir, requests } = await startFake(makeStateDir());
    expect(await ctl(stateDir, [command, target])).toMatchObject({
      status: 0,
      stdout: `${command} is done\n`,
      stderr: '',
    });
    expect(requests).toEqual([{ command: 'ping' }, { command }]);
  });

  test.each([1, 2, 3])(
    'ends with status %i if the supervisor says so, whether it calls that ok or not',
    async (status) => {
      for (const ok of [true, false]) {
        const stateDir = makeStateDir();
        const end = ok ? { ok } : { ok, error: 'failed' as const };
        await startFake(stateDir, {
          behaviour: saying(formatResult({ status, message: 'rolled back', ...end })),
        });
        expect(await ctl(stateDir, [command, target])).toMatchObject({
          status,
          stdout: '',
          stderr: 'spawn-fcgictl: rolled back\n',
        });
      }
    },
  );

  test('that is refused as busy ends with 6', async () => {
    const busy = { ok: false, status: 6, error: 'busy', message: 'busy: reload since 3 s' } as const;
    const { stateDir } = await startFake(makeStateDir(), { behaviour: saying(formatResult(busy)) });
    expect(await ctl(stateDir, [command, target])).toMatchObject({
      status: 6,
      stderr: 'spawn-fcgictl: busy: reload since 3 s\n',
    });
  });

  test('of a supervisor that does not answer at all asks nothing of it', async () => {
    const { stateDir, requests } = await startFake(makeStateDir(), { behaviour: () => undefined });
    const result = await ctl(stateDir, [command, target, '--timeout', '1s']);
    expect(result.status).toBe(6);
    expect(result.stderr).toMatch(/^spawn-fcgictl: pool .* no answer within 1s\n$/);
    // The command may have ended before this process has read what it was sent.
    await machine.waitFor('the ping', () => requests.length > 0);
    expect(requests).toEqual([{ command: 'ping' }]);
  });

  test('that takes longer than --timeout ends with 6', async () => {
    const { stateDir } = await startFake(makeStateDir(), { behaviour: afterPing(() => undefined) });
    const result = await ctl(stateDir, ['--timeout', '500ms', command, target]);
    expect(result.status).toBe(6);
    expect(result.stderr).toContain('no answer within 500 ms\n');
  });
});

describe('a long wait', () => {
  const slow =
    formatProgress('slot 0: worker PID 812 is up\n\x1b[31m') + formatResult(answerTo({ command: 'reload' }));

  test('is quiet in a pipe', async () => {
    const { stateDir } = await startFake(makeStateDir(), { behaviour: saying(slow) });
    expect(await ctl(stateDir, ['reload', target])).toMatchObject({
      status: 0,
      stdout: 'reload is done\n',
      stderr: '',
    });
  });

  test('shows its progress on a terminal, on one line that goes away', async (ctx) => {
    machine.needCommands(ctx, 'script');
    const { stateDir } = await startFake(makeStateDir(), { behaviour: saying(slow) });
    const command = `'${ctlPath}' --state-dir '${stateDir}' reload ${target}`;
    const script = machine.findCommand('script') ?? 'script';
    const { stdout, status } = await machine.runCommand(script, ['-qec', command, '/dev/null'], {
      input: '',
    });
    expect(status).toBe(0);
    expect(stdout).toContain('\r\x1b[Kreload of php-cgi: slot 0: worker PID 812 is up');
    expect(stdout).not.toContain('\x1b[31m');
    expect(stdout.endsWith('\r\x1b[Kreload is done\r\n')).toBe(true);
    expect(stdout.split('\n')).toHaveLength(2);
  });

  test('for a stop lasts until the supervisor has gone, or for a moment', async () => {
    let ended = false;
    const { stateDir } = await startFake(makeStateDir(), {
      behaviour: afterPing((request, connection) => {
        connection.write(formatResult(answerTo(request)));
        setTimeout(() => {
          ended = true;
          connection.end();
        }, 300);
      }),
    });
    expect((await ctl(stateDir, ['stop', target])).status).toBe(0);
    expect(ended).toBe(true);
  });
});

describe('scale', () => {
  test.each([
    ['8', 8],
    ['+2', '+2'],
    ['-1', '-1'],
    ['-12', '-12'],
  ] as const)('%s asks for %j', async (text, workers) => {
    const { stateDir, requests } = await startFake(makeStateDir());
    expect(await ctl(stateDir, ['scale', target, text])).toMatchObject({
      status: 0,
      stdout: 'scale is done\n',
    });
    expect(requests.at(-1)).toEqual({ command: 'scale', workers });
  });
});

describe('an answer', () => {
  test.each([
    ['nothing', ''],
    ['half a line', '{"v":1,"ok":true,"sta'],
    ['progress alone', formatProgress('soon')],
  ])('of %s is no answer: 6', async (_what, text) => {
    const { stateDir } = await startFake(makeStateDir(), { behaviour: saying(text) });
    for (const command of ['status', 'reload']) {
      const result = await ctl(stateDir, [command, target]);
      expect(result).toMatchObject({ status: 6, stdout: '' });
      expect(result.stderr).toMatch(/^spawn-fcgictl: pool .* closed without an answer\n$/);
    }
  });

  test('of a supervisor that is killed meanwhile is none: 6', async () => {
    const stateDir = makeStateDir();
    writeState(stateDir, target);
    // Closed with the request unread, as by the end of the process: the client gets ECONNRESET.
    const server = createServer({ pauseOnConnect: true }, (connection) => {
      setTimeout(() => connection.destroy(), 200);
    }).listen(join(stateDir, `${target}.ctl`));
    machine.atEnd(() => {
      server.close();
    });
    const result = await ctl(stateDir, ['status', target]);
    expect(result).toMatchObject({ status: 6, stdout: '' });
    expect(result.stderr).toContain('closed without an answer');
  });

  test.each([
    ['garbage', '\0\xff\x1b[31m\n'],
    ['a web server', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['another kind of pool', '{"v":1,"ok":true,"status":0,"message":"","pool":{"name":7}}\n'],
    ['a result without a pool', formatResult({ ok: true, status: 0, message: '' })],
    ['an endless line', `{"v":1,"message":"${'x'.repeat(70 * 1024 * 1024)}`],
  ])('of %s is another version: 7', async (_what, text) => {
    const { stateDir } = await startFake(makeStateDir(), { behaviour: saying(text) });
    const result = await ctl(stateDir, ['status', target]);
    expect(result).toMatchObject({ status: 7, stdout: '' });
    expect(result.stderr).toMatch(/^spawn-fcgictl: pool [^\n]* is not one of [^\n]*protocol\n$/);
  });

  test.each(['status', 'ping', ...waiting])('of another version to %s says which: 7', async (command) => {
    const version = '{"v":2,"ok":false,"status":7,"error":"version","message":"?"}\n';
    const { stateDir } = await startFake(makeStateDir(), {
      behaviour: (_request, connection) => connection.end(version),
    });
    const result = await ctl(stateDir, [command, target]);
    expect(result).toMatchObject({ status: 7, stdout: '' });
    expect(result.stderr).toMatch(/^spawn-fcgictl: [^\n]* version 2 of the control protocol[^\n]*\n$/);
  });

  test('may come in single bytes', async () => {
    const { stateDir } = await startFake(makeStateDir(), {
      behaviour: (request, connection) => {
        connection.setNoDelay();
        for (const byte of Buffer.from(formatResult(answerTo(request)))) connection.write(Buffer.of(byte));
        connection.end();
      },
    });
    expect((await ctl(stateDir, ['ping', target])).status).toBe(0);
  });

  test('may be huge', async () => {
    const workers = Array.from({ length: 65_535 }, (_unused, slot) =>
      exampleWorker({ slot, pid: null, pids: [] }),
    );
    const { stateDir } = await startFake(makeStateDir(), {
      behaviour: (request, connection) => connection.end(formatResult(answerTo(request, { workers }))),
    });
    const result = await ctl(stateDir, ['status', target]);
    expect(result.status).toBe(0);
    expect(result.stdout.match(/\n/g)).toHaveLength(65_538);
  });
});

describe('no such pool, 4:', () => {
  test('nothing on the address', async () => {
    const { stateDir } = await startFake(makeStateDir());
    for (const command of ['status', 'ping', ...waiting]) {
      const result = await ctl(stateDir, [command, '127.0.0.1:9001']);
      expect(result).toMatchObject({
        status: 4,
        stdout: '',
        stderr: "spawn-fcgictl: no such pool: '127.0.0.1:9001'\n",
      });
    }
  });

  test.each([
    ['a PID that is another process now', { pid: process.pid, startTime: '1' }],
    ['a PID that is no process', { pid: 2 ** 22 + 1, startTime: '1' }],
  ])('%s', async (_what, state) => {
    const { stateDir, requests } = await startFake(makeStateDir(), { state });
    expect((await ctl(stateDir, ['reload', target])).status).toBe(4);
    expect((await ctl(stateDir, ['reload', String(state.pid)])).status).toBe(4);
    expect(requests).toEqual([]);
  });

  test('a supervisor without a control socket, or with one that nobody serves', async () => {
    const pool = await startFake(makeStateDir());
    pool.close();
    const result = await ctl(pool.stateDir, ['reload', target]);
    expect(result.status).toBe(4);
    expect(result.stderr).toMatch(
      /^spawn-fcgictl: pool 'php-cgi' .* no control socket; signals to PID \d+ still work\n$/,
    );
  });

  test.each([
    ['', 'the PID file is empty'],
    ['4194305', 'the pool of this PID file was stopped'],
    ['one', 'the file does not hold one PID'],
    ['1\n2\n', 'the file does not hold one PID'],
  ])('a PID file with %j', async (text, reason) => {
    const { stateDir } = await startFake(makeStateDir());
    const file = join(dirname(stateDir), 'app.pid');
    writeFileSync(file, text);
    const result = await ctl(stateDir, ['stop', file]);
    expect(result).toMatchObject({
      status: 4,
      stderr: `spawn-fcgictl: no such pool: '${file}'; ${reason}\n`,
    });
  });

  test('a number that no pool has as its port, nor a process as its PID, was meant as a port', async () => {
    const { stateDir } = await startFake(makeStateDir());
    expect(await ctl(stateDir, ['ping', '19475'])).toMatchObject({
      status: 4,
      stderr: "spawn-fcgictl: no such pool: '19475'; no pool on port 19475\n",
    });
    expect(await ctl(stateDir, ['ping', '4194305'])).toMatchObject({
      status: 4,
      stderr: "spawn-fcgictl: no such pool: '4194305'; there is no process 4194305\n",
    });
    expect((await ctl(stateDir, ['ping', '1'])).stderr).toContain('no pool on port 1, and PID 1 is no ');
  });

  test('the PID of a worker, with the name of its pool', async () => {
    const worker = await machine.startSleeper();
    const { stateDir } = await startFake(makeStateDir(), {
      state: { workers: [{ slot: 0, pid: worker, startTime: '1' }] },
    });
    const result = await ctl(stateDir, ['stop', String(worker)]);
    expect(result.status).toBe(4);
    expect(result.stderr).toContain(`PID ${worker} is a worker of pool 'php-cgi'`);
  });

  test('a path that is not there, a directory, a socket of somebody else', async () => {
    const { stateDir } = await startFake(makeStateDir());
    const socket = join(dirname(stateDir), 'other.sock');
    const server = createServer().listen(socket);
    machine.atEnd(() => {
      server.close();
    });
    for (const path of ['/nonexistent', stateDir, socket])
      expect((await ctl(stateDir, ['stop', path])).status).toBe(4);
  });
});

describe('a target may be', () => {
  async function finds(
    options: Parameters<typeof startFake>[1],
    targets: readonly string[],
    cwd?: string,
  ): Promise<void> {
    const { stateDir } = await startFake(makeStateDir(), options);
    for (const one of targets) {
      const result = await ctl(stateDir, ['ping', one], cwd === undefined ? {} : { cwd });
      expect({ one, ...result }).toMatchObject({ status: 0, stderr: '' });
    }
  }

  test('the address as bound, other spellings of it, or its port', async () => {
    await finds({}, [target, '127.1:9000', 'localhost:9000', ':9000', '9000', String(process.pid)]);
  });

  test('an IPv6 address', async () => {
    await finds({ address: '[::1]:9000' }, [
      '[::1]:9000',
      '[0:0::1]:9000',
      'localhost:9000',
      ':9000',
      '9000',
    ]);
  });

  test('any address, for a pool on all of them', async () => {
    await finds({ address: '0.0.0.0:9000' }, ['0.0.0.0:9000', '127.0.0.1:9000', 'localhost:9000', '9000']);
    await finds({ address: '[::]:9000' }, ['[::]:9000', '[::1]:9000', 'localhost:9000', ':9000']);
  });

  test('a socket: absolute, relative, through links, whether its file is there or not', async () => {
    const dir = dirname(makeStateDir());
    mkdirSync(join(dir, 'run'));
    symlinkSync('run', join(dir, 'link'));
    const address = join(dir, 'run/100% app.sock');
    await finds(
      { address },
      [address, join(dir, 'link/100% app.sock'), './100% app.sock', '100% app.sock'],
      join(dir, 'run'),
    );
    const server = createServer().listen(address);
    machine.atEnd(() => {
      server.close();
    });
    symlinkSync(address, join(dir, 'current.sock'));
    await finds({ address }, [address, 'link/100% app.sock', 'current.sock'], dir);
  });

  test('a PID file, with or without a newline', async () => {
    const { stateDir } = await startFake(makeStateDir());
    const file = join(dirname(stateDir), 'app.pid');
    for (const text of [String(process.pid), `${process.pid}\n`]) {
      writeFileSync(file, text);
      expect((await ctl(stateDir, ['ping', file])).status).toBe(0);
      expect((await ctl(stateDir, ['ping', 'app.pid'], { cwd: dirname(file) })).status).toBe(0);
    }
  });

  test('a socket whose control socket has another name than the state, or one too long for the kernel', async () => {
    const stateDir = makeStateDir();
    const address = `/run/${'x'.repeat(95)}.sock`;
    const id = address.replaceAll('/', '%2F');
    await startFake(stateDir, { address, id: 'short' });
    renameSync(join(stateDir, 'short.state'), join(stateDir, `${id}.state`));
    expect((await ctl(stateDir, ['ping', address])).status).toBe(0);
    renameSync(join(stateDir, 'short.ctl'), join(stateDir, `${id}.ctl`));
    writeState(stateDir, id, { address });
    expect((await ctl(stateDir, ['ping', address])).status).toBe(0);
  });

  test('ambiguous: then nothing is asked, all are named, and the status is 255', async () => {
    const stateDir = makeStateDir();
    const first = await startFake(stateDir);
    const second = await startFake(stateDir, { address: '[::1]:9000' });
    const result = await ctl(stateDir, ['stop', '9000']);
    expect(result).toMatchObject({ status: 255, stdout: '' });
    expect(result.stderr).toMatch(
      /^spawn-fcgictl: '9000' is ambiguous: [^\n]*127\.0\.0\.1:9000[^\n]*\[::1\]:9000[^\n]*\n$/,
    );
    expect([...first.requests, ...second.requests]).toEqual([]);
  });

  test('both a port and a PID: then it is ambiguous, and :PORT is not', async () => {
    const stateDir = makeStateDir();
    const isPort = process.pid <= 65_535;
    const port = isPort ? process.pid : 9001;
    await startFake(stateDir, { state: { pid: await machine.startSleeper() }, address: `127.0.0.1:${port}` });
    await startFake(stateDir, { address: '127.0.0.1:7' });
    expect((await ctl(stateDir, ['ping', String(process.pid)])).status).toBe(isPort ? 255 : 0);
    expect((await ctl(stateDir, ['ping', `:${port}`])).status).toBe(0);
  });
});

describe('not permitted, 5:', () => {
  const asNobody = { uid: machine.NOBODY, gid: machine.NOBODY, cwd: '/' };

  test("a pool of root's, asked by another user: by address, PID and PID file", async (ctx) => {
    machine.needRoot(ctx);
    const { stateDir, requests } = await startFake(makeStateDir());
    const file = join(dirname(stateDir), 'app.pid');
    writeFileSync(file, String(process.pid));
    for (const one of [target, '9000', String(process.pid), file]) {
      for (const command of ['status', 'ping', ...waiting]) {
        const result = await ctl(stateDir, [command, one], asNobody);
        expect({ one, command, ...result }).toMatchObject({ status: 5, stdout: '' });
        expect(result.stderr).toMatch(/^spawn-fcgictl: not permitted: [^\n]+\n$/);
      }
    }
    expect(requests).toEqual([]);
  });

  test('and status without a target says how many are hidden', async (ctx) => {
    machine.needRoot(ctx);
    const { stateDir } = await startFake(makeStateDir());
    expect(await ctl(stateDir, ['status'], asNobody)).toMatchObject({
      status: 0,
      stdout: 'no pools\n',
      stderr: 'spawn-fcgictl: not shown: 1 of other users\n',
    });
  });

  test('a control socket that we may not write', async (ctx) => {
    machine.needRoot(ctx);
    const { stateDir, id } = await startFake(makeStateDir());
    chmodSync(join(stateDir, `${id}.state`), 0o644);
    const result = await ctl(stateDir, ['reload', target], asNobody);
    expect(result.status).toBe(5);
    expect(result.stderr).toMatch(/^spawn-fcgictl: pool .*: not permitted to use its control socket\n$/);
  });

  test('a directory that others can write, is a link of another user, or is closed to us', async (ctx) => {
    machine.needRoot(ctx);
    const { stateDir } = await startFake(makeStateDir());
    const link = join(dirname(stateDir), 'link');
    symlinkSync(stateDir, link);
    lchownSync(link, machine.NOBODY, machine.NOBODY);
    expect((await ctl(link, ['ping', target])).stderr).toContain('it is not a directory');
    chmodSync(stateDir, 0o777);
    const open = await ctl(stateDir, ['ping', target]);
    expect(open.status).toBe(5);
    expect(open.stderr).toContain('it is writable by others');
    chmodSync(stateDir, 0o700);
    expect((await ctl(stateDir, ['ping', target], asNobody)).stderr).toContain('permission denied');
  });

  test("another user's directory, unless root names it", async (ctx) => {
    machine.needRoot(ctx);
    const { stateDir, id } = await startFake(makeStateDir());
    machine.giveAway(stateDir, 33);
    for (const suffix of ['state', 'ctl']) machine.giveAway(join(stateDir, `${id}.${suffix}`), 33);
    expect((await ctl(stateDir, ['ping', target])).status).toBe(0);
    const result = await ctl(stateDir, ['ping', target], asNobody);
    expect(result.status).toBe(5);
    expect(result.stderr).toContain('it belongs to uid 33');
  });

  test('a user finds pools below XDG_RUNTIME_DIR', async (ctx) => {
    machine.needRoot(ctx);
    const stateDir = makeStateDir();
    const runtime = dirname(stateDir);
    const own = join(runtime, 'spawn-fcgi');
    mkdirSync(own, { mode: 0o700 });
    const { id } = await startFake(own);
    for (const path of [own, join(own, `${id}.state`), join(own, `${id}.ctl`)])
      machine.giveAway(path, machine.NOBODY);
    const env = { PATH: process.env['PATH'], XDG_RUNTIME_DIR: runtime };
    expect((await machine.runCommand(ctlPath, ['ping', target], { ...asNobody, env })).status).toBe(0);
  });
});

test('a supervisor that accepts no connection any more has no answer in time', async (ctx) => {
  machine.needCommands(ctx, 'perl');
  const stateDir = makeStateDir();
  writeState(stateDir, target);
  const path = join(stateDir, `${target}.ctl`);
  // Listens with the shortest queue, and never accepts.
  const listener = `use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un($ARGV[0])); listen(S, 0); $| = 1; print "listening\\n"; sleep 600`;
  const { execa } = await import('execa');
  const child = execa('perl', ['-e', listener, path], { reject: false });
  machine.atEnd(() => {
    child.kill('SIGKILL');
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const filler = connect(path);
  filler.on('error', () => undefined);
  machine.atEnd(() => {
    filler.destroy();
  });
  await new Promise((resolve) => filler.once('connect', resolve));
  for (const command of ['ping', 'reload']) {
    const result = await ctl(stateDir, [command, target, '--timeout', '300ms']);
    expect(result.status).toBe(6);
    expect(result.stderr).toContain('no answer within 300 ms');
  }
});

describe('the executable', () => {
  test('finds Node with an empty environment, also through a link, and is not steered by NODE_OPTIONS', async () => {
    const link = join(dirname(makeStateDir()), 'ctl');
    symlinkSync(ctlPath, link);
    for (const path of [ctlPath, link]) {
      const env = {
        ...(path === link ? { PATH: process.env['PATH'] } : {}),
        NODE_OPTIONS: '--bogus',
        NODE_DEBUG: 'net',
      };
      expect(await machine.runCommand(path, ['-v'], { env })).toMatchObject({ status: 0, stderr: '' });
    }
  });
});
