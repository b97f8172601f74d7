// A socket counts as good only if a client can reach it: what a worker may do to the socket that all share (shutdown(2),
// options, the mode of its file, another socket in its place) is seen, and set right by restart, reload, --replace and the
// next start after a kill of the supervisor. The test acts as a worker: it borrows the socket of one.
import { chmodSync, copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test, type TestContext } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import { freePort, isAlive, needCommands, needRoot, runCommand, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import * as sys from '../helpers/sys/index.ts';
import { askEcho, startRequests, transports } from '../helpers/web/index.ts';

const SHUT_RDWR = 2;
const asNobody = ['-u', 'nobody', '-g', 'nogroup'];

interface Spoiling {
  readonly how: string;
  /** What ping and status say of it. */
  readonly said: RegExp;
  readonly spoil: (this: void, descriptor: number, place: pools.EchoPlace) => void;
}

function option(how: string, level: number, number: number, value: Buffer): Spoiling {
  return {
    how,
    said: new RegExp(`keeps clients out \\(${how}\\)`),
    spoil: (descriptor) => expect(sys.setRawOption(descriptor, level, number, value)).toBe(true),
  };
}

const shutDown: Spoiling = {
  how: 'shutdown(2)',
  said: /its socket was shut down/,
  spoil: (descriptor) => void sys.libc.shutdown(descriptor, SHUT_RDWR),
};
const receiveTimeout = option('SO_RCVTIMEO', sys.SOL_SOCKET, 20, sys.timeOf(1));
const fewHops = option('IP_MINTTL', 0, 21, sys.intOf(255));
const everywhere = [shutDown, receiveTimeout];
const onTcp = [...everywhere, fewHops];
const onUnix: Spoiling[] = [
  ...everywhere,
  {
    how: 'mode 0 of its file',
    said: /lets nobody connect/,
    spoil: (_descriptor, { socket }) => chmodSync(socket, 0),
  },
];
/** Not to be undone by anybody. Newer kernels let only CAP_NET_ADMIN attach one. */
const lockedFilter: Spoiling = {
  how: 'a locked filter',
  said: /SO_ATTACH_FILTER/,
  spoil(descriptor) {
    const SO_ATTACH_FILTER = 26;
    const SO_LOCK_FILTER = 44;
    const dropAll = Buffer.from([6, 0, 0, 0, 0, 0, 0, 0]);
    const program = Buffer.alloc(16);
    program.writeUInt16LE(1);
    program.writeBigUInt64LE(sys.addressOf(dropAll), 8);
    expect(sys.setRawOption(descriptor, sys.SOL_SOCKET, SO_ATTACH_FILTER, program)).toBe(true);
    expect(sys.setRawOption(descriptor, sys.SOL_SOCKET, SO_LOCK_FILTER, sys.intOf(1))).toBe(true);
  },
};
/** Not to be undone without CAP_NET_RAW. */
const noDevice = {
  ...option('SO_BINDTODEVICE', sys.SOL_SOCKET, 62, sys.intOf(99_999)),
  how: 'an interface of its own',
};
const unhealable = [lockedFilter, noDevice];
const cases = [
  ...onTcp.map((one) => ['TCP', one] as const),
  ...onUnix.map((one) => ['a Unix socket', one] as const),
];

/** What a worker could do: it has the socket as descriptor 0. */
function spoil(worker: number, place: pools.EchoPlace, spoiling: Spoiling): void {
  const lender = new sys.DescriptorLender(worker);
  const descriptor = lender.borrow(0);
  lender.close();
  expect(descriptor).toBeGreaterThan(0);
  spoiling.spoil(descriptor, place);
  sys.libc.close(descriptor);
}

async function startSpoiled(
  place: pools.EchoPlace,
  spoiling: Spoiling,
  options: readonly string[] = [],
): Promise<{ pool: { pid: number }; worker: number }> {
  const pool = await pools.start(place, options, [], place);
  const worker = await pools.onlyWorker(pool);
  spoil(worker, place, spoiling);
  return { pool, worker };
}

const ping = (place: pools.EchoPlace) => pools.ctl(place.stateDir, ['ping', place.name]);

describe.for(cases)('on %s', ([transport, spoiling]) => {
  test(`${spoiling.how} turns ping and status red, and restart heals it`, async () => {
    const place = await pools.makeEchoPlace(transport);
    const { pool, worker } = await startSpoiled(place, spoiling);
    const red = await ping(place);
    expect(red).toMatchObject({ status: 1, stderr: '' });
    expect(red.stdout).toMatch(/^not serving: /);
    expect(red.stdout).toMatch(spoiling.said);
    expect((await pools.statusOf(place)).unreachable).toMatch(spoiling.said);
    expect(await pools.ctl(place.stateDir, ['restart', place.name])).toMatchObject({ status: 0, stderr: '' });
    expect((await askEcho(place.target)).pid).toBe(await pools.onlyWorker(pool, [worker]));
    expect((await ping(place)).stdout).toMatch(/^serving: /);
    await pools.endPool(place, pool);
    await pools.expectNothingLeft(place);
  });

  test(`after ${spoiling.how} and a kill of the supervisor the next start serves`, async () => {
    const place = await pools.makeEchoPlace(transport);
    const { pool, worker } = await startSpoiled(place, spoiling);
    await pools.killSupervisor(pool);
    const next = await pools.start(place, [], [], place);
    await waitFor('the end of the old worker', () => !isAlive(worker));
    expect((await askEcho(place.target)).pid).toBe(await pools.onlyWorker(next));
    expect((await ping(place)).status).toBe(0);
    await pools.endPool(place, next);
    await pools.expectNothingLeft(place);
  });
});

describe.for([
  ['TCP', shutDown],
  ['TCP', fewHops],
  ['a Unix socket', shutDown],
] as const)('on %s', ([transport, spoiling]) => {
  test.for([['reload'], ['HUP'], ['--replace']])(`${spoiling.how} is healed by %s`, async ([how = '']) => {
    const place = await pools.makeEchoPlace(transport);
    const options = ['--settle', '100ms'];
    const { pool, worker } = await startSpoiled(place, spoiling, options);
    const next = await renew(place, pool, how, options);
    await waitFor('the end of the old worker', () => !isAlive(worker));
    expect((await askEcho(place.target)).pid).toBe(await pools.onlyWorker(next));
    expect((await ping(place)).status).toBe(0);
    await pools.endPool(place, next);
    await pools.expectNothingLeft(place);
  });
});

async function renew(
  place: pools.EchoPlace,
  pool: { pid: number },
  how: string,
  options: readonly string[],
): Promise<{ pid: number }> {
  if (how === '--replace') return pools.start(place, [...options, how], [], place);
  if (how === 'HUP') {
    process.kill(pool.pid, 'SIGHUP');
    await pools.waitForEvents(place, 'reload-finished');
  } else {
    expect((await pools.ctl(place.stateDir, [how, place.name])).status).toBe(0);
  }
  return pool;
}

describe.for(unhealable)('$how', (spoiling) => {
  test('makes restart bind anew, also without the right to undo it', async (ctx) => {
    needRoot(ctx);
    const place = await pools.makeEchoPlace('TCP');
    const { pool, worker } = await startSpoiled(place, spoiling, asNobody);
    expect((await ping(place)).stdout).toMatch(spoiling.said);
    expect(await pools.ctl(place.stateDir, ['restart', place.name])).toMatchObject({ status: 0, stderr: '' });
    expect((await askEcho(place.target)).pid).toBe(await pools.onlyWorker(pool, [worker]));
    expect(pools.events(place, 'socket-renewed')).toMatchObject([{ was: 'unreachable' }]);
    expect((await ping(place)).status).toBe(0);
  });

  test('makes restart fail with the way out where the supervisor may not bind, and --replace is that', async (ctx) => {
    needRoot(ctx);
    const place = await onLowPort(ctx);
    const { pool, worker } = await startSpoiled(place, spoiling, asNobody);
    const result = await pools.ctl(place.stateDir, ['restart', place.name]);
    expect(result.status).toBe(1);
    expect(result.stderr).toMatch(
      /^spawn-fcgictl: nobody can connect: .*cannot be made again \(bind failed: Permission denied\); start the pool again as it was started, with --replace\n$/,
    );
    expect(await pools.onlyWorker(pool)).toBe(worker);
    const next = await pools.start(place, [...asNobody, '--replace'], [], place);
    await waitFor('the end of the old worker', () => !isAlive(worker));
    expect((await askEcho(place.target)).pid).toBe(await pools.onlyWorker(next));
    expect((await ping(place)).status).toBe(0);
  });

  test('makes the next start after a kill bind anew', async (ctx) => {
    needRoot(ctx);
    const place = await onLowPort(ctx);
    const { pool, worker } = await startSpoiled(place, spoiling, asNobody);
    await pools.killSupervisor(pool);
    const next = await pools.start(place, asNobody, [], place);
    await waitFor('the end of the old worker', () => !isAlive(worker));
    expect((await askEcho(place.target)).pid).toBe(await pools.onlyWorker(next));
  });
});

test('a Unix socket that was shut down in a directory of root is left to --replace by a supervisor that may not bind there', async (ctx) => {
  needRoot(ctx);
  const place = await pools.makeEchoPlace();
  const { worker } = await startSpoiled(place, shutDown, asNobody);
  const result = await pools.ctl(place.stateDir, ['restart', place.name]);
  expect(result.status).toBe(1);
  expect(result.stderr).toMatch(
    /^spawn-fcgictl: nobody can connect: its socket was shut down, .*with --replace\n$/,
  );
  const next = await pools.start(place, [...asNobody, '--replace'], [], place);
  expect(pools.hintsOf(next.stderr)).toContainEqual(
    expect.stringMatching(/its socket was shut down; it is bound anew$/),
  );
  await waitFor('the end of the old worker', () => !isAlive(worker));
  expect((await askEcho(place.target)).pid).toBe(await pools.onlyWorker(next));
});

test('a restart whose new workers shut a Unix socket down is no success', async () => {
  const place = await pools.makeEchoPlace();
  const trigger = join(place.dir, 'trigger');
  const app = `${place.app}-shuts-down`;
  copyFileSync(compileC(shuttingDown), app);
  const pool = await pools.start({ ...place, app }, [], [trigger]);
  writeFileSync(trigger, '');
  const result = await pools.ctl(place.stateDir, ['restart', place.name]);
  expect(result.status).toBe(1);
  expect(result.stderr).toMatch(
    /^spawn-fcgictl: restarted: .*, but nobody can connect: its socket was shut down; .*--replace\n$/,
  );
  await pools.endPool(place, pool);
});

/** Its first argument is the place's report. */
const shuttingDown = `
#include <sys/socket.h>
#include <unistd.h>
int main(int argc, char **argv) {
  if (argc > 2 && access(argv[2], F_OK) == 0) shutdown(0, SHUT_RDWR);
  for (;;) {
    int connection = accept(0, 0, 0);
    if (connection >= 0) close(connection);
    else usleep(1000);
  }
}`;

test('O_NONBLOCK, set on the socket of a program that blocks in accept, is gone with the next start after a kill', async () => {
  const place = await pools.makeEchoPlace();
  const pool = await pools.start(place, [], []);
  const worker = await pools.onlyWorker(pool);
  await waitFor('the worker in accept', () => ping(place).then(({ status }) => status === 0));
  spoil(worker, place, { how: '', said: /./, spoil: (descriptor) => sys.setNonBlocking(descriptor, true) });
  await pools.killSupervisor(pool);
  const next = await pools.start(place, [], []);
  const fresh = await pools.onlyWorker(next);
  expect(readFileSync(`/proc/${fresh}/fdinfo/0`, 'latin1')).toMatch(/^flags:\t0?2$/m);
  await pools.endPool(place, next);
});

/** Of those that only root may bind. */
async function onLowPort(ctx: TestContext): Promise<pools.EchoPlace> {
  const first = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'latin1'));
  ctx.skip(first < 100, 'everybody may bind every port here');
  const place = await pools.makeEchoPlace('TCP');
  const port = await freeLowPort();
  return {
    ...place,
    target: { host: '127.0.0.1', port },
    address: ['-a', '127.0.0.1', '-p', String(port)],
    name: `127.0.0.1:${port}`,
  };
}

