// The blocking client of a control socket and the passing of descriptors, against a real process on the other side.
import * as fs from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SyscallError } from '../../src/core/errors.ts';
import { connectUnix, ControlConnection } from '../../src/sys/connection/control-connection.ts';
import { receiveWithDescriptors, sendWithDescriptors } from '../../src/sys/connection/descriptor-passing.ts';
import { compileC, fixture } from '../helpers/build/index.ts';
import { atEnd, makeTempDir } from '../helpers/machine/index.ts';
import { listenOn, listenSomewhere, pathOf, startWorker } from '../helpers/sys/index.ts';

const program = compileC(fixture('control-peer.c'));
const [EAGAIN, EPIPE, EMSGSIZE, ENOENT, ETIMEDOUT, ECONNREFUSED] = [11, 32, 90, 2, 110, 111];
const waitMs = 10_000;

test('a line and its answer, with descriptors in both directions', async () => {
  const { connection } = await connectTo('take', 'give=2:here/');
  const before = openNulls();
  connection.send('grüß', [0, 1, 2]);
  expect(connection.receiveLine(waitMs)).toEqual({ line: 'grüß 3', descriptors: [] });
  const received = expectLine(connection);
  expect(received.line).toBe('here');
  expect(received.descriptors).toHaveLength(2);
  for (const descriptor of received.descriptors) {
    expect(fs.readlinkSync(`/proc/self/fd/${descriptor}`)).toBe('/dev/null');
    expect(fs.readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1')).toMatch(/^flags:\t0?2\d{6}$/m);
    fs.closeSync(descriptor);
  }
  expect(openNulls()).toBe(before);
  expect(connection.receiveLine(waitMs)).toBe('closed');
});

test('descriptors come with the line that they were sent with', async () => {
  const { connection } = await connectTo(
    'say=a/b',
    'say=c/d/',
    'give=1:e/',
    'give=2:f',
    'say=g/h/',
    'give=1:i/',
  );
  const lines = ['a', 'bc', 'd', 'e', 'fg', 'h', 'i'].map(() => expectLine(connection));
  expect(lines.map(({ line, descriptors }) => `${line} ${descriptors.length}`)).toEqual([
    'a 0',
    'bc 0',
    'd 0',
    'e 1',
    'fg 2',
    'h 0',
    'i 1',
  ]);
  for (const descriptor of lines.flatMap(({ descriptors }) => descriptors)) fs.closeSync(descriptor);
});

test('more descriptors than eight are an error, and none of them stays open', async () => {
  const { connection } = await connectTo('give=9:many/', 'wait');
  const before = openNulls();
  expect(errnoOf(() => connection.receiveLine(waitMs))).toBe(EMSGSIZE);
  expect(openNulls()).toBe(before);
  expect(errnoOf(() => sendWithDescriptors(connection.descriptor, Buffer.of(1), Array(9).fill(0)))).toBe(
    EMSGSIZE,
  );
});

test('descriptors that nobody took are closed with the connection', async () => {
  const { connection } = await connectTo('say=first/', 'give=3:second/', 'give=1:half', 'wait');
  const before = openNulls();
  expect(expectLine(connection).line).toBe('first');
  // All that was sent is received sooner or later, though only one more line is complete.
  expect(expectLine(connection).descriptors.map((descriptor) => fs.closeSync(descriptor))).toHaveLength(3);
  expect(connection.receiveLine(50)).toBe('timeout');
  expect(openNulls()).toBe(before + 1);
  connection.close();
  expect(openNulls()).toBe(before);
});

test('a silent peer is a timeout, a dead one a closed connection, half a line nothing', async () => {
  const { connection, peer } = await connectTo('say=half', 'wait');
  const beganMs = performance.now();
  expect(connection.receiveLine(30)).toBe('timeout');
  expect(performance.now() - beganMs).toBeGreaterThan(25);
  expect(connection.receiveLine(0)).toBe('timeout');
  process.kill(peer, 'SIGKILL');
  expect(connection.receiveLine(waitMs)).toBe('closed');
  expect(connection.receiveLine(waitMs)).toBe('closed');
  expect(errnoOf(() => connection.send('anybody there?'))).toBe(EPIPE);
});

test('a peer that never reads is a timeout', async () => {
  const { connection } = await connectTo('wait');
  const send = (): void => {
    for (;;) connection.send('x'.repeat(60_000), [], 50);
  };
  expect(errnoOf(send)).toBe(ETIMEDOUT);
});

test('a peer that never ends its line is an error', async () => {
  const { connection } = await connectTo('flood');
  expect(errnoOf(() => connection.receiveLine(waitMs))).toBe(EMSGSIZE);
});

test('nothing to receive, and no room to send, is EAGAIN', async () => {
  const { connection } = await connectTo('wait');
  expect(errnoOf(() => receiveWithDescriptors(connection.descriptor, 100))).toBe(EAGAIN);
  const fill = (): void => {
    for (;;) sendWithDescriptors(connection.descriptor, Buffer.alloc(10_000), []);
  };
  expect(errnoOf(fill)).toBe(EAGAIN);
});

test('a connect says why not', async () => {
  const dir = makeTempDir();
  expect(errnoOf(() => connectUnix(join(dir, 'missing'), waitMs))).toBe(ENOENT);
  const socket = await listenSomewhere('unix', 0);
  // A queue of none takes one connection; nobody accepts it.
  const first = connectUnix(pathOf(socket), waitMs);
  const beganMs = performance.now();
  expect(errnoOf(() => connectUnix(pathOf(socket), 40))).toBe(ETIMEDOUT);
  expect(performance.now() - beganMs).toBeGreaterThan(30);
  fs.closeSync(first);
});

test('a socket that nobody listens on any more refuses', () => {
  const path = join(makeTempDir(), 'socket');
  const owner = { uid: 0, gid: 0, mode: 0o600, trustedUids: [], proc: undefined };
  const { descriptor, file } = listenOn({ kind: 'unix', path }, 1, owner);
  fs.closeSync(descriptor);
  if (file) fs.closeSync(file.at.directory);
  const before = openDescriptors();
  for (let count = 0; count < 20; count += 1) {
    expect(errnoOf(() => connectUnix(path, waitMs))).toBe(ECONNREFUSED);
  }
  expect(openDescriptors()).toBeLessThan(before + 20);
});

test('a path that is longer than an address is reached', async () => {
  const socket = await listenSomewhere('unix');
  const directory = join(makeTempDir(), 'd'.repeat(100));
  fs.mkdirSync(directory);
  const long = join(directory, 's'.repeat(200));
  fs.renameSync(pathOf(socket), long);
  startWorker(socket, [program, 'say=hello/']);
  const connection = ControlConnection.connect(long, waitMs);
  expect(connection.receiveLine(waitMs)).toEqual({ line: 'hello', descriptors: [] });
  connection.close();
  expect(errnoOf(() => connectUnix(`${long}x`, waitMs))).toBe(ENOENT);
});

async function connectTo(...actions: string[]) {
  const socket = await listenSomewhere('unix');
  const peer = startWorker(socket, [program, ...actions]);
  const connection = ControlConnection.connect(pathOf(socket), waitMs);
  atEnd(() => connection.close());
  return { connection, peer };
}

function expectLine(connection: ControlConnection) {
  const received = connection.receiveLine(waitMs);
  if (typeof received === 'string') throw new Error(received);
  return received;
}

function openDescriptors(): number {
  return fs.readdirSync('/proc/self/fd').length;
}

/** Descriptors of /dev/null that this process has open. */
function openNulls(): number {
  return fs.readdirSync('/proc/self/fd').filter((name) => {
    try {
      return (
        fs.fstatSync(Number(name)).isCharacterDevice() &&
        fs.readlinkSync(`/proc/self/fd/${name}`) === '/dev/null'
      );
    } catch {
      return false;
    }
  }).length;
}

function errnoOf(run: () => unknown): number {
  try {
    run();
  } catch (error) {
    if (error instanceof SyscallError) return error.errno;
    throw error;
  }
  return 0;
}
