// While a pool stops its socket lets nobody new in, and who is in, accepted or in the queue, is served (docs/internals/reload.md).
import { chmodSync, copyFileSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { SocketDoor } from '../../src/sys/socket/socket-door.ts';
import { compileC, fixture } from '../helpers/build/index.ts';
import { atEnd, freePort, isAlive, needRoot, NOBODY, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { asEffectiveUser, listenSomewhere, resetOptions } from '../helpers/sys/index.ts';
import { transports, type Transport } from '../helpers/web/index.ts';

type Target = { path: string } | { port: number; host: string };

interface Doorway extends pools.Place {
  /** For the pool's command line. */
  address: string[];
  /** As spawn-fcgictl takes it. */
  name: string;
  target: Target;
}

describe.for(transports)('the stop of a pool on %s', (transport) => {
  test('serves what is accepted and what waits in the queue, and lets nobody new in', async () => {
    const place = await makeDoorway(transport);
    const pool = await startSlow(place, 2);
    const clients = Array.from({ length: 6 }, () => new Client(place.target));
    await waitFor('the queue', async () => (await pools.statusOf(place)).queue?.length === 4);
    process.kill(pool.pid, 'SIGTERM');
    // It answers between two steps: the event comes before the first of them.
    await waitFor('the stop', async () => (await pools.statusOf(place)).phase === 'stopping');
    if (transport === 'a Unix socket') expect(existsSync(place.socket)).toBe(false);
    const late = new Client(place.target);
    // One after the other: each answer lets a worker take the next.
    for (const client of clients) {
      client.ask();
      await waitFor('an answer', () => clients.some(({ isOver }) => isOver));
    }
    expect(await Promise.all(clients.map(({ outcome }) => outcome))).toEqual(
      clients.map(() => expect.stringMatching(/^\d+\n$/) as string),
    );
    await pools.expectNothingLeft(place);
    // Neither accepted nor reset: its address was as good as closed from the first moment.
    expect(await late.outcome).toMatch(transport === 'TCP' ? /^ECONNREFUSED$/ : /^ENOENT$/);
    expect(pools.events(place, 'killed')).toEqual([]);
    expect(pools.events(place, 'request-cut')).toEqual([]);
  });

  test('cut short by kill -9 leaves nothing that the next start would not heal', async () => {
    const place = await makeDoorway(transport);
    const pool = await startSlow(place, 1, ['--stop-timeout', '1h']);
    const busy = new Client(place.target);
    await waitFor('a busy worker', async () => (await pools.statusOf(place)).busy === 1);
    process.kill(pool.pid, 'SIGTERM');
    await pools.waitForEvents(place, 'stopping');
    process.kill(pool.pid, 'SIGKILL');
    await waitFor('the end of the supervisor', () => !isAlive(pool.pid));
    await startSlow(place, 1);
    const client = new Client(place.target);
    client.ask();
    busy.ask();
    expect(await client.outcome).toMatch(/^\d+\n$/);
    expect(await pools.ctl(place.stateDir, ['stop', place.name])).toMatchObject({ status: 0 });
    await pools.expectNothingLeft(place);
  });

  test('takes nothing from a pool that has taken the socket over', async () => {
    const place = await makeDoorway(transport);
    const old = await startSlow(place, 1);
    const busy = new Client(place.target);
    await waitFor('a busy worker', async () => (await pools.statusOf(place)).busy === 1);
    await startSlow(place, 1, ['--replace']);
    await pools.waitForEvents(place, 'handed-over');
    const client = new Client(place.target);
    client.ask();
    expect(await client.outcome).toMatch(/^\d+\n$/);
    busy.ask();
    expect(await busy.outcome).toMatch(/^\d+\n$/);
    await waitFor('the end of the old supervisor', () => !isAlive(old.pid));
    expect(await pools.ctl(place.stateDir, ['stop', place.name])).toMatchObject({ status: 0 });
  });
});

test('a socket file that may not be removed forbids everything during the stop, and nothing afterwards', async (ctx) => {
  needRoot(ctx);
  const place = await makeDoorway('a Unix socket');
  chmodSync(place.dir, 0o755);
  const pool = await startSlow(place, 1, ['-u', String(NOBODY), '-g', String(NOBODY), '-M', '0640']);
  const client = new Client(place.target);
  await waitFor('a busy worker', async () => (await pools.statusOf(place)).busy === 1);
  process.kill(pool.pid, 'SIGTERM');
  await waitFor('the mode to go', () => (statSync(place.socket).mode & 0o777) === 0);
  client.ask();
  expect(await client.outcome).toMatch(/^\d+\n$/);
  await pools.expectNoProcess(place);
  expect((statSync(place.socket).mode & 0o777).toString(8)).toBe('640');
  // The next start replaces it.
  await startSlow(place, 1);
  expect(await pools.ctl(place.stateDir, ['stop', place.name])).toMatchObject({ status: 0 });
});

test('a socket of somebody else on the path is left alone, also one that is bound during the stop', async () => {
  const place = await makeDoorway('a Unix socket');
  const pool = await startSlow(place, 1);
  const client = new Client(place.target);
  await waitFor('a busy worker', async () => (await pools.statusOf(place)).busy === 1);
  process.kill(pool.pid, 'SIGTERM');
  await waitFor('the name to go', () => !existsSync(place.socket));
  const other = createServer((connection) => connection.end('other\n'));
  await new Promise<void>((resolve) => other.listen(place.socket, resolve));
  atEnd(() => void other.close());
  client.ask();
  await pools.expectNoProcess(place);
  expect(await new Client(place.target).outcome).toBe('other\n');
});

describe.for(['root', 'nobody'] as const)('a TCP socket that %s bars', (who) => {
  test.for(['127.0.0.1', '::1'])(
    'on %s lets in nobody new, keeps who waits, and can be unbarred',
    async (host, ctx) => {
      needRoot(ctx);
      const socket = await listenSomewhere('tcp', 16, host);
      const door = new SocketDoor(socket, undefined);
      const waiting = new Client(socket.target);
      await waitFor('the connection', () => waiting.isConnected);
      if (who === 'root') door.shut();
      else asEffectiveUser(NOBODY, () => door.shut());
      expect(door.isShut).toBe(true);
      const late = new Client(socket.target);
      const server = createServer((connection) => connection.end('served\n')).listen({
        fd: socket.descriptor,
      });
      atEnd(() => void server.close());
      expect(await waiting.outcome).toBe('served\n');
      expect(late.isConnected).toBe(false);
      resetOptions(socket.descriptor);
      // Its handshake is tried again, a second later.
      expect(await late.outcome).toBe('served\n');
    },
  );
});

async function makeDoorway(transport: Transport): Promise<Doorway> {
  const place = pools.makePlace();
  copyFileSync(compileC(fixture('session-worker.c')), place.app);
  chmodSync(place.app, 0o755);
  if (transport === 'a Unix socket') {
    return { ...place, address: ['-s', place.socket], name: place.socket, target: { path: place.socket } };
  }
  const port = await freePort();
  const address = ['-a', '127.0.0.1', '-p', String(port)];
  return { ...place, address, name: `127.0.0.1:${port}`, target: { host: '127.0.0.1', port } };
}

/** Its workers answer when they are asked to. */
async function startSlow(place: Doorway, workers: number, options: string[] = []) {
  const serve = `${place.dir}/serve.sh`;
  writeFileSync(serve, `#!/bin/sh\nexec ${place.app} serve\n`, { mode: 0o755 });
  const pool = await pools.start({ ...place, app: serve }, [...options, '-F', String(workers)], [], {
    address: place.address,
  });
  await pools.fullPool(pool, workers);
  return pool;
}

/** One connection; the worker answers a newline with its PID. */
class Client {
  readonly #socket: Socket;
  /** What was received, or the code of the error. */
  readonly outcome: Promise<string>;
  isOver = false;
  isConnected = false;

  constructor(target: Target) {
    let text = '';
    this.#socket = connect(target);
    this.#socket.on('connect', () => (this.isConnected = true));
    this.#socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    this.#socket.on('error', (error: NodeJS.ErrnoException) => (text += error.code));
    this.outcome = new Promise((resolve) => {
      this.#socket.on('close', () => {
        this.isOver = true;
        resolve(text);
      });
    });
    atEnd(() => {
      this.#socket.destroy();
    });
  }

  ask(): void {
    this.#socket.write('\n');
  }
}
