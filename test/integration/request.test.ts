// `spawn-fcgictl request` against servers that do what the test says: what it prints, and a status for each outcome.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as fakes from '../helpers/fakes/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const { wholeAnswer, askServer, endRequest, listen, listenOn, record, recordType, replying } = fakes;
const { atEnd, makeTempDir, runCommand, waitFor, NOBODY } = machine;
const { ctl, ctlPath, makeEchoPlace, makePlace, start, statusOf } = pools;

const page = 'Content-Type: text/plain\r\n\r\nhello\n';

describe('a status for each outcome:', () => {
  const hung = (socket: Socket): unknown => socket.resume();
  const closing = (bytes: Buffer) => (socket: Socket) => socket.once('data', () => socket.end(bytes));
  const half = record(recordType.stdout, page);

  test.each<[string, number, (socket: Socket) => unknown, string, string]>([
    ['an answer', 0, replying(wholeAnswer(page)), page, ''],
    [
      'an HTTP status from 500 on',
      1,
      replying(wholeAnswer('Status: 503 Sorry\r\n\r\nbody')),
      'Status: 503 Sorry\r\n\r\nbody',
      '503 Sorry',
    ],
    [
      "the application's own status",
      2,
      replying(wholeAnswer(page, '', 77)),
      page,
      'the application ended the request with its status 77',
    ],
    ['FCGI_CANT_MPX_CONN', 3, replying(endRequest(0, 1)), '', 'refused: it cannot multiplex connections'],
    ['FCGI_OVERLOADED', 3, replying(endRequest(0, 2)), '', 'refused: it is overloaded'],
    ['FCGI_UNKNOWN_ROLE', 3, replying(endRequest(0, 3)), '', 'refused: it does not know the role'],
    ['a protocol status that there is not', 3, replying(endRequest(0, 9)), '', 'refused: protocol status 9'],
    ['no answer in time', 6, hung, '', 'no whole answer within 1s'],
    ['half an answer in time', 6, (socket) => socket.write(half), page, 'no whole answer within 1s'],
    [
      'a connection that is closed',
      8,
      (socket) => socket.destroy(),
      '',
      'no answer: the connection was closed',
    ],
    [
      'a connection that is closed after the request',
      8,
      closing(Buffer.alloc(0)),
      '',
      'no answer: the connection was closed',
    ],
    [
      'a connection that is closed without an FCGI_END_REQUEST',
      8,
      closing(Buffer.concat([half, record(recordType.stdout, '')])),
      page,
      'the connection was closed before the end of the answer',
    ],
    [
      'a record that is cut off',
      8,
      closing(half.subarray(0, half.length - 2)),
      page.slice(0, -2),
      'the connection was closed before the end of the answer',
    ],
    [
      'an HTTP server',
      9,
      closing(Buffer.from('HTTP/1.1 400 Bad\r\n\r\n')),
      '',
      String.raw`no answer: what came is no FastCGI (it begins with 'HTTP/1.1 400 Bad\x0d\x0a\x0d\x0a')`,
    ],
    [
      'garbage after a beginning',
      9,
      closing(Buffer.concat([half, Buffer.alloc(100, 0xff)])),
      page,
      'no answer: what came is no FastCGI',
    ],
    [
      'an answer without a header',
      9,
      replying(wholeAnswer('just text')),
      'just text',
      'its answer has no header: a web server would make a 502 of it',
    ],
  ])('%s is %i', async (_name, status, serve, stdout, why) => {
    const path = await listen(serve);
    const result = await askServer([path, '/', ...(status === 6 ? ['--deadline', '1s'] : [])]);
    expect(result.stdout.toString()).toBe(stdout);
    expect(result.stderr).toMatch(why === '' ? /^$/ : /\n$/);
    if (why !== '') expect(result.stderr).toContain(`spawn-fcgictl: ${path}: ${why}`);
    expect(result.status).toBe(status);
  });

  test('nobody who listens, and nothing there, is 4', async () => {
    const dir = makeTempDir();
    const gone = await runCommand(ctlPath, ['--state-dir', dir, 'request', join(dir, 'gone.sock')]);
    expect(gone).toMatchObject({
      status: 4,
      stderr: expect.stringContaining('it is not there, and no pool has it') as string,
    });
    const server = await listenOn({ port: 0, host: '127.0.0.1' }, () => undefined);
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    for (const [name, said] of [
      [`127.0.0.1:${port}`, `127.0.0.1:${port}: no connection: nobody listens there`],
      [String(port), `localhost:${port} (no pool of yours): no connection: nobody listens there`],
    ] as const) {
      const refused = await runCommand(ctlPath, ['--state-dir', dir, 'request', name]);
      expect(refused).toMatchObject({ status: 4, stdout: '', stderr: `spawn-fcgictl: ${said}\n` });
    }
  });

  test('a socket that may not be used is 5', async (ctx) => {
    machine.needRoot(ctx);
    const path = await listen(replying(wholeAnswer(page)));
    fs.chmodSync(path, 0o600);
    const result = await askServer([path], { uid: NOBODY, gid: NOBODY });
    expect(result).toMatchObject({
      status: 5,
      stderr: `spawn-fcgictl: ${path}: its socket may not be used\n`,
    });
  });

  test("an authorizer's yes is 0, its no is 1, and it gets no place and no body", async () => {
    let request: fakes.ReceivedRequest | undefined;
    const yes = await listen(
      replying(wholeAnswer('Status: 200 OK\r\nVariable-USER: jo\r\n\r\n'), (one) => (request = one)),
    );
    expect(await askServer([yes, '/secret?x', '--authorizer'])).toMatchObject({ status: 0 });
    expect(request).toMatchObject({ role: 2, body: Buffer.alloc(0), params: { REQUEST_URI: '/secret?x' } });
    const names = Object.keys(request?.params ?? {});
    for (const name of ['SCRIPT_NAME', 'PATH_INFO', 'PATH_TRANSLATED', 'CONTENT_LENGTH'])
      expect(names).not.toContain(name);

    const no = await listen(replying(wholeAnswer('Status: 401 Who\r\n\r\n')));
    expect(await askServer([no, '/', '--authorizer'])).toMatchObject({
      status: 1,
      stderr: `spawn-fcgictl: ${no}: not authorized: 401 Who\n`,
    });
  });

  test.each([
    [['URI'], 'invalid URI'],
    [['/a b'], 'invalid URI'],
    [['/', '--method', 'G T'], 'invalid method'],
    [['/', '--param', '=x'], 'invalid --param'],
    [['/', '--deadline', 'soon'], 'invalid time for --deadline'],
    [['/', '--authorizer', '--data', 'x'], '--authorizer takes no body'],
    [['/', '--data', '@/nonexistent/file'], '--data: /nonexistent/file cannot be read: ENOENT'],
    [['/', '--data', '@/'], '--data: / cannot be read: EISDIR'],
  ])('%j is 255', async (args, why) => {
    const path = await listen((socket) => socket.destroy());
    const result = await askServer([path, ...args]);
    expect(result.stderr).toContain(`spawn-fcgictl: ${why}`);
    expect(result.status).toBe(255);
  });
});

