// A socket counts as good only if a client can reach it: what a worker may do to the socket that all share (shutdown(2),
// options, the mode of its file, another socket in its place) is seen, and set right by restart, reload, --replace and the
// next start after a kill of the supervisor. The test acts as a worker: it borrows the socket of one.
import { chmodSync, copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test, type TestContext } from 'vitest';
import { DescriptorLender } from '../../src/sys/connection/descriptor-lender.ts';
import { addressOf } from '../../src/sys/libc/memory.ts';
import { libc } from '../../src/sys/libc/libc.ts';
import { setNonBlocking } from '../../src/sys/socket/non-blocking.ts';
import { setRawOption } from '../../src/sys/socket-state/socket-facts.ts';
import { compileC, fixture } from '../helpers/build/compile-c.ts';
import { freePort } from '../helpers/machine/free-port.ts';
import { isAlive } from '../helpers/machine/processes.ts';
import { needCommands, needRoot } from '../helpers/machine/requirements.ts';
import { runCommand } from '../helpers/machine/run-command.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { oursPath } from '../helpers/pool/command-under-test.ts';
import { ctl } from '../helpers/pool/ctl.ts';
import { killSupervisor, makeEchoPlace, statusOf, type EchoPlace } from '../helpers/pool/echo-pool.ts';
import {
  commandLine,
  endPool,
  events,
  expectNothingLeft,
  hintsOf,
  makePlace,
  onlyWorker,
  run,
  start,
  visit,
  waitForEvents,
  withoutHints,
} from '../helpers/pool/place.ts';
import { intOf, SOL_SOCKET, timeOf } from '../helpers/sys/option-values.ts';
import { askEcho, startRequests } from '../helpers/web/request-load.ts';
import { transports } from '../helpers/web/transports.ts';

const SHUT_RDWR = 2;
const asNobody = ['-u', 'nobody', '-g', 'nogroup'];

interface Spoiling {
  readonly how: string;
  /** What ping and status say of it. */
  readonly said: RegExp;
  readonly spoil: (this: void, descriptor: number, place: EchoPlace) => void;
}

function option(how: string, level: number, number: number, value: Buffer): Spoiling {
  return {
    how,
    said: new RegExp(`keeps clients out \\(${how}\\)`),
    spoil: (descriptor) => expect(setRawOption(descriptor, level, number, value)).toBe(true),
  };
}

const shutDown: Spoiling = {
  how: 'shutdown(2)',
  said: /its socket was shut down/,
  spoil: (descriptor) => void libc.shutdown(descriptor, SHUT_RDWR),
};
const receiveTimeout = option('SO_RCVTIMEO', SOL_SOCKET, 20, timeOf(1));
const fewHops = option('IP_MINTTL', 0, 21, intOf(255));
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
    program.writeBigUInt64LE(addressOf(dropAll), 8);
    expect(setRawOption(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, program)).toBe(true);
    expect(setRawOption(descriptor, SOL_SOCKET, SO_LOCK_FILTER, intOf(1))).toBe(true);
  },
};
/** Not to be undone without CAP_NET_RAW. */
const noDevice = {
  ...option('SO_BINDTODEVICE', SOL_SOCKET, 62, intOf(99_999)),
  how: 'an interface of its own',
};
const unhealable = [lockedFilter, noDevice];
const cases = [
  ...onTcp.map((one) => ['TCP', one] as const),
  ...onUnix.map((one) => ['a Unix socket', one] as const),
];

/** What a worker could do: it has the socket as descriptor 0. */
function spoil(worker: number, place: EchoPlace, spoiling: Spoiling): void {
  const lender = new DescriptorLender(worker);
  const descriptor = lender.borrow(0);
  lender.close();
  expect(descriptor).toBeGreaterThan(0);
  spoiling.spoil(descriptor, place);
  libc.close(descriptor);
}

async function startSpoiled(
  place: EchoPlace,
  spoiling: Spoiling,
  options: readonly string[] = [],
): Promise<{ pool: { pid: number }; worker: number }> {
  const pool = await start(place, options, [], place);
  const worker = await onlyWorker(pool);
  spoil(worker, place, spoiling);
  return { pool, worker };
}

const ping = (place: EchoPlace) => ctl(place.stateDir, ['ping', place.name]);

describe.for(cases)('on %s', ([transport, spoiling]) => {
  test(`${spoiling.how} turns ping and status red, and restart heals it`, async () => {
    const place = await makeEchoPlace(transport);
    const { pool, worker } = await startSpoiled(place, spoiling);
    const red = await ping(place);
    expect(red).toMatchObject({ status: 1, stderr: '' });
    expect(red.stdout).toMatch(/^not serving: /);
    expect(red.stdout).toMatch(spoiling.said);
    expect((await statusOf(place)).unreachable).toMatch(spoiling.said);
    expect(await ctl(place.stateDir, ['restart', place.name])).toMatchObject({ status: 0, stderr: '' });
    expect((await askEcho(place.target)).pid).toBe(await onlyWorker(pool, [worker]));
    expect((await ping(place)).stdout).toMatch(/^serving: /);
    await endPool(place, pool);
    await expectNothingLeft(place);
  });

  test(`after ${spoiling.how} and a kill of the supervisor the next start serves`, async () => {
    const place = await makeEchoPlace(transport);
    const { pool, worker } = await startSpoiled(place, spoiling);
    await killSupervisor(pool);
    const next = await start(place, [], [], place);
    await waitFor('the end of the old worker', () => !isAlive(worker));
    expect((await askEcho(place.target)).pid).toBe(await onlyWorker(next));
    expect((await ping(place)).status).toBe(0);
    await endPool(place, next);
    await expectNothingLeft(place);
  });
});

