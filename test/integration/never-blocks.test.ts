// Calls that the kernel would answer only when somebody else wishes: a full queue, a lease, a guard that was stopped.
import { spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { connectAhead, connectIfRoom } from '../../src/sys/connection/private-socket.ts';
import { compileC } from '../helpers/build/index.ts';
import { atEnd, childrenOf, runCommand, makeTempDir, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { acceptQueue, libc, listenSomewhere, type Listening } from '../helpers/sys/index.ts';

test('a Unix socket whose queue is full has no room, and room for the probe that is ahead of clients', async () => {
  const socket = await fullSocket('unix');
  expect(connectIfRoom(socket.descriptor)).toBeUndefined();
  const connection = connectAhead(socket.descriptor, 1);
  if (connection !== undefined) atEnd(() => void libc.close(connection));
  expect(connection).toBeGreaterThan(2);
  expect(acceptQueue(socket)?.backlog).toBe(1);
  expect(connectIfRoom(socket.descriptor)).toBeUndefined();
});

test('a connection to a TCP port whose queue is full is on its way, and nobody waits for it', async () => {
  const { descriptor } = await fullSocket('tcp');
  const connection = connectIfRoom(descriptor) ?? -1;
  atEnd(() => void libc.close(connection));
  expect(connection).toBeGreaterThan(2);
});

test.for([['-P'], ['--worker-pid-file'], ['--log'], ['--output']])(
  'a file for %s that somebody has a lease on is refused, and not waited for',
  async ([option = '']) => {
    const place = pools.makePlace();
    const leased = `${makeTempDir()}/leased`;
    await holdLease(leased);
    // The kernel lets an open wait for 45 s (/proc/sys/fs/lease-break-time).
    const result = await pools.run(place, [option, leased], undefined, { timeoutMs: 30_000 });
    expect(result).toMatchObject({ status: 255, stdout: '' });
    expect(result.stderr).toMatch(
      /^spawn-fcgi: opening (?:PID-file|log file|output file) '.*leased' failed: Resource/,
    );
    expect(result.stderr).toMatch(/^spawn-fcgi: hint: another process has a lease on '.*leased'/m);
    expect(statSync(leased).size).toBe(0);
    await pools.expectNothingLeft(place);
  },
);

test.for([
  ['-P', "PID-file exists and isn't regular file: '%'"],
  ['--worker-pid-file', "PID-file exists and isn't regular file: '%'"],
  ['--log', "opening log file '%' failed: No such device or address"],
  ['--output', "opening output file '%' failed: No such device or address"],
])('a FIFO for %s that nobody reads is refused, and not waited for', async ([option = '', message = '']) => {
  const place = pools.makePlace();
  const path = `${makeTempDir()}/fifo`;
  expect(await runCommand('mkfifo', [path])).toMatchObject({ status: 0 });
  const result = await pools.run(place, [option, path]);
  expect(result).toMatchObject({ status: 255, stdout: '', timedOut: false });
  expect(pools.withoutHints(result.stderr)).toBe(`spawn-fcgi: ${message.replace('%', path)}`);
  await pools.expectNothingLeft(place);
});

test('a probe among clients who fill a queue of one, which nobody accepts from, ends at --ready-timeout', async () => {
  const place = pools.makePlace();
  const isOver = knock(place.socket);
  const result = await pools.run(place, ['-b', '1', '--ready', 'probe', '--ready-timeout', '1s'], ['hang']);
  expect(isOver()).toBeGreaterThan(0);
  expect(result).toMatchObject({ status: 75, stdout: '', timedOut: false });
  expect(pools.withoutHints(result.stderr)).toMatch(/was not ready within --ready-timeout$/);
  await pools.expectNothingLeft(place);
});

/** Connects again and again, and lets nobody go; says in the end how many came in. */
function knock(path: string): () => number {
  const clients: Socket[] = [];
  let connected = 0;
  const timer = setInterval(() => {
    const client = connect(path, () => (connected += 1));
    client.on('error', () => undefined);
    clients.push(client);
  }, 1);
  const end = (): number => {
    clearInterval(timer);
    for (const client of clients) client.destroy();
    return connected;
  };
  atEnd(() => void end());
  return end;
}

test('a stop ends although somebody has stopped its guard', async () => {
  const place = pools.makePlace();
  const pool = pools.startStaying(place, ['--supervise'], ['slow-end=1000', 'serve']);
  await pools.waitForEvents(place, 'pool-up');
  process.kill(pool.pid, 'SIGTERM');
  const guard = await waitFor('the guard', () => childrenOf(pool.pid).find(isGuard));
  process.kill(guard, 'SIGSTOP');
  expect(await pool.ended).toMatchObject({ status: 0 });
  await pools.expectNothingLeft(place);
});

function isGuard(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('spawn-fcgi-stop-guard');
  } catch {
    return false;
  }
}

/** Its queue has a backlog of 1, and clients in it that nobody accepts. */
async function fullSocket(kind: 'unix' | 'tcp'): Promise<Listening> {
  const socket = await listenSomewhere(kind, 1);
  for (let count = 0; count < 6; count += 1) {
    const client = connect(socket.target);
    client.on('error', () => undefined);
    atEnd(() => void client.destroy());
  }
  await waitFor('a full queue', () => acceptQueue(socket)?.length === 2);
  return socket;
}

/** Makes the file, and keeps a write lease on it that is not given up. */
async function holdLease(path: string): Promise<void> {
  const holder = spawn(compileC(leaseHolder), [path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => holder.once('exit', resolve));
  const said = new Promise<Buffer>((resolve) => holder.stdout.once('data', resolve));
  atEnd(async () => {
    holder.kill('SIGKILL');
    await ended;
  });
  expect(String(await said)).toBe('leased\n');
}

const leaseHolder = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
int main(int argc, char **argv) {
  int file = open(argv[argc - 1], O_RDWR | O_CREAT, 0644);
  signal(SIGIO, SIG_IGN);
  if (file < 0 || fcntl(file, F_SETLEASE, F_WRLCK) != 0 || write(1, "leased\\n", 7) != 7) return 1;
  for (;;) pause();
}
`;
