// What is at the path of -s decides: only a socket that surely nobody listens on is replaced.
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC } from '../helpers/build/compile-c.ts';
import { atEnd } from '../helpers/machine/cleanup.ts';
import { isAlive, signalProcess } from '../helpers/machine/processes.ts';
import { isRoot, needRoot } from '../helpers/machine/requirements.ts';
import { runCommand, type RunResult } from '../helpers/machine/run-command.ts';
import { NOBODY } from '../helpers/machine/users.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { familyOf, oursPath, startForeground } from '../helpers/pool/command-under-test.ts';
import {
  commandLine,
  endPool,
  expectNoProcess,
  makePlace,
  run,
  start,
  visit,
  withoutHints,
  type Place,
} from '../helpers/pool/place.ts';

const IN_USE = "spawn-fcgi: socket is already in use, can't spawn";

describe('is kept and refused:', () => {
  test('a regular file', async () => {
    const place = makePlace();
    writeFileSync(place.socket, 'precious');
    await expectRefusal(place, /exists and is not a socket/);
    expect(readFileSync(place.socket, 'utf8')).toBe('precious');
  });

  test('an empty directory', async () => {
    const place = makePlace();
    mkdirSync(place.socket);
    await expectRefusal(place, /removing old socket failed: Is a directory|exists and is not a socket/);
    expect(lstatSync(place.socket).isDirectory()).toBe(true);
  });

  test.for(['a file', 'a stale socket', 'nothing'] as const)('a symbolic link to %s', async (what) => {
    const place = makePlace();
    const target = join(place.dir, 'target');
    if (what === 'a file') writeFileSync(target, 'precious');
    if (what === 'a stale socket') await makeStaleSocket(target);
    symlinkSync(target, place.socket);
    await expectRefusal(place, /exists and is not a socket/);
    expect(lstatSync(place.socket).isSymbolicLink()).toBe(true);
    expect(existsSync(target)).toBe(what !== 'nothing');
  });

  test('a FIFO', async () => {
    const place = makePlace();
    await runCommand('mkfifo', [place.socket]);
    await expectRefusal(place, /exists and is not a socket/);
    expect(lstatSync(place.socket).isFIFO()).toBe(true);
  });

  test('a listening socket', async () => {
    const place = makePlace();
    await listen(place.socket);
    await expectRefusal(place, new RegExp(`^${IN_USE}`));
    await visit({ path: place.socket });
  });

  test('a live socket of another type', async () => {
    const place = makePlace();
    const holder = startForeground([place.socket], { command: compileC(datagramSource), cwd: place.dir });
    await waitFor('the datagram socket', () => existsSync(place.socket) && isAlive(holder.pid));
    await expectRefusal(place, new RegExp(`^${IN_USE}`), [holder.pid]);
    expect(statSync(place.socket).isSocket()).toBe(true);
  });

  test('a live socket that this user may not connect to', async () => {
    const place = makePlace();
    if (isRoot) for (const path of [place.dir, place.runDir]) chownSync(path, NOBODY, NOBODY);
    await listen(place.socket);
    chmodSync(place.socket, 0);
    const result = await runAsNobody(place);
    expect(result.status).toBe(255);
    expect(withoutHints(result.stderr)).toBe(IN_USE);
    chmodSync(place.socket, 0o777);
    await visit({ path: place.socket });
  });

  test('a socket whose queue is full', async () => {
    const place = makePlace();
    const pool = await start(place, ['-b', '0'], ['hang']);
    const clients = await fillQueue(place.socket);
    // Without the lock, so that the socket itself is what decides.
    const elsewhere = { ...place, stateDir: join(place.dir, 'other-state') };
    await expectRefusal(elsewhere, new RegExp(`^${IN_USE}`), [pool.pid]);
    expect(existsSync(place.socket)).toBe(true);
    for (const client of clients) client.destroy();
  });
});