describe('who is asked:', () => {
  test('a pool by whatever names it, and its port like that of any server', async () => {
    const place = await makeEchoPlace('TCP');
    const pool = await start(place, ['-P', place.pidFile], [], { address: place.address });
    const port = place.name.split(':')[1] ?? '';
    for (const target of [place.pidFile, String(pool.pid), place.name, port, `:${port}`]) {
      const result = await ctl(place.stateDir, ['request', target, '/?a=b']);
      expect(result).toMatchObject({ status: 0, stderr: '' });
      expect(result.stdout).toMatch(/\nGET a=b \d+ 1\n$/);
    }
    const nowhere = await runCommand(ctlPath, ['--state-dir', makeTempDir(), 'request', port, '/?a=b']);
    expect(nowhere).toMatchObject({ status: 0 });
  });

  test('a pool by its PID that has a Unix socket, and a socket file without looking for pools', async () => {
    const place = await makeEchoPlace();
    const pool = await start(place, [], [], { address: place.address });
    expect(await ctl(place.stateDir, ['request', String(pool.pid)])).toMatchObject({ status: 0 });
    expect(await ctl('/nonexistent', ['request', place.socket])).toMatchObject({ status: 0 });
    expect(await ctl(place.stateDir, ['request', pool.pid + '000'])).toMatchObject({ status: 4 });
  });

  test('a socket whose path is longer than an address can be', async () => {
    const dir = join(makeTempDir(), 'd'.repeat(120));
    fs.mkdirSync(dir);
    const short = await listen(replying(wholeAnswer(page)));
    fs.renameSync(short, join(dir, 'server.sock'));
    expect(await askServer([join(dir, 'server.sock')])).toMatchObject({ status: 0 });
  });

  test('a server whose queue is full is asked again and again, until the deadline', async () => {
    const place = makePlace();
    await start(place, ['-b', '0'], ['hang']);
    const waiting = connect(place.socket);
    atEnd(() => {
      waiting.destroy();
    });
    await waitFor('a connection in the queue', async () => (await statusOf(place)).queue?.length === 1);
    const result = await askServer([place.socket, '/', '--deadline', '500ms']);
    expect(result).toMatchObject({
      status: 6,
      stderr: `spawn-fcgictl: ${place.socket}: no connection within 500 ms: its queue is full, packets are lost, or its name is looked up still\n`,
    });
  });
});

