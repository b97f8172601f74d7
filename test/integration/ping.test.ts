// What `spawn-fcgictl ping` takes for serving, and what the pool's own socket answers to `--probe`.
import { chmodSync, copyFileSync, renameSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startFake } from '../helpers/fakes/index.ts';
import { atEnd, needRoot, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { startRequests, transports } from '../helpers/web/index.ts';

function ping({ stateDir, socket, name = socket }: pools.Place & { name?: string }, ...options: string[]) {
  return pools.ctl(stateDir, ['ping', name, ...options]);
}

describe('serving means that workers are seen to wait or to work:', () => {
  test('a program that never accepts does not, with connections in its queue or without', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['-F', '2'], ['hang']);
    expect(await ping(place)).toMatchObject({
      status: 1,
      stderr: '',
      stdout: `not serving: no worker accepts; app on ${place.socket}, PID ${pool.pid}, 2 idle, 0 busy, 0 of 1024 waiting\n`,
    });
    const connection = connect(place.socket);
    atEnd(() => {
      connection.destroy();
    });
    await waitFor('a connection in the queue', async () => (await pools.statusOf(place)).queue?.length === 1);
    expect(await ping(place)).toMatchObject({ status: 1 });
    const table = await pools.ctl(place.stateDir, ['status', place.socket]);
    expect(table.stdout).toContain(`PID ${pool.pid}, not serving: no worker accepts, gen 1,`);
    expect((await pools.statusOf(place)).serving).toBe('no');
  });

  test('one whose every look falls between two requests is not missed', async () => {
    const place = await pools.makeEchoPlace();
    await pools.start(place, [], [], { address: place.address });
    const load = startRequests(place.target, 4);
    await waitFor('some answers', () => load.tally.answered > 20);
    for (let count = 0; count < 10; count += 1) expect(await ping(place)).toMatchObject({ status: 0 });
    expect((await load.stop()).lost).toEqual([]);
  });

  test('a pool whose workers are all in backoff does not, and says so in its heading', async () => {
    const place = pools.makePlace();
    const flag = join(place.dir, 'bad');
    const delays = ['--restart-delay', '1h', '--restart-max-delay', '1h'];
    const pool = await pools.start(place, delays, [`when=${flag}`, 'exit=7', 'serve']);
    writeFileSync(flag, '');
    process.kill(await pools.onlyWorker(pool), 'SIGKILL');
    await waitFor('backoff', async () => (await pools.statusOf(place)).backoff === 1);
    const failing = 'failing: its worker is in backoff';
    expect(await ping(place)).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(`^${failing}; `) as string,
    });
    const table = await pools.ctl(place.stateDir, ['status', place.socket]);
    expect(table.stdout).toContain(`PID ${pool.pid}, ${failing}, gen 1,`);
  });

  test('a pool whose socket file was removed, or is another one, does not', async () => {
    const place = pools.makePlace();
    await pools.start(place);
    const away = `${place.socket}.away`;
    renameSync(place.socket, away);
    const says = async (loss: string): Promise<void> => {
      const said = `not serving: its socket file ${loss}`;
      expect(await ping(place)).toMatchObject({
        status: 1,
        stdout: expect.stringMatching(`^${said}; app on `) as string,
      });
      const { stdout } = await pools.ctl(place.stateDir, ['status']);
      expect(stdout).toContain(`, ${said}, gen 1, `);
      expect(stdout).toContain(
        '\n  nobody can connect: start it again with its command, which takes the pool over\n',
      );
    };
    await says('is gone');
    writeFileSync(place.socket, '');
    await says('was replaced');
    renameSync(away, place.socket);
    expect(await ping(place)).toMatchObject({ status: 0 });
  });

  test('where nobody may look it is said, and is no failure', async (ctx) => {
    needRoot(ctx);
    const place = pools.makePlace();
    const hidden = join(place.dir, 'hidden');
    copyFileSync(place.app, hidden);
    // Without read permission a program may not be looked into, but by root.
    chmodSync(hidden, 0o711);
    chmodSync(place.dir, 0o711);
    await pools.start({ ...place, app: hidden }, ['-u', 'nobody', '-g', 'nogroup']);
    expect(await ping(place)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^unknown: its workers may not be looked into; hidden on /) as string,
    });
    expect((await pools.statusOf(place)).serving).toBe('unknown');
  });
});