describe.for([
  ['TCP', shutDown],
  ['TCP', fewHops],
  ['a Unix socket', shutDown],
] as const)('on %s', ([transport, spoiling]) => {
  test.for([['reload'], ['HUP'], ['--replace']])(`${spoiling.how} is healed by %s`, async ([how = '']) => {
    const place = await makeEchoPlace(transport);
    const options = ['--settle', '100ms'];
    const { pool, worker } = await startSpoiled(place, spoiling, options);
    const next = await renew(place, pool, how, options);
    await waitFor('the end of the old worker', () => !isAlive(worker));
    expect((await askEcho(place.target)).pid).toBe(await onlyWorker(next));
    expect((await ping(place)).status).toBe(0);
    await endPool(place, next);
    await expectNothingLeft(place);
  });
});

async function renew(
  place: EchoPlace,
  pool: { pid: number },
  how: string,
  options: readonly string[],
): Promise<{ pid: number }> {
  if (how === '--replace') return start(place, [...options, how], [], place);
  if (how === 'HUP') {
    process.kill(pool.pid, 'SIGHUP');
    await waitForEvents(place, 'reload-finished');
  } else {
    expect((await ctl(place.stateDir, [how, place.name])).status).toBe(0);
  }
  return pool;
}

describe.for(unhealable)('$how', (spoiling) => {
  test('makes restart bind anew, also without the right to undo it', async (ctx) => {
    needRoot(ctx);
    const place = await makeEchoPlace('TCP');
    const { pool, worker } = await startSpoiled(place, spoiling, asNobody);
    expect((await ping(place)).stdout).toMatch(spoiling.said);
    expect(await ctl(place.stateDir, ['restart', place.name])).toMatchObject({ status: 0, stderr: '' });
    expect((await askEcho(place.target)).pid).toBe(await onlyWorker(pool, [worker]));
    expect(events(place, 'socket-renewed')).toMatchObject([{ was: 'unreachable' }]);
    expect((await ping(place)).status).toBe(0);
  });

  test('makes restart fail with the way out where the supervisor may not bind, and --replace is that', async (ctx) => {
    needRoot(ctx);
    const place = await onLowPort(ctx);
    const { pool, worker } = await startSpoiled(place, spoiling, asNobody);
    const result = await ctl(place.stateDir, ['restart', place.name]);
    expect(result.status).toBe(1);
    expect(result.stderr).toMatch(
      /^spawn-fcgictl: nobody can connect: .*cannot be made again \(bind failed: Permission denied\); start the pool again as it was started, with --replace\n$/,
    );
    expect(await onlyWorker(pool)).toBe(worker);
    const next = await start(place, [...asNobody, '--replace'], [], place);
    await waitFor('the end of the old worker', () => !isAlive(worker));
    expect((await askEcho(place.target)).pid).toBe(await onlyWorker(next));
    expect((await ping(place)).status).toBe(0);
  });

  test('makes the next start after a kill bind anew', async (ctx) => {
    needRoot(ctx);
    const place = await onLowPort(ctx);
    const { pool, worker } = await startSpoiled(place, spoiling, asNobody);
    await killSupervisor(pool);
    const next = await start(place, asNobody, [], place);
    await waitFor('the end of the old worker', () => !isAlive(worker));
    expect((await askEcho(place.target)).pid).toBe(await onlyWorker(next));
  });
});

test('a Unix socket that was shut down in a directory of root is left to --replace by a supervisor that may not bind there', async (ctx) => {
  needRoot(ctx);
  const place = await makeEchoPlace();
  const { worker } = await startSpoiled(place, shutDown, asNobody);
  const result = await ctl(place.stateDir, ['restart', place.name]);
  expect(result.status).toBe(1);
  expect(result.stderr).toMatch(
    /^spawn-fcgictl: nobody can connect: its socket was shut down, .*with --replace\n$/,
  );
  const next = await start(place, [...asNobody, '--replace'], [], place);
  expect(hintsOf(next.stderr)).toContainEqual(
    expect.stringMatching(/its socket was shut down; it is bound anew$/),
  );
  await waitFor('the end of the old worker', () => !isAlive(worker));
  expect((await askEcho(place.target)).pid).toBe(await onlyWorker(next));
});

