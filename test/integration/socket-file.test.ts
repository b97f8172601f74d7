// What is at the path of -s decides: only a socket that surely nobody listens on is replaced.
import * as fs from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const IN_USE = "spawn-fcgi: socket is already in use, can't spawn";

describe('is kept and refused:', () => {
  test('a regular file', async () => {
    const place = pools.makePlace();
    fs.writeFileSync(place.socket, 'precious');
    await expectRefusal(place, /exists and is not a socket/);
    expect(fs.readFileSync(place.socket, 'utf8')).toBe('precious');
  });

  test('an empty directory', async () => {
    const place = pools.makePlace();
    fs.mkdirSync(place.socket);
    await expectRefusal(place, /removing old socket failed: Is a directory|exists and is not a socket/);
    expect(fs.lstatSync(place.socket).isDirectory()).toBe(true);
  });

  test.for(['a file', 'a stale socket', 'nothing'] as const)('a symbolic link to %s', async (what) => {
    const place = pools.makePlace();
    const target = join(place.dir, 'target');
    if (what === 'a file') fs.writeFileSync(target, 'precious');
    if (what === 'a stale socket') await makeStaleSocket(target);
    fs.symlinkSync(target, place.socket);
    await expectRefusal(place, /exists and is not a socket/);
    expect(fs.lstatSync(place.socket).isSymbolicLink()).toBe(true);
    expect(fs.existsSync(target)).toBe(what !== 'nothing');
  });

  test('a FIFO', async () => {
    const place = pools.makePlace();
    await machine.runCommand('mkfifo', [place.socket]);
    await expectRefusal(place, /exists and is not a socket/);
    expect(fs.lstatSync(place.socket).isFIFO()).toBe(true);
  });

  test('a listening socket', async () => {
    const place = pools.makePlace();
    await listen(place.socket);
    await expectRefusal(place, new RegExp(`^${IN_USE}`));
    await pools.visit({ path: place.socket });
  });

  test('a live socket of another type', async () => {
    const place = pools.makePlace();
    const holder = pools.startForeground([place.socket], {
      command: compileC(datagramSource),
      cwd: place.dir,
    });
    await machine.waitFor(
      'the datagram socket',
      () => fs.existsSync(place.socket) && machine.isAlive(holder.pid),
    );
    await expectRefusal(place, new RegExp(`^${IN_USE}`), [holder.pid]);
    expect(fs.statSync(place.socket).isSocket()).toBe(true);
  });

  test('a live socket that this user may not connect to', async () => {
    const place = pools.makePlace();
    if (machine.isRoot)
      for (const path of [place.dir, place.runDir]) fs.chownSync(path, machine.NOBODY, machine.NOBODY);
    await listen(place.socket);
    fs.chmodSync(place.socket, 0);
    const result = await runAsNobody(place);
    expect(result.status).toBe(255);
    expect(pools.withoutHints(result.stderr)).toBe(IN_USE);
    fs.chmodSync(place.socket, 0o777);
    await pools.visit({ path: place.socket });
  });

  test('a socket whose queue is full', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['-b', '0'], ['hang']);
    const clients = await fillQueue(place.socket);
    // Without the lock, so that the socket itself is what decides.
    const elsewhere = { ...place, stateDir: join(place.dir, 'other-state') };
    await expectRefusal(elsewhere, new RegExp(`^${IN_USE}`), [pool.pid]);
    expect(fs.existsSync(place.socket)).toBe(true);
    for (const client of clients) client.destroy();
  });
});

describe('is replaced:', () => {
  test('a socket that nobody listens on', async () => {
    const place = pools.makePlace();
    await makeStaleSocket(place.socket);
    const pool = await pools.start(place);
    await pools.visit({ path: place.socket });
    await pools.endPool(place, pool);
    expect(fs.existsSync(place.socket)).toBe(false);
  });

  test('the socket of a pool that was killed', async () => {
    const place = pools.makePlace();
    const first = await pools.start(place);
    for (const { pid, startTime } of pools.familyOf(first.pid))
      machine.signalProcess(pid, startTime, 'SIGKILL');
    await pools.expectNoProcess(place);
    expect(fs.existsSync(place.socket)).toBe(true);
    // Without the state of the first pool: the socket file alone decides.
    await pools.start({ ...place, stateDir: join(place.dir, 'other-state') });
    await pools.visit({ path: place.socket });
  });
});

// Layouts that people have: whoever may write there was let in by root, who owns what is above (docs/differences.md).
test.for([
  ['its group can write', 0, 33, 0o2775],
  ['a web server owns', 33, 33, 0o755],
  ['a web server owns for itself', 33, 33, 0o750],
] as const)('a directory that %s is one to bind in', async ([, uid, gid, mode], ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  fs.chownSync(place.runDir, uid, gid);
  fs.chmodSync(place.runDir, mode);
  const pool = await pools.start(place, ['-u', 'nobody', '-g', 'nogroup', '-M', '0666']);
  await pools.visit({ path: place.socket });
  expect(fs.statSync(place.socket)).toMatchObject({ uid: machine.NOBODY, mode: 0o140666 });
  await pools.endPool(place, pool);
});

describe('at the end', () => {
  test('a socket that somebody else put in its place stays', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place);
    fs.renameSync(place.socket, `${place.socket}.moved`);
    await listen(place.socket);
    process.kill(pool.pid, 'SIGTERM');
    await pools.expectNoProcess(place);
    await pools.visit({ path: place.socket });
  });

  test('a file that somebody else put in its place stays', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place);
    fs.renameSync(place.socket, `${place.socket}.moved`);
    fs.writeFileSync(place.socket, 'precious');
    await pools.endPool(place, pool);
    expect(fs.readFileSync(place.socket, 'utf8')).toBe('precious');
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

async function expectRefusal(
  place: pools.Place,
  line: RegExp,
  others: readonly number[] = [],
): Promise<void> {
  const before = fs.existsSync(place.socket) ? fs.lstatSync(place.socket).ino : undefined;
  const result = await pools.run(place, [], ['serve'], { timeoutMs: 8_000 });
  expect(result).toMatchObject({ status: 255, stdout: '' });
  expect(pools.withoutHints(result.stderr)).toMatch(line);
  for (const pid of others) expect(machine.isAlive(pid)).toBe(true);
  if (before !== undefined) expect(fs.lstatSync(place.socket).ino).toBe(before);
}

function runAsNobody(place: pools.Place): Promise<machine.RunResult> {
  const user = machine.isRoot ? { uid: machine.NOBODY, gid: machine.NOBODY } : {};
  const args = pools.commandLine({ ...place, stateDir: join(place.runDir, 'state') }, []);
  return machine.runCommand(pools.oursPath, args, { cwd: place.dir, ...user });
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((connection) => connection.end());
    server.once('error', reject);
    server.listen(path, () => resolve(server));
    machine.atEnd(() => void server.close());
  });
}

/** Closing a server removes its file; a second name keeps it. */
async function makeStaleSocket(path: string): Promise<void> {
  const server = await listen(`${path}.live`);
  fs.renameSync(`${path}.live`, path);
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
