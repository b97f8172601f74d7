// Taking a listening socket back from a worker, and checking one that came from elsewhere
// (src/sys/socket/take-socket.ts).
import * as fs from 'node:fs';
import { connect } from 'node:net';
import { join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkListeningSocket, takeListeningSocket } from '../../src/sys/socket/take-socket.ts';
import { compileC, fixture } from '../helpers/build/index.ts';
import { atEnd, freePort, needRoot, makeTempDir, NOBODY, waitFor } from '../helpers/machine/index.ts';
import * as sys from '../helpers/sys/index.ts';

const proc = sys.openProc();
const acceptor = compileC(fixture('accept-loop.c'));
const EPERM = 1;
const owner = { uid: 0, gid: 0, mode: 0o666, trustedUids: [], proc: undefined };

describe.for(['unix', 'tcp'] as const)('a %s socket', (kind) => {
  test('is taken from a worker: the same one, close-on-exec, and nothing else is open', async () => {
    const { socket, worker } = await poolOf(kind);
    // The first question to the kernel opens a netlink socket, which is kept.
    sys.acceptQueue(socket);
    fs.closeSync(expectTaken(takeListeningSocket(proc, worker, socket.address)).descriptor);
    const before = openDescriptors();
    const taken = expectTaken(takeListeningSocket(proc, worker, socket.address));
    expect(taken.inode).toBe(socket.inode);
    expect(openDescriptors()).toBe(before + 1);
    expect(fs.readFileSync(`/proc/self/fdinfo/${taken.descriptor}`, 'latin1')).toMatch(/^flags:\t0?2\d{6}$/m);
    fs.closeSync(taken.descriptor);
  });

  test('is not taken for another address', async () => {
    const { worker } = await poolOf(kind);
    const other = await sys.listenSomewhere(kind);
    takeListeningSocket(proc, worker, other.address);
    const before = openDescriptors();
    expect(takeListeningSocket(proc, worker, other.address)).toBeUndefined();
    expect(openDescriptors()).toBe(before);
  });

  test('is found behind other sockets', async () => {
    const { socket } = await poolOf(kind);
    const other = await sys.listenSomewhere('unix');
    // Descriptor 0 listens elsewhere.
    const worker = sys.startWorker(other, [acceptor], { stdout: socket.descriptor });
    const taken = await waitFor('the socket', () => {
      const found = takeListeningSocket(proc, worker, socket.address);
      return found && 'descriptor' in found && found;
    });
    expect(taken.inode).toBe(socket.inode);
    fs.closeSync(taken.descriptor);
    // Without /proc only descriptor 0 is looked at.
    expect(takeListeningSocket(undefined, worker, socket.address)).toBeUndefined();
    const first = expectTaken(takeListeningSocket(undefined, worker, other.address));
    expect(first.inode).toBe(other.inode);
    fs.closeSync(first.descriptor);
  });

  test('a connection that was accepted on it is not taken for it', async () => {
    const socket = await sys.listenSomewhere(kind);
    const worker = sys.startWorker(socket, [compileC(fixture('waiting-worker.c')), 'held']);
    const connection = connect(socket.target);
    atEnd(() => {
      connection.destroy();
    });
    await waitFor(
      'the connection',
      () => sys.readinessOf(proc, worker, socket) === 'yes' && sys.stateOf(worker) === 'S',
    );
    const taken = expectTaken(takeListeningSocket(proc, worker, socket.address));
    expect(taken.inode).toBe(socket.inode);
    fs.closeSync(taken.descriptor);
  });
});

test('a socket that was taken goes on after everybody else has closed it', async () => {
  const path = join(makeTempDir(), 'socket');
  const address: sys.SocketAddress = { kind: 'unix', path };
  const socket = sys.listenOn(address, 5, owner);
  const worker = sys.startWorker(socket, [acceptor]);
  fs.closeSync(socket.descriptor);
  if (socket.file) fs.closeSync(socket.file.at.directory);
  const taken = expectTaken(takeListeningSocket(proc, worker, address));
  process.kill(worker, 'SIGKILL');
  await sys.waitForExit(worker);
  const connection = connect({ path });
  await waitFor('the connection', () => sys.acceptQueue({ ...taken, file: undefined })?.length === 1);
  connection.destroy();
  fs.closeSync(taken.descriptor);
});

test('a worker of another user, and a program without read permission, are EPERM', async (ctx) => {
  needRoot(ctx);
  const { socket, worker } = await poolOf('unix');
  expect(sys.asUser(NOBODY, () => takeListeningSocket(proc, worker, socket.address))).toEqual({
    errno: EPERM,
  });
  const hidden = join(makeTempDir(), 'hidden');
  fs.copyFileSync(acceptor, hidden);
  fs.chmodSync(hidden, 0o711);
  const unreadable = sys.asUser(NOBODY, () => sys.startWorker(socket, [hidden]));
  await waitFor('readiness', () => sys.readinessOf(proc, unreadable, socket) === 'yes');
  expect(sys.asUser(NOBODY, () => takeListeningSocket(proc, unreadable, socket.address))).toEqual({
    errno: EPERM,
  });
});

