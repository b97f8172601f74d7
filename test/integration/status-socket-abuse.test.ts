// Whoever asks at a status socket without end, slowly, or nonsense: connections, time and memory are bounded, the others are
// answered, and the pool does not notice.
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { encodePair } from '../../src/fastcgi/pairs.ts';
import { encodeRecord } from '../../src/fastcgi/record.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import * as web from '../helpers/web/index.ts';

interface Watched extends pools.Place {
  status: string;
  target: web.FastcgiTarget;
  pool: pools.Pool;
}

async function startWatched(options: readonly string[] = []): Promise<Watched> {
  const place = pools.makePlace();
  const status = join(place.runDir, 'app.status');
  const pool = await pools.start(place, ['--status-socket', status, ...options]);
  return { ...place, status, target: { socketPath: status }, pool };
}

/** A client that has nothing to say, or just this. */
async function openClient({ status }: Watched, ...bytes: readonly Buffer[]): Promise<Socket> {
  const socket = connect({ path: status });
  machine.atEnd(() => void socket.destroy());
  socket.on('error', () => undefined);
  // A queue that is full refuses it.
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  for (const chunk of bytes) socket.write(chunk);
  return socket;
}

function socketsOf({ pool }: Watched): number {
  return machine.readOpenFiles(pool.pid).filter(({ target }) => target.startsWith('socket:')).length;
}

test('a hundred clients that say nothing do not keep another one from its answer, nor hold more than 64 places', async () => {
  const place = await startWatched();
  // What it opens for its first look stays open.
  await web.askFacts(place.target);
  const before = socketsOf(place);
  for (let index = 0; index < 100; index++) await openClient(place);
  const facts = await machine.waitFor(
    'an answer',
    () => web.askFacts(place.target).catch(() => false as const),
    {
      timeoutMs: 20_000,
    },
  );
  expect(facts).toMatchObject({ pool: 'app' });
  expect(socketsOf(place)).toBeLessThanOrEqual(before + 64);
  await pools.endPool(place, place.pool);
});

test('one connection is good for many requests, as nginx keeps it', async () => {
  const place = await startWatched();
  const client = new web.KeptClient(place.target);
  for (let index = 0; index < 20; index++) expect(await client.ask('json')).toContain('"pool":"app"');
  expect(client.isClosed).toBe(false);
  await pools.endPool(place, place.pool);
});

test('a client that stops in the middle of a request loses its connection', async () => {
  const place = await startWatched();
  const client = await openClient(place, Buffer.from([1, 1, 0, 1, 0, 8, 0, 0, 0, 1]));
  let isClosed = false;
  client.on('close', () => (isClosed = true));
  client.resume();
  await machine.waitFor('its end', () => isClosed, { timeoutMs: 20_000 });
  await pools.endPool(place, place.pool);
});

test.each([
  ['a request of HTTP', [Buffer.from('GET /status HTTP/1.0\r\n\r\n')]],
  ['records without end', Array.from({ length: 600 }, () => encodeRecord(99, 7, Buffer.alloc(0)))],
  [
    'questions whose answers nobody reads',
    Array.from({ length: 600 }, () => encodeRecord(77, 0, Buffer.alloc(8))),
  ],
])('%s ends the connection, and memory stays as it is', async (_name, bytes) => {
  const place = await startWatched();
  await web.askFacts(place.target);
  const before = residentOf(place);
  for (let index = 0; index < 20; index++) {
    const client = await openClient(place, ...bytes);
    let isClosed = false;
    client.on('close', () => (isClosed = true));
    client.resume();
    await machine.waitFor('its end', () => isClosed);
  }
  expect(await web.askFacts(place.target)).toMatchObject({ pool: 'app' });
  expect(residentOf(place) - before).toBeLessThan(20_000);
  await pools.endPool(place, place.pool);
});

/** In KB. */
function residentOf({ pool }: Watched): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pool.pid}/status`, 'utf8'))?.[1]);
}

test('a client that asks and asks on one connection and never reads is let go', async () => {
  const place = await startWatched(['-F', '20']);
  const reader = await openClient(place);
  reader.pause();
  const question = Buffer.concat([
    encodeRecord(1, 1, Buffer.of(0, 1, 1, 0, 0, 0, 0, 0)),
    encodeRecord(4, 1, encodePair(['QUERY_STRING', 'json&full'])),
    encodeRecord(4, 1, Buffer.alloc(0)),
    encodeRecord(5, 1, Buffer.alloc(0)),
  ]);
  await machine.waitFor('its end', () => {
    reader.write(question);
    return reader.destroyed;
  });
  expect(await web.askFacts(place.target)).toMatchObject({ 'total processes': 20 });
  await pools.endPool(place, place.pool);
});

test('while others ask without end a worker that is killed is replaced, and reloads go on', async () => {
  const place = await startWatched(['--min-uptime', '1ms', '--settle', '0']);
  let [isOver, answered] = [false, 0];
  const asking = Array.from({ length: 50 }, async () => {
    while (!isOver)
      await web.askFacts(place.target).then(
        () => (answered += 1),
        () => undefined,
      );
  });
  await machine.waitFor('a flood', () => answered > 100, { timeoutMs: 20_000 });
  const worker = await pools.onlyWorker(place.pool);
  process.kill(worker, 'SIGKILL');
  expect(await pools.onlyWorker(place.pool, [worker])).not.toBe(worker);
  const { status } = await pools.ctl(place.stateDir, ['reload', place.socket]);
  isOver = true;
  await Promise.all(asking);
  expect(status).toBe(0);
  await pools.endPool(place, place.pool);
});