describe('what the application gets', () => {
  test("is what nginx's fastcgi_params hands over, with the path of the URI in every place", async () => {
    let request: fakes.ReceivedRequest | undefined;
    const path = await listen(replying(wholeAnswer(page), (one) => (request = one)));
    expect(await askServer([path, '/a%20b?c=d?e'])).toMatchObject({ status: 0 });
    expect(request).toMatchObject({
      role: 1,
      body: Buffer.alloc(0),
      params: {
        GATEWAY_INTERFACE: 'CGI/1.1',
        REQUEST_METHOD: 'GET',
        REQUEST_URI: '/a%20b?c=d?e',
        QUERY_STRING: 'c=d?e',
        SCRIPT_NAME: '/a b',
        SCRIPT_FILENAME: '/a b',
        PATH_INFO: '/a b',
        DOCUMENT_URI: '/a b',
        DOCUMENT_ROOT: '/',
        SERVER_PROTOCOL: 'HTTP/1.1',
        REMOTE_ADDR: '127.0.0.1',
        HTTP_HOST: 'localhost',
        REDIRECT_STATUS: '200',
        CONTENT_LENGTH: '',
        CONTENT_TYPE: '',
      },
    });
  });

  test('is a script below --root, and then no PATH_INFO; parameters of the caller win', async () => {
    let request: fakes.ReceivedRequest | undefined;
    const path = await listen(replying(wholeAnswer(page), (one) => (request = one)));
    const params = [
      '--param',
      'HTTP_HOST=example.org',
      '--param',
      'LONG=' + 'x'.repeat(70_000),
      '--param',
      'EMPTY=',
    ];
    const result = await askServer([
      path,
      '/x/index.php',
      '--root',
      '/srv/www/',
      '--method',
      'PUT',
      ...params,
    ]);
    expect(result).toMatchObject({ status: 0 });
    expect(request?.params).toMatchObject({
      REQUEST_METHOD: 'PUT',
      DOCUMENT_ROOT: '/srv/www/',
      SCRIPT_NAME: '/x/index.php',
      SCRIPT_FILENAME: '/srv/www/x/index.php',
      HTTP_HOST: 'example.org',
      LONG: 'x'.repeat(70_000),
      EMPTY: '',
    });
    expect(Object.keys(request?.params ?? {})).not.toContain('PATH_INFO');
    await askServer([path, '/', '--param', 'SCRIPT_FILENAME=/srv/index.php']);
    expect(Object.keys(request?.params ?? {})).not.toContain('PATH_INFO');
  });

  test('is the body with its length, from the command line, a file, or standard input of any length', async () => {
    const dir = makeTempDir();
    const file = join(dir, 'body');
    const [small, large] = [Buffer.from('a=b\0ü'), randomBytes(3_000_001)];
    fs.writeFileSync(file, large);
    let request: fakes.ReceivedRequest | undefined;
    const path = await listen(replying(wholeAnswer(page), (one) => (request = one)));
    const cases: [string, Buffer, Uint8Array?][] = [
      ['a=b', Buffer.from('a=b')],
      ['', Buffer.alloc(0)],
      [`@${file}`, large],
      ['-', small, small],
      ['-', large, large],
    ];
    for (const [data, body, input] of cases) {
      const options = { env: { TMPDIR: dir }, ...(input && { input }) };
      expect(await askServer([path, '/', '--data', data], options)).toMatchObject({ status: 0, stderr: '' });
      expect(request?.params).toMatchObject({
        REQUEST_METHOD: 'POST',
        CONTENT_LENGTH: String(body.length),
        CONTENT_TYPE: 'application/x-www-form-urlencoded',
      });
      expect(request?.body.equals(body)).toBe(true);
    }
    const line = `exec ${ctlPath} request ${path} / --data @<(cat ${file})`;
    expect(await runCommand('bash', ['-c', line])).toMatchObject({ status: 0, stderr: '' });
    expect(request?.body.equals(large)).toBe(true);
    expect(fs.readdirSync(dir)).toEqual(['body']);
  });
});