test('a restart whose new workers shut a Unix socket down is no success', async () => {
  const place = await makeEchoPlace();
  const trigger = join(place.dir, 'trigger');
  const app = `${place.app}-shuts-down`;
  copyFileSync(compileC(shuttingDown), app);
  const pool = await start({ ...place, app }, [], [trigger]);
  writeFileSync(trigger, '');
  const result = await ctl(place.stateDir, ['restart', place.name]);
  expect(result.status).toBe(1);
  expect(result.stderr).toMatch(
    /^spawn-fcgictl: restarted: .*, but nobody can connect: its socket was shut down; .*--replace\n$/,
  );
  await endPool(place, pool);
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
  const place = await makeEchoPlace();
  const pool = await start(place, [], []);
  const worker = await onlyWorker(pool);
  await waitFor('the worker in accept', () => ping(place).then(({ status }) => status === 0));
  spoil(worker, place, { how: '', said: /./, spoil: (descriptor) => setNonBlocking(descriptor, true) });
  await killSupervisor(pool);
  const next = await start(place, [], []);
  const fresh = await onlyWorker(next);
  expect(readFileSync(`/proc/${fresh}/fdinfo/0`, 'latin1')).toMatch(/^flags:\t0?2$/m);
  await endPool(place, next);
});

/** Of those that only root may bind. */
async function onLowPort(ctx: TestContext): Promise<EchoPlace> {
  const first = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'latin1'));
  ctx.skip(first < 100, 'everybody may bind every port here');
  const place = await makeEchoPlace('TCP');
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
  const place = makePlace();
  const port = await freePort();
  const how = { address: ['-a', '127.0.0.1', '-p', String(port)] };
  const thief = compileC(fixture('namespace-thief.c'));
  const app = place.app;
  copyFileSync(thief, `${app}.thief`);
  const pool = await start({ ...place, app: `${app}.thief` }, [], [], how);
  const worker = await onlyWorker(pool);
  await visit({ host: '127.0.0.1', port });
  await waitFor('the other socket', () => hasDescriptor(worker, 9));
  await killSupervisor(pool);
  const result = await run(place, [], ['serve'], how);
  expect(result.status).toBe(0);
  expect(hintsOf(result.stderr)).toContain(
    `PID ${worker} has a socket of another network namespace that is bound to this address; it is not taken`,
  );
  await waitFor('the end of the thief', () => !isAlive(worker));
  await visit({ host: '127.0.0.1', port });
  const status = await ctl(place.stateDir, ['ping', `127.0.0.1:${port}`]);
  expect(status).toMatchObject({ status: 0 });
  await endPool(place, { pid: Number(/PID: (\d+)/.exec(result.stdout)?.[1]) });
});

test('--replace from another network namespace than the pool is in is refused, and the pool stays', async (ctx) => {
  needRoot(ctx);
  needCommands(ctx, 'unshare', 'ip');
  const place = await makeEchoPlace('TCP');
  const inside = ['ip link set lo up && exec "$@"', 'sh', oursPath, ...commandLine(place, [], [], place)];
  const first = await runCommand('unshare', ['--net', '/bin/sh', '-c', ...inside], { cwd: place.dir });
  const pid = Number(/PID: (\d+)/.exec(first.stdout)?.[1]);
  const worker = await onlyWorker({ pid });
  const refused = await run(place, ['--replace'], [], place);
  expect(refused.status).toBe(255);
  expect(withoutHints(refused.stderr)).toBe(
    `spawn-fcgi: cannot take over the pool on ${place.name}: it listens in another network namespace`,
  );
  expect(await onlyWorker({ pid })).toBe(worker);
  expect((await ping(place)).status).toBe(0);
  await endPool(place, { pid });
});

function hasDescriptor(pid: number, number: number): boolean {
  const lender = new DescriptorLender(pid);
  const descriptor = lender.borrow(number);
  lender.close();
  if (descriptor >= 0) libc.close(descriptor);
  return descriptor >= 0;
}

test.for(transports)('ping on %s costs no request of those who come meanwhile', async (transport) => {
  const place = await makeEchoPlace(transport);
  const pool = await start(place, ['-F', '3'], [], place);
  const load = startRequests(place.target);
  for (let count = 0; count < 10; count += 1) expect((await ping(place)).status).toBe(0);
  const { lost, answered } = await load.stop();
  expect(lost).toEqual([]);
  expect(answered).toBeGreaterThan(0);
  await endPool(place, pool);
  await expectNothingLeft(place);
});

test('a socket file in a directory that was moved away leads nobody to the pool, and the next start takes it over', async () => {
  const place = await makeEchoPlace();
  const pool = await start(place, [], []);
  renameSync(place.runDir, `${place.runDir}.moved`);
  const red = await ping(place);
  expect(red).toMatchObject({ status: 1 });
  expect(red.stdout).toMatch(/its address leads to another socket/);
  mkdirSync(place.runDir);
  const next = await start(place, [], []);
  await waitFor('the end of the old pool', () => !isAlive(pool.pid));
  expect((await askEcho(place.target)).pid).toBe(await onlyWorker(next));
  expect((await ping(place)).status).toBe(0);
  await endPool(place, next);
});
