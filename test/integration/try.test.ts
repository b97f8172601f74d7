// `spawn-fcgictl try`: one worker more, on a socket of its own, and what becomes of it whoever goes away meanwhile.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { atEnd, isAlive, runCommand, waitFor, type RunResult } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

type EchoPlace = Awaited<ReturnType<typeof pools.makeEchoPlace>>;

function tryOne(place: pools.Place & { name?: string }, ...options: string[]): Promise<RunResult> {
  return pools.ctl(place.stateDir, ['try', place.name ?? place.socket, ...options]);
}

function startEcho(place: EchoPlace, options: readonly string[] = []): Promise<pools.Pool> {
  return pools.start(place, options, [], { address: place.address });
}

/** A request to a worker on trial that is answered when nobody expects it any more; `worker` resolves with the PID. */
async function holdOne(place: EchoPlace, pool: { pid: number }) {
  const before = pools.workersOf(pool);
  const fifo = `${place.dir}/fifo`;
  await runCommand('mkfifo', ['-m', '666', fifo]);
  const args = ['--state-dir', place.stateDir, 'try', place.name, '--request', `/?hold=${fifo}`];
  const client = spawn(pools.ctlPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  atEnd(() => {
    client.kill('SIGKILL');
  });
  let stderr = '';
  client.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(client, 'close');
  const worker = await waitFor('the worker on trial', () =>
    pools.workersOf(pool).find((pid) => !before.includes(pid)),
  );
  return { client, worker, before, end: async () => ({ status: (await ended)[0] as number, stderr }) };
}

const isTcp = (place: EchoPlace): boolean => place.name.startsWith('127.');

describe.for(['a Unix socket', 'TCP'] as const)('a pool on %s:', (transport) => {
  test('a worker comes up beside the others, and is ended', async () => {
    const place = await pools.makeEchoPlace(transport);
    const pool = await startEcho(place, ['-F', '2']);
    const before = await pools.fullPool(pool, 2);
    expect(await tryOne(place)).toEqual(
      expect.objectContaining({ status: 0, stdout: 'it came up and was ended\n', stderr: '' }),
    );
    expect(pools.workersOf(pool)).toEqual(before);
    expect((await pools.statusOf(place)).workers.map(({ restarts }) => restarts)).toEqual([0, 0]);
    await pools.endPool(place, pool);
    if (!isTcp(place)) await pools.expectNothingLeft(place);
  });

  test('it answers a request, of the release in service or of what a reload would take now', async () => {
    const place = await pools.makeEchoPlace(transport);
    const pool = await startEcho(place);
    const worker = await pools.onlyWorker(pool);
    const ask = async (...options: string[]): Promise<[pid: number, release: string]> => {
      const { status, stdout, stderr } = await tryOne(place, '--request', '/x?a=b', ...options);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      const [, pid, release = ''] = /\r\n\r\nGET a=b (\d+) (\S+)\n$/.exec(stdout) ?? [];
      return [Number(pid), release];
    };
    place.releases.make('2');
    place.releases.make('3');
    place.releases.switchTo('2');
    const [pid, release] = await ask();
    expect(release).toBe('1');
    expect(pid).not.toBe(worker);
    expect((await ask('--release'))[1]).toBe('2');
    place.releases.switchTo('3');
    expect((await ask('--release'))[1]).toBe('3');
    expect((await ask())[1]).toBe('1');
    expect(pools.workersOf(pool)).toEqual([worker]);
    // Nothing of a try is what a reload takes.
    expect(await pools.ctl(place.stateDir, ['reload', place.name])).toMatchObject({ status: 0 });
    expect((await ask())[1]).toBe('3');
  });
});

describe('what goes wrong is said:', () => {
  async function startWithScript(script: string, options: readonly string[] = []) {
    const place = await pools.makeEchoPlace();
    const pool = await startEcho(place, options);
    place.releases.make('2', script);
    place.releases.switchTo('2');
    return { place, pool };
  }

  test('a program that ends is 1, with what it printed', async () => {
    const { place, pool } = await startWithScript('#!/bin/sh\necho one\necho two >&2\nexit 3\n');
    const said =
      /^one\ntwo\nspawn-fcgictl: pool '.*: a worker of the new release \(PID \d+\) exited with 3 on trial\n$/;
    for (const request of [[], ['--request', '/']])
      expect(await tryOne(place, '--release', ...request)).toMatchObject({
        status: 1,
        stdout: '',
        stderr: expect.stringMatching(said) as string,
      });
    expect(pools.workersOf(pool)).toHaveLength(1);
  });

  test('one that never comes up, or never answers, is 3 at --ready-timeout', async () => {
    const { place, pool } = await startWithScript('#!/bin/sh\nexec sleep 600\n', ['--ready-timeout', '1s']);
    for (const request of [[], ['--request', '/']])
      expect(await tryOne(place, '--release', ...request)).toMatchObject({
        status: 3,
        stderr: expect.stringContaining('was not up within --ready-timeout\n') as string,
      });
    expect(pools.workersOf(pool)).toHaveLength(1);
  });

  test('one that prints without end is not held up, and what is shown has a limit', async () => {
    const script = '#!/bin/sh\nhead -c 3000000 /dev/zero | tr "\\0" x\nexec "${0%/*}/original" "$@"\n';
    const { place } = await startWithScript(script);
    const { status, stdout, stderr } = await tryOne(place, '--release', '--request', '/');
    expect(status).toBe(0);
    expect(stdout).toMatch(/\nGET {2}\d+ \S+\n$/);
    expect(stderr.replaceAll('x', '')).toMatch(
      /^spawn-fcgictl: \d+ bytes more of its output are not shown\n$/,
    );
    expect(stderr.length).toBeLessThan(300_000);
  });

  /** A program of the test's: `serve` has the connection once something has come on it. */
  async function startWithNode(serve: string): Promise<EchoPlace> {
    const place = await pools.makeEchoPlace();
    const server = `require('net').createServer((c) => c.once('data', () => { ${serve} })).listen({ fd: 0 });`;
    place.releases.make('2', `#!${process.execPath}\n${server}\n`);
    place.releases.switchTo('2');
    await startEcho(place);
    return place;
  }

  const end = "Buffer.from('\\x01\\x03\\0\\x01\\0\\x08\\0\\0'.padEnd(16, '\\0'), 'latin1')";
  const say = (text: string): string =>
    `{ const t = '${text}'; c.write(Buffer.from([1, 6, 0, 1, 0, Buffer.byteLength(t), 0, 0])); c.write(t); }`;

  test.each([
    ['what is no FastCGI', 'c.end("HTTP/1.1 400 Bad")', 1, /: what it answered is no FastCGI\n$/],
    [
      'half an answer',
      say('X: y\\n\\n') + 'c.end()',
      1,
      /: it closed the connection before the end of its answer\n$/,
    ],
    [
      'an HTTP status of 500',
      `${say('Status: 500 Oops\\n\\n')} c.end(${end})`,
      1,
      /^spawn-fcgictl: its answer: 500 Oops\n$/,
    ],
    ['one of 404', `${say('Status: 404 No\\n\\n')} c.end(${end})`, 0, /^$/],
  ])('%s is told, and has its status', async (_what, serve, status, stderr) => {
    const result = await tryOne(await startWithNode(serve), '--request', '/');
    expect(result.stderr).toMatch(stderr);
    expect(result.status).toBe(status);
  });

  test('an answer that is read more slowly than it comes is whole', async () => {
    const serve = `${say('X: y\\n\\n')} const b = Buffer.alloc(65536, 122); b[0] = 1; b[1] = 6; b[2] = 0; b[3] = 1;
      b.writeUInt16BE(65528, 4); b[6] = b[7] = 0; for (let n = 0; n < 320; n++) c.write(b); c.end(${end})`;
    const place = await startWithNode(serve);
    const args = `--state-dir ${place.stateDir} try ${place.name} --request /`;
    // The reader begins when all of it could have come.
    const line = `${pools.ctlPath} ${args} | { read -r first; sleep 1; wc -c; }; echo "\${PIPESTATUS[0]}"`;
    expect(await runCommand('bash', ['-c', line])).toMatchObject({
      stdout: `${1 + 320 * 65_528}\n0\n`,
      stderr: '',
    });
  });

  test('a pool whose supervisor was killed has none to try it: 4', async () => {
    const place = await pools.makeEchoPlace();
    await pools.killSupervisor(await startEcho(place));
    expect(await tryOne(place)).toMatchObject({
      status: 4,
      stderr: expect.stringContaining('no supervisor to try it') as string,
    });
  });

  test('--root and --param without --request, a URI that is none and parameters that are too long are 255', async () => {
    const place = await pools.makeEchoPlace();
    await startEcho(place);
    const long = `X=${'x'.repeat(4000)}`;
    for (const options of [
      ['--root', '/srv'],
      ['--param', 'A=b'],
      ['--request', 'x'],
      ['--request', '/', '--param', long],
    ])
      expect(await tryOne(place, ...options)).toMatchObject({ status: 255, stdout: '' });
  });
});

describe('while a worker is on trial', () => {
  test('another try is busy, and the pool answers all else', async () => {
    const place = await pools.makeEchoPlace();
    const pool = await startEcho(place);
    await holdOne(place, pool);
    expect(await tryOne(place)).toMatchObject({
      status: 6,
      stderr: expect.stringContaining('busy: another try is under way') as string,
    });
    expect(await pools.ctl(place.stateDir, ['ping', place.name])).toMatchObject({ status: 0 });
    expect((await pools.statusOf(place)).workers).toHaveLength(1);
  });

  test('a client that goes away ends it', async () => {
    const place = await pools.makeEchoPlace();
    const pool = await startEcho(place);
    const { client, worker, before } = await holdOne(place, pool);
    client.kill('SIGINT');
    await waitFor('the end of the worker', () => !isAlive(worker));
    expect(pools.workersOf(pool)).toEqual(before);
    expect(await tryOne(place)).toMatchObject({ status: 0 });
  });

  test('a client that goes away while a reload is waited for has none started', async () => {
    const place = pools.makePlace();
    await pools.start(place, [], ['pause=1500', 'serve']);
    const reload = pools.ctl(place.stateDir, ['reload', place.socket]);
    await waitFor('the trial of the reload', () => pools.starts(place).length === 2);
    expect(await tryOne(place, '--timeout', '500ms')).toMatchObject({ status: 6 });
    expect(await reload).toMatchObject({ status: 0 });
    expect(await tryOne(place)).toMatchObject({ status: 0 });
    // The first worker, two of the reload, and the one that somebody waited for.
    expect(pools.starts(place)).toHaveLength(4);
  });

  test('--timeout ends it with 6', async () => {
    const place = await pools.makeEchoPlace();
    const pool = await startEcho(place);
    const fifo = `${place.dir}/fifo`;
    await runCommand('mkfifo', ['-m', '666', fifo]);
    const result = await tryOne(place, '--request', `/?hold=${fifo}`, '--timeout', '1s');
    expect(result).toMatchObject({
      status: 6,
      stderr: expect.stringContaining('no answer within 1s') as string,
    });
    await waitFor('the end of the worker', () => pools.workersOf(pool).length === 1);
  });

  test('a reload ends it, and waits for its end before its own trial', async () => {
    const place = await pools.makeEchoPlace();
    const pool = await startEcho(place);
    const { worker, before, end } = await holdOne(place, pool);
    place.releases.make('2');
    place.releases.switchTo('2');
    expect(await pools.ctl(place.stateDir, ['reload', place.name])).toMatchObject({ status: 0 });
    expect(isAlive(worker)).toBe(false);
    expect(await end()).toMatchObject({
      status: 6,
      stderr: expect.stringContaining('busy: a reload began') as string,
    });
    const [now] = await pools.fullPool(pool, 1, before);
    expect(before).not.toContain(now);
    expect((await tryOne(place, '--request', '/')).stdout).toMatch(/ 2\n$/);
  });

  test('a stop of the pool ends it, and leaves nothing', async () => {
    const place = await pools.makeEchoPlace();
    const pool = await startEcho(place);
    const { end, worker } = await holdOne(place, pool);
    process.kill(pool.pid, 'SIGTERM');
    expect(await end()).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('the pool is stopping') as string,
    });
    await waitFor('the end of the pool', () => !isAlive(pool.pid));
    expect(isAlive(worker)).toBe(false);
    await pools.expectNothingLeft(place);
  });

  test.each(['stop', 'start'])(
    'a supervisor that is killed leaves a worker that the next %s ends',
    async (next) => {
      const place = await pools.makeEchoPlace();
      const pool = await startEcho(place);
      const { end, worker } = await holdOne(place, pool);
      await pools.killSupervisor(pool);
      expect(await end()).toMatchObject({
        status: 6,
        stderr: expect.stringContaining('the connection was closed without an answer') as string,
      });
      if (next === 'start') await startEcho(place);
      else await pools.ctl(place.stateDir, ['stop', place.name]);
      await waitFor('the end of the worker', () => !isAlive(worker));
    },
  );
});