async function freeLowPort(): Promise<number> {
  for (let port = 700; port < 1000; port += 1) {
    if (await isRefused(port)) return port;
  }
  throw new Error('no free port');
}

function isRefused(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(false));
    socket.once('error', () => resolve(true));
    socket.once('close', () => socket.destroy());
    socket.on('connect', () => socket.destroy());
  });
}

test('a socket of another network namespace is not taken from a worker, but the one of the pool behind it', async (ctx) => {
  needRoot(ctx);
  const place = pools.makePlace();
  const port = await freePort();
  const how = { address: ['-a', '127.0.0.1', '-p', String(port)] };
  const thief = compileC(fixture('namespace-thief.c'));
  const app = place.app;
  copyFileSync(thief, `${app}.thief`);
  const pool = await pools.start({ ...place, app: `${app}.thief` }, [], [], how);
  const worker = await pools.onlyWorker(pool);
  await pools.visit({ host: '127.0.0.1', port });
  await waitFor('the other socket', () => hasDescriptor(worker, 9));
  await pools.killSupervisor(pool);
  const result = await pools.run(place, [], ['serve'], how);
  expect(result.status).toBe(0);
  expect(pools.hintsOf(result.stderr)).toContain(
    `PID ${worker} has a socket of another network namespace that is bound to this address; it is not taken`,
  );
  await waitFor('the end of the thief', () => !isAlive(worker));
  await pools.visit({ host: '127.0.0.1', port });
  const status = await pools.ctl(place.stateDir, ['ping', `127.0.0.1:${port}`]);
  expect(status).toMatchObject({ status: 0 });
  await pools.endPool(place, { pid: Number(/PID: (\d+)/.exec(result.stdout)?.[1]) });
});