describe('ping --probe', () => {
  test('asks for a management record, which must be answered within --timeout', async () => {
    const place = pools.makePlace();
    await pools.start(place, [], ['record']);
    for (const args of [
      ['ping', '--probe', place.socket],
      ['ping', place.socket, '--probe'],
    ]) {
      const result = await pools.ctl(place.stateDir, args);
      expect(result).toMatchObject({ status: 0, stderr: '' });
      expect(result.stdout).toMatch(/^answered in \d+ ms; app on /);
    }
    const other = pools.makePlace();
    await pools.start(other, [], ['hang']);
    expect(await ping(other, '--probe', '--timeout', '700ms')).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/^no answer within 700 ms; app on /) as string,
    });
  });

  test('of one that closes every connection is no answer', async () => {
    const place = pools.makePlace();
    await pools.start(place);
    expect(await ping(place, '--probe')).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/^no answer: the connection was closed; app on /) as string,
    });
  });

  test.for(transports)('with a URI makes a request on %s', async (transport) => {
    const place = await pools.makeEchoPlace(transport);
    await pools.start(place, [], [], { address: place.address });
    for (const args of [
      ['--probe', '/page?x=1', place.name],
      [place.name, '--probe=/page?x=1'],
    ]) {
      const result = await pools.ctl(place.stateDir, ['ping', ...args]);
      expect(result).toMatchObject({ status: 0, stderr: '' });
      expect(result.stdout).toMatch(/^GET \/page\?x=1: 200 OK in \d+ ms; \w+ on /);
    }
  });

  test('of a pool on all addresses asks the loopback one', async () => {
    const place = await pools.makeEchoPlace('TCP');
    const port = place.name.split(':')[1] ?? '';
    await pools.start(place, [], [], { address: ['-p', port] });
    expect((await pools.ctl(place.stateDir, ['ping', '--probe', '/', port])).status).toBe(0);
  });

  test.each([
    ['Status: 503 Service Unavailable\r\n\r\n', 0, 1, "503 Service Unavailable in N ms, saying 'boom'"],
    ['Status: 404 Not Found\r\n\r\n', 0, 0, '404 Not Found in N ms'],
    ['Status: 200 \x1b[31m\r\n\r\n', 0, 0, '200 \\x1b[31m in N ms'],
    ['', 2, 1, "refused (it is overloaded) in N ms, saying 'boom'"],
    ['hello', 0, 1, "an answer without a header in N ms, saying 'boom'"],
  ])('judges the answer %j with protocol status %i: %i', async (text, protocolStatus, status, said) => {
    const stateDir = pools.makeStateDir();
    const address = join(dirname(stateDir), 'app.sock');
    await startFake(stateDir, { address });
    await answering(address, (connection) => {
      connection.write(Buffer.concat([record(7, 'so\nboom\n'), record(6, text)]));
      connection.end(record(3, Buffer.of(0, 0, 0, 0, protocolStatus, 0, 0, 0)));
    });
    const result = await pools.ctl(stateDir, ['ping', '--probe', '/status', address]);
    expect(result).toMatchObject({ status, stderr: '' });
    expect(result.stdout.replace(/in \d+ ms/, 'in N ms')).toMatch(
      new RegExp(`^GET /status: ${escape(said)}; `),
    );
  });

  test('of a pool that nobody can reach any more says why', async () => {
    const stateDir = pools.makeStateDir();
    const address = join(dirname(stateDir), 'app.sock');
    await startFake(stateDir, { address });
    expect(await pools.ctl(stateDir, ['ping', '--probe', address])).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/^no answer: its socket file is not there; /) as string,
    });
  });

  test.each([
    [['ping', '--probe'], "missing required argument 'target'"],
    [['ping', '9000', '--probe', 'status'], "invalid URI for --probe: 'status'"],
    [['ping', '9000', '--probe', '/a b'], "invalid URI for --probe: '/a b'"],
  ])('%j is a mistake', async (args, text) => {
    const result = await pools.ctl(pools.makeStateDir(), args);
    expect(result).toMatchObject({ status: 255, stdout: '' });
    expect(result.stderr).toContain(text);
  });
});

function record(type: number, content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([Buffer.of(1, type, 0, 1, 0, bytes.length, 0, 0), bytes]);
}

/** A socket whose connections are answered so once something came. */
async function answering(path: string, answer: (connection: Socket) => void): Promise<void> {
  const server = createServer((connection) => {
    connection.on('error', () => undefined);
    connection.once('data', () => answer(connection));
  });
  atEnd(() => {
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
}

function escape(text: string): string {
  return text.replaceAll(/[\\()[\]]/g, String.raw`\$&`);
}