describe('is replaced:', () => {
  test('a socket that nobody listens on', async () => {
    const place = makePlace();
    await makeStaleSocket(place.socket);
    const pool = await start(place);
    await visit({ path: place.socket });
    await endPool(place, pool);
    expect(existsSync(place.socket)).toBe(false);
  });

  test('the socket of a pool that was killed', async () => {
    const place = makePlace();
    const first = await start(place);
    for (const { pid, startTime } of familyOf(first.pid)) signalProcess(pid, startTime, 'SIGKILL');
    await expectNoProcess(place);
    expect(existsSync(place.socket)).toBe(true);
    // Without the state of the first pool: the socket file alone decides.
    await start({ ...place, stateDir: join(place.dir, 'other-state') });
    await visit({ path: place.socket });
  });
});

// Layouts that people have: whoever may write there was let in by root, who owns what is above (docs/differences.md).
test.for([
  ['its group can write', 0, 33, 0o2775],
  ['a web server owns', 33, 33, 0o755],
  ['a web server owns for itself', 33, 33, 0o750],
] as const)('a directory that %s is one to bind in', async ([, uid, gid, mode], ctx) => {
  needRoot(ctx);
  const place = makePlace();
  chownSync(place.runDir, uid, gid);
  chmodSync(place.runDir, mode);
  const pool = await start(place, ['-u', 'nobody', '-g', 'nogroup', '-M', '0666']);
  await visit({ path: place.socket });
  expect(statSync(place.socket)).toMatchObject({ uid: NOBODY, mode: 0o140666 });
  await endPool(place, pool);
});

describe('at the end', () => {
  test('a socket that somebody else put in its place stays', async () => {
    const place = makePlace();
    const pool = await start(place);
    renameSync(place.socket, `${place.socket}.moved`);
    await listen(place.socket);
    process.kill(pool.pid, 'SIGTERM');
    await expectNoProcess(place);
    await visit({ path: place.socket });
  });

  test('a file that somebody else put in its place stays', async () => {
    const place = makePlace();
    const pool = await start(place);
    renameSync(place.socket, `${place.socket}.moved`);
    writeFileSync(place.socket, 'precious');
    await endPool(place, pool);
    expect(readFileSync(place.socket, 'utf8')).toBe('precious');
  });
});

const datagramSource = `
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(int argc, char **argv) {
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (argc < 2) return 2;
	strncpy(name.sun_path, argv[1], sizeof name.sun_path - 1);
	if (bind(fd, (struct sockaddr *)&name, sizeof name) != 0) return 1;
	for (;;) pause();
}
`;

async function expectRefusal(place: Place, line: RegExp, others: readonly number[] = []): Promise<void> {
  const before = existsSync(place.socket) ? lstatSync(place.socket).ino : undefined;
  const result = await run(place, [], ['serve'], { timeoutMs: 8_000 });
  expect(result).toMatchObject({ status: 255, stdout: '' });
  expect(withoutHints(result.stderr)).toMatch(line);
  for (const pid of others) expect(isAlive(pid)).toBe(true);
  if (before !== undefined) expect(lstatSync(place.socket).ino).toBe(before);
}

function runAsNobody(place: Place): Promise<RunResult> {
  const user = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  const args = commandLine({ ...place, stateDir: join(place.runDir, 'state') }, []);
  return runCommand(oursPath, args, { cwd: place.dir, ...user });
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((connection) => connection.end());
    server.once('error', reject);
    server.listen(path, () => resolve(server));
    atEnd(() => void server.close());
  });
}

/** Closing a server removes its file; a second name keeps it. */
async function makeStaleSocket(path: string): Promise<void> {
  const server = await listen(`${path}.live`);
  renameSync(`${path}.live`, path);
  await new Promise((resolve) => server.close(resolve));
}

/** Connects clients until the kernel says EAGAIN. */
function fillQueue(path: string): Promise<Socket[]> {
  return new Promise((resolve, reject) => {
    const clients = Array.from({ length: 8 }, () => connect(path));
    for (const client of clients) {
      client.on('error', (error) =>
        'code' in error && error.code === 'EAGAIN' ? resolve(clients) : reject(error),
      );
    }
  });
}