test('--replace from another network namespace than the pool is in is refused, and the pool stays', async (ctx) => {
  needRoot(ctx);
  needCommands(ctx, 'unshare', 'ip');
  const place = await pools.makeEchoPlace('TCP');
  const inside = [
    'ip link set lo up && exec "$@"',
    'sh',
    pools.oursPath,
    ...pools.commandLine(place, [], [], place),
  ];
  const first = await runCommand('unshare', ['--net', '/bin/sh', '-c', ...inside], { cwd: place.dir });
  const pid = Number(/PID: (\d+)/.exec(first.stdout)?.[1]);
  const worker = await pools.onlyWorker({ pid });
  const refused = await pools.run(place, ['--replace'], [], place);
  expect(refused.status).toBe(255);
  expect(pools.withoutHints(refused.stderr)).toBe(
    `spawn-fcgi: cannot take over the pool on ${place.name}: it listens in another network namespace`,
  );
  expect(await pools.onlyWorker({ pid })).toBe(worker);
  expect((await ping(place)).status).toBe(0);
  await pools.endPool(place, { pid });
});

function hasDescriptor(pid: number, number: number): boolean {
  const lender = new sys.DescriptorLender(pid);
  const descriptor = lender.borrow(number);
  lender.close();
  if (descriptor >= 0) sys.libc.close(descriptor);
  return descriptor >= 0;
}

