// What becomes of a socket that somebody else has opened, and of who waits on it, when the pool stops, is killed, replaced,
// or started again; and of one of our own that systemd has kept.
import { readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { freePort, isAlive, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import * as sys from '../helpers/sys/index.ts';

const SHUT_RDWR = 2;

function socketOf(pid: number, descriptor = 0): string {
  return readlinkSync(`/proc/${pid}/fd/${descriptor}`);
}

/** A client in the queue; `closed` resolves when a worker has accepted it and closed. */
async function joinQueue(path: string): Promise<{ client: Socket; closed: Promise<unknown> }> {
  const client = connect(path);
  await once(client, 'connect');
  client.resume();
  return { client, closed: once(client, 'close') };
}

describe('a given socket', () => {
  test('keeps who comes after the stop for the next start', async () => {
    const place = pools.makePlace();
    const keeper = await pools.keepSockets([`unix=${place.socket}`]);
    const first = await pools.startGiven(place, [`from=${keeper}:3`]);
    await pools.endPool(place, first);
    const { closed } = await joinQueue(place.socket);
    const second = await pools.startGiven(place, [`from=${keeper}:3`]);
    await closed;
    await pools.endPool(place, second);
  });

  test('is still the same when its supervisor was killed and another is started with it', async () => {
    const place = pools.makePlace();
    const keeper = await pools.keepSockets([`unix=${place.socket}`]);
    const first = await pools.startGiven(place, [`from=${keeper}:3`, 'names=web'], ['-F', '2']);
    const old = await pools.fullPool(first, 2);
    await pools.killSupervisor(first);
    const second = await pools.startGiven(place, [`from=${keeper}:3`, 'names=web'], ['-F', '2']);
    const workers = await pools.fullPool(second, 2);
    await waitFor('the end of the old workers', () => !old.some((pid) => isAlive(pid)));
    for (const worker of workers) expect(socketOf(worker)).toBe(socketOf(keeper, 3));
    expect(pools.events(place, 'taken-over')).toMatchObject([{ workerPids: old }]);
    expect(isAlive(keeper)).toBe(true);
    await pools.endPool(place, second);
    expect(pools.filesOf(place)).toEqual(['run/app.sock']);
  });

  test('that is another one than the workers of a killed supervisor have is worked on, and they are ended', async () => {
    const place = pools.makePlace();
    const keeper = await pools.keepSockets([`unix=${place.socket}`]);
    const first = await pools.startGiven(place, [`from=${keeper}:3`]);
    const old = await pools.onlyWorker(first);
    await pools.killSupervisor(first);
    const other = await pools.keepSockets([`unix=${place.socket}`]);
    const second = await pools.startGiven(place, [`from=${other}:3`]);
    expect(socketOf(await pools.onlyWorker(second))).toBe(socketOf(other, 3));
    await waitFor('the end of the old worker', () => !isAlive(old));
    await pools.visit({ path: place.socket });
    await pools.endPool(place, second);
  });

  test('stays with who has opened it when the pool is replaced by -s', async () => {
    const place = pools.makePlace();
    const keeper = await pools.keepSockets([`unix=${place.socket}`]);
    const first = await pools.startGiven(place, [`from=${keeper}:3`, 'names=web']);
    const { mode } = statSync(place.socket);
    const second = await pools.start(place, ['--replace', '-M', '0600']);
    expect(pools.hintsOf(second.stderr)).toContain(
      `-M not applied: ${place.socket} was opened by somebody else, whose it stays`,
    );
    await waitFor('the end of the first supervisor', () => !isAlive(first.pid));
    expect(socketOf(await pools.onlyWorker(second))).toBe(socketOf(keeper, 3));
    expect(await pools.statusOf(place)).toMatchObject({ given: "'web' (descriptor 3)" });
    await pools.endPool(place, second);
    expect(statSync(place.socket).mode).toBe(mode);
    const { closed } = await joinQueue(place.socket);
    const third = await pools.startGiven(place, [`from=${keeper}:3`]);
    await closed;
    await pools.endPool(place, third);
  });

  test('is taken over with --replace by a command that has it, too', async () => {
    const place = pools.makePlace();
    const keeper = await pools.keepSockets([`unix=${place.socket}`]);
    const first = await pools.startGiven(place, [`from=${keeper}:3`]);
    const second = await pools.startGiven(place, [`from=${keeper}:3`, 'names=web'], ['--replace']);
    await waitFor('the end of the first supervisor', () => !isAlive(first.pid));
    expect(socketOf(await pools.onlyWorker(second))).toBe(socketOf(keeper, 3));
    await pools.visit({ path: place.socket });
    await pools.endPool(place, second);
  });

  test('has one pool, as any address', async () => {
    const place = pools.makePlace();
    const keeper = await pools.keepSockets([`unix=${place.socket}`]);
    const first = await pools.startGiven(place, [`from=${keeper}:3`]);
    const { status, stderr } = await pools.runGiven(place, [`from=${keeper}:3`], ['-n', '--supervise']);
    expect(status).toBe(255);
    expect(stderr).toContain("socket is already in use, can't spawn");
    await pools.endPool(place, first);
  });

  test('whose file is lost is not bound anew', async () => {
    const place = pools.makePlace();
    const keeper = await pools.keepSockets([`unix=${place.socket}`]);
    const pool = await pools.startGiven(place, [`from=${keeper}:3`]);
    rmSync(place.socket);
    expect((await pools.statusOf(place)).socketFile).toBe('gone');
    const { status, stderr } = await pools.ctl(place.stateDir, ['restart', place.socket]);
    expect(status).toBe(1);
    expect(stderr).toContain('the socket is that of who has opened it, descriptor 3');
    expect(pools.filesOf(place)).not.toContain('run/app.sock');
    await pools.endPool(place, pool);
  });

  test('stays when what a killed supervisor has left is stopped', async () => {
    const place = pools.makePlace();
    const keeper = await pools.keepSockets([`unix=${place.socket}`]);
    const pool = await pools.startGiven(place, [`from=${keeper}:3`]);
    await pools.killSupervisor(pool);
    expect(await pools.ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
    expect(pools.filesOf(place)).toEqual(['run/app.sock']);
    const { client, closed } = await joinQueue(place.socket);
    client.destroy();
    await closed;
  });

  test('gets the backlog of -b', async () => {
    const place = pools.makePlace();
    const pool = await pools.startGiven(place, [`unix=${place.socket}`], ['-b', '5']);
    expect(await pools.statusOf(place)).toMatchObject({ queue: { backlog: 5 } });
    await pools.endPool(place, pool);
  });
});

describe('a socket of ours that was kept', () => {
  /** As a stopped pool leaves it: bound, with its file, and nobody there. */
  const kept = 'names=spawn-fcgi';

  test('is taken at its address, with who waits in it, and is ours', async () => {
    const place = pools.makePlace();
    const keeper = await pools.keepSockets([`unix=${place.socket}`]);
    const { closed } = await joinQueue(place.socket);
    const options = ['-s', place.socket, '-M', '0600'];
    const pool = await pools.startGiven(place, [`from=${keeper}:3`, kept], options);
    await closed;
    expect(socketOf(await pools.onlyWorker(pool))).toBe(socketOf(keeper, 3));
    expect(statSync(place.socket).mode & 0o777).toBe(0o600);
    const status = await pools.statusOf(place);
    expect([status.given, status.queue?.backlog]).toEqual([undefined, 1024]);
    await pools.endPool(place, pool);
    expect(pools.filesOf(place)).toEqual([]);
  });

  test('of another address is closed, which a hint says, and the pool binds its own', async () => {
    const place = pools.makePlace();
    const other = join(place.runDir, 'other.sock');
    const pool = await pools.startGiven(place, [`unix=${other}`, kept], ['-s', place.socket]);
    expect(pools.hintsOf(pool.stderr())).toEqual([
      `the socket that was kept for us is of ${other}, and is closed: this pool listens on ${place.socket}`,
    ]);
    // Whoever was handed the socket on the way may end a moment later.
    await waitFor('nobody to have it', () =>
      pools.visit({ path: other }).then(
        () => false,
        ({ message }: Error) => message.includes('ECONNREFUSED'),
      ),
    );
    await pools.visit({ path: place.socket });
    await pools.endPool(place, pool);
  });

  test('whose file was replaced is closed, and the pool binds its own', async () => {
    const place = pools.makePlace();
    const keeper = await pools.keepSockets([`unix=${place.socket}`]);
    rmSync(place.socket);
    const pool = await pools.startGiven(place, [`from=${keeper}:3`, kept], ['-s', place.socket]);
    expect(socketOf(await pools.onlyWorker(pool))).not.toBe(socketOf(keeper, 3));
    await pools.visit({ path: place.socket });
    await pools.endPool(place, pool);
  });

  test('that a worker has shut down is bound anew, though the manager keeps the old one', async () => {
    const place = pools.makePlace();
    const keeper = await pools.keepSockets([`unix=${place.socket}`]);
    const lender = new sys.DescriptorLender(keeper);
    const descriptor = lender.borrow(3);
    lender.close();
    sys.libc.shutdown(descriptor, SHUT_RDWR);
    sys.libc.close(descriptor);
    const pool = await pools.startGiven(place, [`from=${keeper}:3`, kept], ['-s', place.socket]);
    expect(pools.hintsOf(pool.stderr())).toEqual([
      `nobody could reach the pool on ${place.socket}: its socket was shut down; it is bound anew`,
    ]);
    expect(socketOf(await pools.onlyWorker(pool))).not.toBe(socketOf(keeper, 3));
    await pools.visit({ path: place.socket });
    await pools.endPool(place, pool);
  });

  test('on the same port of another address makes room, though the manager keeps it', async () => {
    const place = pools.makePlace();
    const port = await freePort();
    const keeper = await pools.keepSockets([`tcp6=${port}`]);
    const address = ['-a', '127.0.0.1', '-p', String(port)];
    const pool = await pools.startGiven(place, [`from=${keeper}:3`, kept], address);
    expect(pools.hintsOf(pool.stderr())).toEqual([
      `the socket that was kept for us is of [::]:${port}, and is closed: this pool listens on 127.0.0.1:${port}`,
    ]);
    await pools.visit({ host: '127.0.0.1', port });
    await pools.endPool(place, pool);
  });

  test('gives way to workers of a killed supervisor, which have it, too', async () => {
    const place = pools.makePlace();
    const first = await pools.start(place, ['-P', place.pidFile]);
    const old = await pools.onlyWorker(first);
    const keeper = await pools.keepSockets([`from=${old}:0`]);
    await pools.killSupervisor(first);
    const second = await pools.startGiven(place, [`from=${keeper}:3`, kept], ['-s', place.socket]);
    expect(socketOf(await pools.onlyWorker(second))).toBe(socketOf(keeper, 3));
    await waitFor('the end of the old worker', () => !isAlive(old));
    const environment = readFileSync(`/proc/${await pools.onlyWorker(second)}/environ`, 'utf8');
    expect(environment).not.toContain('LISTEN_');
    await pools.endPool(place, second);
  });
});
