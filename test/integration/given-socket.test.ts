// A pool on a socket that somebody else has opened (systemd, inetd, supervisord): taken in every model, worked on as one
// of ours, and left as it was.
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { childrenOf, isAlive, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

function inodeOfDescriptor(pid: number, descriptor: number): string {
  return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`))?.[1] ?? '';
}

/** Descriptors, and whether it knows of LISTEN_FDS. */
function inheritanceOf(pid: number): { socket: string; above: string[]; isTold: boolean } {
  const numbers = [0, 1, 2, 3, 4, 5, 6, 7].filter((number) => linkOf(pid, number) !== undefined);
  return {
    socket: inodeOfDescriptor(pid, 0),
    above: numbers.filter((number) => number > 2).map((number) => `${number} ${linkOf(pid, number)}`),
    isTold: readFileSync(`/proc/${pid}/environ`, 'utf8').includes('LISTEN_'),
  };
}

function linkOf(pid: number, descriptor: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/fd/${descriptor}`);
  } catch {
    return undefined;
  }
}

/** What nobody but its owner may change. */
function factsOf(path: string): object {
  const { ino, mode, uid, gid, ctimeMs } = statSync(path);
  return { ino, mode, uid, gid, ctimeMs };
}

describe('one socket of LISTEN_FDS', () => {
  test("is the pool's, and stays when the pool has ended", async () => {
    const place = pools.makePlace();
    const keeper = await pools.keepSockets([`unix=${place.socket}`]);
    const before = factsOf(place.socket);
    const pool = await pools.startGiven(place, [`from=${keeper}:3`, 'names=app.socket'], ['-F', '2']);
    const expected = { socket: inodeOfDescriptor(keeper, 3), above: [], isTold: false };
    for (const worker of await pools.fullPool(pool, 2)) expect(inheritanceOf(worker)).toEqual(expected);
    await pools.visit({ path: place.socket });
    expect(await pools.statusOf(place)).toMatchObject({
      address: place.socket,
      given: "'app.socket' (descriptor 3)",
      socketFile: 'ours',
      unreachable: null,
      queue: { backlog: 77 },
    });
    await pools.endPool(place, pool);
    expect(factsOf(place.socket)).toEqual(before);
    expect(pools.filesOf(place)).toEqual(['run/app.sock']);
  });

  test.each([
    ['in the background', '--supervise', 1],
    ['without a supervisor', '--no-supervise', 2],
  ])('is taken %s, where the command has descriptors of its own in its place', async (_, option, count) => {
    const place = pools.makePlace();
    const keeper = await pools.keepSockets([`unix=${place.socket}`]);
    const { status, stdout, stderr } = await pools.runGiven(place, [`from=${keeper}:3`], [option, '-F', '2']);
    expect({ status, stderr: pools.withoutHints(stderr) }).toEqual({ status: 0, stderr: '' });
    const pids = pools.printedPids(stdout);
    expect(pids).toHaveLength(count);
    const workers = count === 1 ? childrenOf(pids[0] ?? 0) : pids;
    const expected = { socket: inodeOfDescriptor(keeper, 3), above: [], isTold: false };
    for (const worker of workers) expect(inheritanceOf(worker)).toEqual(expected);
    await pools.visit({ path: place.socket });
    for (const pid of pids) process.kill(pid, 'SIGTERM');
    await waitFor('the end', () => pids.every((pid) => !isAlive(pid)));
  });
});

test('with -n alone the program gets it in place of the command', async () => {
  const place = pools.makePlace();
  const keeper = await pools.keepSockets([`unix=${place.socket}`, `unix=${join(place.runDir, 'b.sock')}`]);
  const settings = [`from=${keeper}:3`, `from=${keeper}:4`, 'names=web:admin'];
  const pool = pools.startStayingGiven(place, settings, ['--listen-fd', 'admin']);
  await pools.waitForStarts(place, 1);
  const expected = { socket: inodeOfDescriptor(keeper, 4), above: [], isTold: false };
  expect(inheritanceOf(pool.pid)).toEqual(expected);
  await pools.visit({ path: join(place.runDir, 'b.sock') });
  await pool.stop();
});

test.each([
  ['stdin=3', 'descriptor 0'],
  ['inetd=3', 'descriptor 0'],
])('descriptor 0 is taken without an option (%s), and nothing is printed into it', async (setting, label) => {
  const place = pools.makePlace();
  const keeper = await pools.keepSockets([`unix=${place.socket}`]);
  const settings = [`from=${keeper}:3`, setting];
  const pool = pools.startStayingGiven(place, settings, ['--supervise', '--output', 'inherit']);
  await pools.waitForEvents(place, 'pool-up');
  const worker = await pools.onlyWorker(pool);
  expect(inodeOfDescriptor(worker, 0)).toBe(inodeOfDescriptor(keeper, 3));
  for (const stream of [1, 2]) expect(linkOf(worker, stream)).not.toBe(linkOf(worker, 0));
  expect(await pools.statusOf(place)).toMatchObject({ given: label });
  await pools.visit({ path: place.socket });
  await pools.endPool(place, pool);
});

test('-s and -p win over descriptor 0', async () => {
  const place = pools.makePlace();
  const keeper = await pools.keepSockets([`unix=${join(place.runDir, 'other.sock')}`]);
  const settings = [`from=${keeper}:3`, 'stdin=3'];
  const { status } = await pools.runGiven(place, settings, ['-s', place.socket, '-P', place.pidFile]);
  expect(status).toBe(0);
  expect((await pools.statusOf(place)).given).toBeUndefined();
  await pools.endPool(place, { pid: Number(readFileSync(place.pidFile, 'utf8')) });
});