test.for(transports)('ping on %s costs no request of those who come meanwhile', async (transport) => {
  const place = await pools.makeEchoPlace(transport);
  const pool = await pools.start(place, ['-F', '3'], [], place);
  const load = startRequests(place.target);
  for (let count = 0; count < 10; count += 1) expect((await ping(place)).status).toBe(0);
  const { lost, answered } = await load.stop();
  expect(lost).toEqual([]);
  expect(answered).toBeGreaterThan(0);
  await pools.endPool(place, pool);
  await pools.expectNothingLeft(place);
});

test('a socket file in a directory that was moved away leads nobody to the pool, and the next start takes it over', async () => {
  const place = await pools.makeEchoPlace();
  const pool = await pools.start(place, [], []);
  renameSync(place.runDir, `${place.runDir}.moved`);
  const red = await ping(place);
  expect(red).toMatchObject({ status: 1 });
  expect(red.stdout).toMatch(/its address leads to another socket/);
  mkdirSync(place.runDir);
  const next = await pools.start(place, [], []);
  await waitFor('the end of the old pool', () => !isAlive(pool.pid));
  expect((await askEcho(place.target)).pid).toBe(await pools.onlyWorker(next));
  expect((await ping(place)).status).toBe(0);
  await pools.endPool(place, next);
});
