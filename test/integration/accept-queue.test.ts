// The length of the accept queue as src/sys/socket-state/accept-queue.ts tells it, beside what ss prints.
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { acceptQueue } from '../../src/sys/socket-state/accept-queue.ts';
import { libc } from '../../src/sys/libc/libc.ts';
import { askUnixDiag } from '../../src/sys/socket-state/unix-diag.ts';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import { asUser, listenSomewhere, startWorker, type Listening } from '../helpers/sys/index.ts';

// First, because the netlink socket is opened by the first question and kept.
test('the queue of a Unix socket is known in a chroot after dropping privileges', async (ctx) => {
  machine.needRoot(ctx);
  const socket = await listenSomewhere('unix', 7);
  const empty = machine.makeTempDir();
  const cwd = process.cwd();
  // The working directory stays outside: the way back.
  process.chdir('/');
  libc.chroot(empty);
  try {
    expect(asUser(machine.NOBODY, () => acceptQueue(socket))).toEqual({ length: 0, backlog: 7 });
  } finally {
    libc.chroot('.');
    process.chdir(cwd);
  }
  const netlinks = readdirSync('/proc/self/fd').filter((name) => isNetlink(name));
  expect(netlinks).toHaveLength(1);
  expect(readFileSync(`/proc/self/fdinfo/${netlinks[0]}`, 'latin1')).toMatch(/^flags:\t0?2\d{6}$/m);
});

test.for(['unix', 'tcp'] as const)('the queue of a %s socket is what ss says', async (kind, ctx) => {
  machine.needCommands(ctx, 'ss');
  const socket = await listenSomewhere(kind, 20);
  expect(acceptQueue(socket)).toEqual({ length: 0, backlog: 20 });
  expect(acceptQueue(socket)).toEqual(await bySs(kind, socket));
  for (let count = 0; count < 13; count += 1) wait(socket);
  await machine.waitFor('13 connections', () => acceptQueue(socket)?.length === 13);
  expect(acceptQueue(socket)).toEqual(await bySs(kind, socket));
  startWorker(socket, [compileC(fixture('accept-loop.c'))]);
  await machine.waitFor('an empty queue', () => acceptQueue(socket)?.length === 0);
});

test('a full queue is longer than the backlog by one, as the kernel counts', async () => {
  const socket = await listenSomewhere('unix', 2);
  for (let count = 0; count < 10; count += 1) wait(socket);
  await machine.waitFor('a full queue', () => acceptQueue(socket)?.length === 3);
});

test('a socket that the kernel does not know has no queue', async () => {
  const socket = await listenSomewhere('unix');
  expect(acceptQueue({ ...socket, inode: '1' })).toBeUndefined();
  expect(acceptQueue({ ...socket, descriptor: -1 })).toBeUndefined();
  expect(askUnixDiag('', 4)).toBeUndefined();
  // And the next question is answered again.
  expect(acceptQueue(socket)).toEqual({ length: 0, backlog: 16 });
});

function wait({ target }: Listening): void {
  const connection = connect(target);
  connection.on('error', () => undefined);
  machine.atEnd(() => {
    connection.destroy();
  });
}

async function bySs(kind: 'unix' | 'tcp', { target }: Listening) {
  const filter = 'path' in target ? ['src', target.path] : ['sport', '=', String(target.port)];
  const { stdout } = await machine.runCommand('ss', ['-lnH', kind === 'unix' ? '-x' : '-t', ...filter]);
  // Lines `[NETID] STATE RECV-Q SEND-Q ADDRESS …`.
  const fields = stdout
    .trim()
    .replace(/^u_str\s+/, '')
    .split(/\s+/);
  return { length: Number(fields[1]), backlog: Number(fields[2]) };
}

function isNetlink(descriptor: string): boolean {
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${descriptor}`))?.[1];
    const table = readFileSync('/proc/net/netlink', 'latin1');
    return inode !== undefined && new RegExp(`\\s${inode}\\s*$`, 'm').test(table);
  } catch {
    return false;
  }
}