describe('what comes back', () => {
  test('is the bytes of the application, however its records are cut, padded and mixed with others', async () => {
    const bytes = Buffer.concat([
      Buffer.from(page),
      Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
    ]);
    const sent = Buffer.concat([
      record(10, '\x0f\x01FCGI_MPXS_CONNS1', { id: 0 }),
      record(recordType.stdout, bytes.subarray(0, 5), { padding: 3 }),
      record(recordType.stderr, 'a warn'),
      record(recordType.stdout, 'of another request', { id: 2 }),
      record(200, 'of no known type', { padding: 255 }),
      record(recordType.stderr, 'ing\n', { padding: 1 }),
      record(recordType.stdout, bytes.subarray(5)),
      record(recordType.stdout, ''),
      endRequest(),
      record(recordType.stdout, 'too late'),
    ]);
    const path = await listen((socket) => {
      socket.setNoDelay(true);
      let next = 0;
      const sendOne = (): void => {
        if (next >= sent.length || socket.destroyed) return;
        socket.write(sent.subarray(next, next + 1), () => setImmediate(sendOne));
        next += 1;
      };
      sendOne();
    });
    const result = await askServer([path, '/']);
    expect(result.stdout).toEqual(bytes);
    expect(result).toMatchObject({ status: 0, stderr: 'a warning\n' });
  });

  test.each(['a Unix socket', 'TCP'])(
    'is complete when the application answers without reading the body, and closes, over %s',
    async (transport) => {
      const bytes = Buffer.concat([Buffer.from(page), randomBytes(50_000)]);
      const closeAtOnce = (socket: Socket): void => {
        socket.pause();
        // The close comes with the rest of the body unread: the client's next write fails.
        socket.write(wholeAnswer(bytes), () => socket.destroy());
      };
      const address = transport === 'TCP' ? await listenOnPort(closeAtOnce) : await listen(closeAtOnce);
      const file = makeSparseFile(20_000_000);
      for (let count = 0; count < 10; count += 1) {
        const result = await askServer([address, '/', '--data', `@${file}`]);
        expect(result).toMatchObject({ status: 0, stderr: '' });
        expect(result.stdout.equals(bytes)).toBe(true);
      }
    },
  );

  async function listenOnPort(onConnection: (socket: Socket) => void): Promise<string> {
    const server = await listenOn({ port: 0, host: '127.0.0.1' }, onConnection);
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  test('is JSON with --json, with the times and no escape sequence of the application', async () => {
    const text = 'Status: 404 No\r\nX-A: \u001b[31m\r\nX-A: b\r\n\r\n\u001b]0;title\u0007\u009b';
    const path = await listen(replying(wholeAnswer(text, 'oops\n')));
    const result = await askServer([path, '/', '--json']);
    expect(result).toMatchObject({ status: 0, stderr: '' });
    for (const control of ['\u001b', '\u0007', '\u009b'])
      expect(result.stdout.toString()).not.toContain(control);
    const { connectedMs, firstByteMs, totalMs, ...rest } = JSON.parse(result.stdout.toString()) as Record<
      string,
      number
    >;
    expect(rest).toEqual({
      address: path,
      outcome: 'answered',
      exitStatus: 0,
      message: '404 No',
      status: 404,
      reason: 'No',
      headers: [
        ['Status', '404 No'],
        ['X-A', '\u001b[31m'],
        ['X-A', 'b'],
      ],
      body: '\u001b]0;title\u0007\u009b',
      stderr: 'oops\n',
      stdoutBytes: Buffer.byteLength(text),
      stderrBytes: 5,
      isCut: false,
    });
    expect(connectedMs).toBeGreaterThan(0);
    expect(firstByteMs).toBeGreaterThanOrEqual(connectedMs ?? 0);
    expect(totalMs).toBeGreaterThanOrEqual(firstByteMs ?? 0);
  });

  test('is JSON of what came in time, too', async () => {
    const path = await listen((socket) => socket.write(record(recordType.stdout, page)));
    const result = await askServer([path, '/', '--json', '--deadline', '1s']);
    expect(result).toMatchObject({
      status: 6,
      stderr: `spawn-fcgictl: ${path}: no whole answer within 1s\n`,
    });
    expect(JSON.parse(result.stdout.toString())).toMatchObject({
      outcome: 'timed-out',
      exitStatus: 6,
      status: 200,
      body: 'hello\n',
    });
  });

  test('moves no cursor of a terminal, where a line with the times follows', async (ctx) => {
    machine.needCommands(ctx, 'script');
    const path = await listen(replying(wholeAnswer('X: y\r\n\r\n\u001b[2Jbody', '\u001b]0;x\u0007\n')));
    const { stdout } = await runCommand('script', ['-qec', `${ctlPath} request ${path}`, '/dev/null'], {
      input: '',
    });
    for (const control of ['\u001b', '\u0007']) expect(stdout).not.toContain(control);
    const lines = stdout.replaceAll('\r', '').split('\n');
    expect(lines.slice(0, 4)).toEqual([String.raw`\x1b]0;x\x07`, 'X: y', '', String.raw`\x1b[2Jbody`]);
    expect(lines[4]).toMatch(
      /^spawn-fcgictl: 200 OK in [\d.]+ ms \(connected after [\d.]+, first byte after [\d.]+\), 16 bytes$/,
    );
  });
});

describe('nothing is kept in memory:', () => {
  const total = 96 * 1024 * 1024;
  const piece = Buffer.alloc(60_000, 0x61);

  function startClient(args: readonly string[]) {
    const child = spawn(ctlPath, ['request', ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
    atEnd(() => {
      child.kill('SIGKILL');
    });
    return child;
  }

  /** Waits until the count grows no more. */
  async function standsStill(what: string, count: () => number): Promise<number> {
    let before = -1;
    return waitFor(what, () => {
      const now = count();
      const isStill = now > 0 && now === before;
      before = now;
      return isStill && now;
    });
  }

  test('an answer is taken from the server as fast as it is read from us', async () => {
    let sent = 0;
    const path = await listen((socket) => {
      socket.resume();
      const sendMore = (): void => {
        while (sent < total) {
          sent += piece.length;
          if (!socket.write(record(recordType.stdout, piece))) return;
        }
        socket.end(endRequest());
      };
      socket.write(record(recordType.stdout, page));
      socket.on('drain', sendMore);
      sendMore();
    });
    const child = startClient([path]);
    // The pipe, the socket and one chunk of the client are full, and no more.
    expect(await standsStill('the server to be held up', () => sent)).toBeLessThan(total / 4);
    let length = 0;
    for await (const chunk of child.stdout) length += (chunk as Buffer).length;
    expect(length).toBe(page.length + sent);
    await waitFor('its end', () => child.exitCode !== null);
    expect(child.exitCode).toBe(0);
  });

  test('a body is read as fast as the server takes it', async () => {
    const file = makeSparseFile(total);
    let connection: Socket | undefined;
    const path = await listen((socket) => {
      socket.pause();
      connection = socket;
    });
    const child = startClient([path, '/', '--data', `@${file}`]);
    await waitFor('the connection', () => connection !== undefined);
    const readSoFar = (): number =>
      Number(/^rchar: (\d+)/m.exec(fs.readFileSync(`/proc/${child.pid}/io`, 'utf8'))?.[1]);
    expect(await standsStill('the client to be held up', readSoFar)).toBeLessThan(total / 4);
    let received = 0;
    connection?.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (chunk.subarray(-8).equals(record(recordType.stdin, ''))) connection?.end(wholeAnswer(page));
    });
    connection?.resume();
    const text = await child.stdout.toArray();
    expect(Buffer.concat(text).toString()).toBe(page);
    expect(received).toBeGreaterThan(total);
  });
});

function makeSparseFile(bytes: number): string {
  const path = join(makeTempDir(), 'body');
  const descriptor = fs.openSync(path, 'w');
  fs.ftruncateSync(descriptor, bytes);
  fs.closeSync(descriptor);
  return path;
}

describe('our own end:', () => {
  test('who reads has seen enough: 10, at once and without a word', async () => {
    const path = await listen((socket) => {
      const sendMore = (): void => {
        while (socket.write(record(recordType.stdout, Buffer.alloc(60_000, 0x61))));
      };
      socket.write(record(recordType.stdout, page));
      socket.on('drain', sendMore);
      sendMore();
    });
    const line = `${ctlPath} request ${path} | head -c 30 >/dev/null; echo "\${PIPESTATUS[0]}"`;
    expect(await runCommand('bash', ['-c', line])).toMatchObject({ stdout: '10\n', stderr: '' });
  });

  test('an answer that cannot be written is 10, and says why', async () => {
    const path = await listen(replying(wholeAnswer(page)));
    const result = await runCommand('sh', ['-c', `exec ${ctlPath} request ${path} >/dev/full`]);
    expect(result).toMatchObject({
      status: 10,
      stderr: expect.stringMatching(/^spawn-fcgictl: the answer cannot be written: ENOSPC/) as string,
    });
  });

  test('an interruption ends it at once, by the signal', async () => {
    let isAsked = false;
    const path = await listen((socket) => socket.once('data', () => (isAsked = true)));
    const child = spawn(ctlPath, ['request', path], { stdio: 'ignore' });
    await waitFor('the request', () => isAsked);
    child.kill('SIGINT');
    await waitFor('its end', () => child.signalCode !== null || child.exitCode !== null);
    expect(child.signalCode).toBe('SIGINT');
  });
});
