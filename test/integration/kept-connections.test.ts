// A connection that its client keeps open between two requests does not hold a worker up; one that is in the middle of
// a request does, however long the client pauses (docs/internals/kept-connections.md).
import { copyFileSync, existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { takeLastRequest, type Gap } from '../../src/sys/session/last-request.ts';
import { SessionFreezer } from '../../src/sys/session/session-freeze.ts';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import * as sys from '../helpers/sys/index.ts';
import { KeptClient, transports, type FastcgiTarget } from '../helpers/web/index.ts';

const echo = compileC(fixture('plain-echo.c'));
const proc = sys.openProc();
const SIGKILL = 9;
const quick = ['--settle', '0', '--min-uptime', '1ms', '--keepalive-quiet', '200ms'];

interface Place {
  worker: number;
  client: KeptClient;
  freezer: SessionFreezer;
}

describe.for(['tcp', 'unix'] as const)('on a %s socket', (kind) => {
  async function startEcho(quietMs: number): Promise<Place> {
    const socket = await sys.listenSomewhere(kind);
    const worker = sys.startWorker(socket, [echo]);
    const { target } = socket;
    const client = new KeptClient('path' in target ? { socketPath: target.path } : target);
    return { worker, client, freezer: new SessionFreezer(proc, socket, quietMs) };
  }

  test('a worker that has answered is kept, not busy, and its client sees the connection close when it ends', async () => {
    const { worker, client, freezer } = await startEcho(100);
    expect(await client.ask('first')).toContain(`POST first ${worker}`);
    await machine.waitFor('a connection that is kept', () => freezer.activity(worker) === 'kept');
    await machine.waitFor('its end', () => freezer.endIfIdle(worker, true, 'kill') === 'signalled');
    await machine.waitFor('the end of the connection', () => client.isClosed);
    expect((await sys.waitForExit(worker)).signal).toBe(SIGKILL);
  });

  test('a second request on the connection makes it busy, and its answer kept again', async () => {
    const { worker, client, freezer } = await startEcho(100);
    await client.ask('first');
    await machine.waitFor('a connection that is kept', () => freezer.activity(worker) === 'kept');
    const answer = client.ask('sleep=1500');
    // Before it has read the request that could be made its last one.
    await machine.waitFor('the work', () => isSleeping(worker));
    expect(freezer.activity(worker)).toBe('busy');
    expect(freezer.endIfIdle(worker, true, 'kill')).toMatch(/^(busy|followed)$/);
    expect(await answer).toContain('POST sleep=1500');
    await machine.waitFor('a connection that is kept', () => freezer.activity(worker) === 'kept');
  });

  test('a client that pauses in the middle of a body is not cut off', async () => {
    // On a Unix socket it counts as kept once it was quiet for that long.
    const { worker, client, freezer } = await startEcho(3_600_000);
    await client.ask('first');
    client.begin('second', 'one ');
    await machine.waitFor('the pause', () => freezer.isAtWork(worker));
    for (let look = 0; look < 300; look += 1) {
      expect(freezer.endIfIdle(worker, true, 'kill')).toMatch(/^(busy|followed)$/);
      await machine.waitFor('the next look', () => true);
    }
    client.finish('two');
    expect(await client.answer()).toContain('one two');
  });

  test('what has come and was not read yet is a request, also when the worker is stopped', async () => {
    const { worker, client, freezer } = await startEcho(0);
    await client.ask('first');
    process.kill(worker, 'SIGSTOP');
    const answer = client.ask('second');
    await machine.waitFor('its arrival', () => freezer.activity(worker) === 'busy');
    expect(freezer.endIfIdle(worker, true, 'kill')).toMatch(/^(busy|followed)$/);
    // Whoever looks lets go on who was stopped.
    process.kill(worker, 'SIGCONT');
    expect(await answer).toContain('POST second');
  });

  test('a request that comes while it is stopped can be made the last one: it is answered, then the connection ends', async () => {
    const { worker, client, freezer } = await startEcho(0);
    await client.ask('first');
    process.kill(worker, 'SIGSTOP');
    const gap = gapOf(worker, freezer);
    expect(takeLastRequest(gap)).toBe('nothing-came');
    const answer = client.ask('second', 'body');
    await machine.waitFor('its arrival', () => takeLastRequest(gap) === 'taken');
    process.kill(worker, 'SIGCONT');
    expect(await answer).toContain('body');
    await machine.waitFor('the end of the connection', () => client.isClosed);
    expect(freezer.activity(worker)).toBe('idle');
  });

  test('the rest of a body that comes while it is stopped cannot', async () => {
    const { worker, client, freezer } = await startEcho(0);
    await client.ask('first');
    await machine.waitFor('its sleep', () => sys.stateOf(worker) === 'S');
    const before = sleepsOf(worker);
    client.begin('second', 'one ');
    await machine.waitFor('the pause', () => sleepsOf(worker) > before && sys.stateOf(worker) === 'S');
    process.kill(worker, 'SIGSTOP');
    client.finish('two');
    await machine.waitFor('its arrival', () => freezer.connections(worker)[0]?.traffic?.hasUnread);
    expect(takeLastRequest(gapOf(worker, freezer))).toBe('something-else');
    process.kill(worker, 'SIGCONT');
    expect(await client.answer()).toContain('one two');
  });

  test('a worker that has answered one client and works for nobody is ended with all that it keeps', async () => {
    const { worker, client, freezer } = await startEcho(50);
    await client.ask('first');
    await machine.waitFor('its end', () => freezer.endIfIdle(worker, true, 'replace') === 'signalled');
    expect((await sys.waitForExit(worker)).signal).toBe(SIGKILL);
  });
});

test('a pause in a body on a TCP socket is told from a kept connection without any quiet time', async () => {
  const socket = await sys.listenSomewhere('tcp');
  const worker = sys.startWorker(socket, [echo]);
  const { target } = socket;
  const client = new KeptClient('path' in target ? { socketPath: target.path } : target);
  const freezer = new SessionFreezer(proc, socket, 0);
  await client.ask('first');
  await machine.waitFor('a connection that is kept', () => freezer.activity(worker) === 'kept');
  // What comes in the tick of the answer cannot be told from it: there the quiet time decides, which is none here.
  const sinceAnswerMs = (): number => freezer.connections(worker)[0]?.traffic?.tcp?.sentMs ?? 0;
  await machine.waitFor('another tick of the clock', () => sinceAnswerMs() > 10);
  client.begin('second', 'one ');
  await machine.waitFor('the pause', () => freezer.activity(worker) === 'busy');
  // `followed` is busy, too: traced to the end of its request, and nothing ends it before that.
  expect(freezer.endIfIdle(worker, true, 'kill')).toMatch(/^(busy|followed)$/);
  client.finish('two');
  expect(await client.answer()).toContain('one two');
});

describe.for(transports)('a pool on %s', (transport) => {
  test('with kept connections is shown as such, is reloaded and stopped at once', async () => {
    const place = await pools.makeEchoPlace(transport);
    // Who waits for that deadline is not done within the time of a test.
    const options = [...quick, '-F', '2', '--stop-timeout', '10m'];
    await pools.start(place, options, [], { address: place.address });
    const clients = await keepBoth(place.target);
    await machine.waitFor('both workers kept', async () => (await pools.statusOf(place)).kept === 2);
    const { workers, idle, busy } = await pools.statusOf(place);
    expect(workers.map(({ activity }) => activity)).toEqual(['kept', 'kept']);
    expect({ idle, busy }).toEqual({ idle: 0, busy: 2 });

    const third = new KeptClient(place.target);
    const waiting = third.ask('third');
    await machine.waitFor('a queue', async () => (await pools.statusOf(place)).queue?.length === 1);
    const table = await pools.ctl(place.stateDir, ['status', place.name]);
    expect(table.stdout).toContain('saturated: 2 of 2 held by kept connections, 1 waiting');
    expect(table.stdout).toContain('0 idle 0 busy 2 kept');

    expect(await pools.ctl(place.stateDir, ['reload', place.name])).toMatchObject({ status: 0 });
    expect(await waiting).toContain('POST third');
    await machine.waitFor('the end of the connections', () => clients.every((client) => client.isClosed));
    expect(await pools.ctl(place.stateDir, ['stop', place.name])).toMatchObject({ status: 0 });
  });
});

test('a client that pauses in a body while the pool is reloaded is answered by its worker', async () => {
  const place = await pools.makeEchoPlace('TCP');
  await pools.start(place, [...quick, '-F', '1'], [], { address: place.address });
  const client = new KeptClient(place.target);
  await client.ask('first');
  // A command later it is another tick of the clock.
  await machine.waitFor('a kept connection', async () => (await pools.statusOf(place)).kept === 1);
  client.begin('second', 'one ');
  const reload = pools.ctl(place.stateDir, ['reload', place.name]);
  await machine.waitFor('the old worker ending', async () =>
    (await pools.statusOf(place)).workers.some(({ state }) => state === 'stopping'),
  );
  const stoppingSinceMs = performance.now();
  await machine.waitFor('more than the quiet time', () => performance.now() - stoppingSinceMs > 1000);
  client.finish('two');
  expect(await client.answer()).toContain('one two');
  expect(await reload).toMatchObject({ status: 0 });
});

describe('a program with libfcgi', () => {
  test('gets no TERM while its client pauses in the middle of a body', async ({ skip }) => {
    skip(!existsSync('/usr/include/fcgi_stdio.h'), 'needs libfcgi');
    const place = await pools.makeEchoPlace('TCP');
    copyFileSync(compileC(fixture('libfcgi-echo.c'), { libs: ['fcgi'] }), place.app);
    await pools.start(place, [...quick, '-F', '1'], [], { address: place.address });
    const client = new KeptClient(place.target);
    client.begin('first', 'one ');
    await machine.waitFor('the work', async () => (await pools.statusOf(place)).idle === 0);
    const reload = pools.ctl(place.stateDir, ['reload', place.name]);
    await machine.waitFor('the old worker ending', async () =>
      (await pools.statusOf(place)).workers.some(({ state }) => state === 'stopping'),
    );
    const stoppingSinceMs = performance.now();
    // Known programs get TERM after 2 s.
    await machine.waitFor('more than that', () => performance.now() - stoppingSinceMs > 2300);
    client.finish('two');
    expect(await client.answer()).toContain('one two');
    expect(await reload).toMatchObject({ status: 0 });
  });
});

/** Of a worker with one connection. */
function gapOf(pid: number, freezer: SessionFreezer): Gap {
  const [connection] = freezer.connections(pid);
  if (!connection?.traffic) throw new Error('no connection that may be looked at');
  return { pid, inode: connection.inode, descriptor: connection.traffic.descriptor };
}

/** In nanosleep or clock_nanosleep. */
function isSleeping(pid: number): boolean {
  const numbers = process.arch === 'arm64' ? ['101', '115'] : ['35', '230'];
  return numbers.includes(proc.readText(`${pid}/syscall`)?.split(' ')[0] ?? '');
}

/** How often it has gone to sleep. */
function sleepsOf(pid: number): number {
  return Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(proc.readText(`${pid}/status`) ?? '')?.[1]);
}

/** One connection to each of the two workers: the second one finds the first one's worker held. */
async function keepBoth(target: FastcgiTarget): Promise<KeptClient[]> {
  const clients = [new KeptClient(target), new KeptClient(target)];
  const pids = await Promise.all(clients.map((client) => client.ask('keep')));
  expect(new Set(pids).size).toBe(2);
  return clients;
}