test('a supervisor that is not root takes it from a worker of its own user', async (ctx) => {
  needRoot(ctx);
  const socket = await sys.listenSomewhere('unix');
  const open = join(makeTempDir(), 'open');
  fs.copyFileSync(acceptor, open);
  const worker = sys.asUser(NOBODY, () => sys.startWorker(socket, [open]));
  await waitFor('readiness', () => sys.readinessOf(proc, worker, socket) === 'yes');
  // Without CAP_NET_ADMIN the kernel is asked by unix_diag which file it was bound to.
  const taken = expectTaken(sys.asUser(NOBODY, () => takeListeningSocket(proc, worker, socket.address)));
  fs.closeSync(taken.descriptor);
  const path = sys.pathOf(socket);
  fs.renameSync(path, `${path}-moved`);
  const other = sys.listenOn({ kind: 'unix', path }, 5, owner);
  expect(sys.asUser(NOBODY, () => takeListeningSocket(proc, worker, socket.address))).toBeUndefined();
  fs.unlinkSync(path);
  fs.closeSync(other.descriptor);
  if (other.file) fs.closeSync(other.file.at.directory);
});

test('a process that has gone has no socket', async () => {
  const { socket, worker } = await poolOf('unix');
  process.kill(worker, 'SIGKILL');
  await sys.waitForExit(worker);
  expect(takeListeningSocket(proc, worker, socket.address)).toBeUndefined();
});

describe('a Unix socket is known by its file, not by its name', () => {
  test.for(['root', 'nobody'] as const)('for %s', async (user, ctx) => {
    needRoot(ctx);
    const as = <T>(run: () => T): T => (user === 'root' ? run() : sys.asUser(NOBODY, run));
    const socket = await sys.listenSomewhere('unix');
    const path = sys.pathOf(socket);
    const check = (checked: string): string | undefined =>
      as(() => checkListeningSocket(socket.descriptor, { kind: 'unix', path: checked }));
    expect(check(path)).toBeUndefined();
    expect(check(relative(process.cwd(), path))).toBeUndefined();
    // A successor under the old name.
    fs.renameSync(path, `${path}-moved`);
    expect(check(path)).toBe(`there is no file ${path}`);
    expect(check(`${path}-moved`)).toBeUndefined();
    const other = sys.listenOn({ kind: 'unix', path }, 5, owner);
    expect(check(path)).toBe(`${path} is not its file`);
    fs.unlinkSync(path);
    fs.closeSync(other.descriptor);
    if (other.file) fs.closeSync(other.file.at.directory);
  });
});

test('what is not the socket says why', async () => {
  const address = sys.parseIp('127.0.0.1', 1);
  if (!address) throw new Error('no address');
  const file = fs.openSync('/dev/null', 'r');
  expect(checkListeningSocket(file, address)).toBe('it is not a socket');
  fs.closeSync(file);
  expect(checkListeningSocket(-1, address)).toBe('it is not a socket');

  const stream = sys.libc.socket(2, 1 | 0o2000000, 0);
  expect(checkListeningSocket(stream, address)).toBe('it does not listen');
  sys.libc.close(stream);
  const datagram = sys.libc.socket(2, 2 | 0o2000000, 0);
  expect(checkListeningSocket(datagram, address)).toBe('it is not a stream socket');
  sys.libc.close(datagram);

  const [unix, tcp] = [await sys.listenSomewhere('unix'), await sys.listenSomewhere('tcp')];
  expect(checkListeningSocket(tcp.descriptor, address)).toBe('it is bound to another address');
  expect(checkListeningSocket(unix.descriptor, address)).toBe('it is bound to another address');
  expect(checkListeningSocket(tcp.descriptor, unix.address)).toMatch(/ is not its file$/);
  const everywhere = sys.parseIp('0.0.0.0', tcp.address.kind === 'tcp' ? tcp.address.port : 0);
  expect(everywhere && checkListeningSocket(tcp.descriptor, everywhere)).toBe(
    'it is bound to another address',
  );
});

test.for(['::1', '::'])('an IPv6 socket on %s is itself', async (host, ctx) => {
  const address = sys.parseIp(host, await freePort());
  if (!address) throw new Error('no address');
  let socket;
  try {
    socket = sys.listenOn(address, 5, owner);
  } catch {
    return ctx.skip(true, 'needs IPv6');
  }
  expect(checkListeningSocket(socket.descriptor, address)).toBeUndefined();
  fs.closeSync(socket.descriptor);
});

async function poolOf(kind: 'unix' | 'tcp') {
  const socket = await sys.listenSomewhere(kind);
  const worker = sys.startWorker(socket, [acceptor]);
  await waitFor('readiness', () => sys.readinessOf(proc, worker, socket) === 'yes');
  return { socket, worker };
}

function expectTaken(taken: ReturnType<typeof takeListeningSocket>) {
  if (!taken || !('descriptor' in taken)) throw new Error(`not taken: ${JSON.stringify(taken)}`);
  return taken;
}

function openDescriptors(): number {
  return fs.readdirSync('/proc/self/fd').length;
}
