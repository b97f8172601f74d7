// The FastCGI client of the tests, against a tiny server that sends back given bytes: what it decodes and how it fails.
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { makeTempDir } from '../helpers/machine/index.ts';
import { fastcgiGetValues, fastcgiRequest, type FastcgiTarget } from '../helpers/web/index.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map(async (close) => close()));
});

/** Listens on a socket of its own; `onRequest` gets everything up to the empty STDIN record, once a connection. */
async function listen(onRequest: (socket: Socket, request: Buffer) => void): Promise<FastcgiTarget> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const chunks: Buffer[] = [];
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      const request = Buffer.concat(chunks);
      if (request.subarray(-8).equals(record(5, '')) || request[1] === 9) onRequest(socket, request);
    });
  });
  const socketPath = join(makeTempDir(), 'server.sock');
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  closers.push(
    async () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  );
  return { socketPath };
}

function record(type: number, content: string | Buffer, { id = 1, padding = 0 } = {}): Buffer {
  const bytes = Buffer.from(content);
  const header = Buffer.from([1, type, 0, id, bytes.length >> 8, bytes.length & 255, padding, 0]);
  return Buffer.concat([header, bytes, Buffer.alloc(padding)]);
}

const endRequest = record(3, Buffer.from([0, 0, 1, 2, 0, 0, 0, 0]));

test('an answer is put together from its records, however they are cut and padded', async () => {
  const answer = Buffer.concat([
    record(6, 'Status: 200\r\n', { padding: 3 }),
    record(7, 'a warning'),
    record(6, 'of another request', { id: 2 }),
    record(6, '\r\nbödy'),
    record(6, ''),
    endRequest,
  ]);
  const target = await listen((socket) => {
    for (const byte of answer) socket.write(Buffer.from([byte]));
  });
  await expect(fastcgiRequest(target, {})).resolves.toEqual({
    stdout: 'Status: 200\r\n\r\nbödy',
    stderr: 'a warning',
    appStatus: 258,
    protocolStatus: 0,
  });
});

test('a request is BEGIN_REQUEST, PARAMS and STDIN, with long values and large bodies split up', async () => {
  let received = Buffer.alloc(0);
  const target = await listen((socket, request) => {
    received = Buffer.from(request);
    socket.end(endRequest);
  });
  await fastcgiRequest(target, { SHORT: 'x', LONG: 'y'.repeat(200) }, Buffer.alloc(70_000, 'z'), {
    keepConn: true,
  });
  expect(received.subarray(0, 16)).toEqual(record(1, Buffer.from([0, 1, 1, 0, 0, 0, 0, 0])));
  const params = Buffer.concat([
    Buffer.from([5, 1]),
    Buffer.from('SHORTx'),
    Buffer.from([4, 0x80, 0, 0, 200]),
    Buffer.from(`LONG${'y'.repeat(200)}`),
  ]);
  const sent = record(4, params, { padding: (8 - (params.length % 8)) % 8 });
  expect(received.subarray(16, 16 + sent.length)).toEqual(sent);
  expect(received.toString('latin1').match(/z/g)).toHaveLength(70_000);
});

test('GET_VALUES brings the values, and says so where the program does not know that record', async () => {
  const known = await listen((socket) =>
    socket.write(record(10, Buffer.from('\x0f\x01FCGI_MPXS_CONNS1'), { id: 0 })),
  );
  await expect(fastcgiGetValues(known, ['FCGI_MPXS_CONNS'])).resolves.toEqual({ FCGI_MPXS_CONNS: '1' });
  const unknown = await listen((socket) =>
    socket.write(record(11, Buffer.from([9, 0, 0, 0, 0, 0, 0, 0]), { id: 0 })),
  );
  await expect(fastcgiGetValues(unknown, ['FCGI_MPXS_CONNS'])).resolves.toBe('unknown type');
});

test('a connection that is closed before END_REQUEST is truncated, with what had come', async () => {
  const target = await listen((socket) => socket.end(record(6, 'half')));
  await expect(fastcgiRequest(target, {})).rejects.toMatchObject({ code: 'truncated', bytesReceived: 12 });
});

test('a connection that breaks is reset', async () => {
  const server = createServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(async () => new Promise((resolve) => server.close(() => resolve())));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  await expect(fastcgiRequest({ host: '127.0.0.1', port: address.port }, {})).rejects.toMatchObject({
    code: 'reset',
  });
});

test('no answer within the time is a timeout', async () => {
  const target = await listen(() => undefined);
  await expect(fastcgiRequest(target, {}, '', { timeoutMs: 50 })).rejects.toMatchObject({
    code: 'timeout',
    connected: true,
    bytesReceived: 0,
  });
});

test('a socket file that is not there is missing, one that nobody listens on is refused', async () => {
  const socketPath = join(makeTempDir(), 'server.sock');
  await expect(fastcgiRequest({ socketPath }, {})).rejects.toMatchObject({
    code: 'missing',
    connected: false,
  });
  await expect(fastcgiRequest({ host: '127.0.0.1', port: 1 }, {})).rejects.toMatchObject({ code: 'refused' });
});

test('bytes that are not FastCGI are a protocol error', async () => {
  const target = await listen((socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
  await expect(fastcgiRequest(target, {})).rejects.toMatchObject({ code: 'protocol' });
});
