// --request-timeout and --stuck-signal on workers that hang, and on all that only looks like it (docs/stuck-requests.md).
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import * as web from '../helpers/web/index.ts';

const hanging = compileC(fixture('stuck-worker.c'));
const timeoutMs = 1000;
const strict = ['--request-timeout', `${timeoutMs}ms`];

describe.for(web.transports)('over %s', (transport) => {
  test('a worker that hangs is told of, killed, and replaced at once; the others answer all the time', async () => {
    const place = await pools.makeEchoPlace(transport);
    const pool = await pools.start(place, [...strict, '-F', '2'], [], { address: place.address });
    const load = web.startRequests(place.target, 1);
    const stuck = web.askEcho(place.target, 'sleep=60000').catch((error: unknown) => error as Error);
    const [slow] = await pools.waitForEvents(place, 'request-slow');
    const worker = slow?.['workerPid'] as number;
    expect(slow).toMatchObject({
      timeoutMs,
      doing: [{ pid: worker, call: expect.stringMatching(/nanosleep/) }],
    });
    expect(await stuck).toBeInstanceOf(Error);
    const [ended] = await pools.waitForEvents(place, 'worker-ended');
    expect(ended).toMatchObject({ workerPid: worker, class: 'stuck', delayMs: 0 });
    expect(ended?.['successorPid']).toBeTypeOf('number');
    const [report] = pools.events(place, 'request-stuck');
    expect(report).toMatchObject({ outcome: 'killed', workerPid: worker, pids: [worker] });
    expect(report?.['ageMs']).toBeGreaterThanOrEqual(timeoutMs);
    expect(pools.events(place, 'killed')).toMatchObject([{ reason: '--request-timeout', pids: [worker] }]);
    expect(pools.events(place, 'request-cut')).toEqual([]);
    await pools.fullPool(pool, 2, [worker]);
    expect(await pools.statusOf(place)).toMatchObject({ stuckRequests: 1 });
    expect((await load.stop()).lost).toEqual([]);
  });

  test('a worker that hangs is ended although its client has gone long since', async () => {
    const place = await pools.makeEchoPlace(transport);
    const pool = await pools.start(place, strict, [], { address: place.address });
    const worker = await pools.onlyWorker(pool);
    const client = new web.KeptClient(place.target);
    void client.ask('sleep=60000').catch(() => undefined);
    await machine.waitFor('the request', async () => (await pools.statusOf(place)).busy === 1);
    client.close();
    const [report] = await pools.waitForEvents(place, 'request-stuck');
    expect(report).toMatchObject({ workerPid: worker, outcome: 'killed' });
    await pools.onlyWorker(pool, [worker]);
  });

  test('nobody is stuck in a saturated pool whose clients wait longer than the timeout', async () => {
    const place = await pools.makeEchoPlace(transport);
    await pools.start(place, [...strict, '-F', '2'], [], { address: place.address });
    const beganMs = performance.now();
    // Each is far from half of the timeout, at which it would be told of.
    const options = { timeoutMs: 30_000 };
    const clients = Array.from({ length: 48 }, () => web.askEcho(place.target, 'sleep=100', options));
    const answers = await Promise.all(clients);
    expect(answers.length).toBe(48);
    expect(performance.now() - beganMs).toBeGreaterThan(2 * timeoutMs);
    expectNothingSaid(place);
  });

  test('a connection that is kept open between two requests is none', async () => {
    const place = await pools.makeEchoPlace(transport);
    await pools.start(place, strict, [], { address: place.address });
    const client = new web.KeptClient(place.target);
    await client.ask('first');
    await looksFor(place, 3 * timeoutMs);
    expectNothingSaid(place);
    expect(await pools.statusOf(place)).toMatchObject({ workers: [{ requestAgeMs: null }] });
    expect(await client.ask('second')).toContain('POST second');
  });

  test('nor are the requests of one that is never quiet', async () => {
    const place = await pools.makeEchoPlace(transport);
    await pools.start(place, strict, [], { address: place.address });
    const client = new web.KeptClient(place.target);
    const untilMs = performance.now() + 4 * timeoutMs;
    for (let n = 0; performance.now() < untilMs; n++) expect(await client.ask('sleep=90')).toContain('POST');
    expectNothingSaid(place);
  });

  test('but a request on it that hangs is', async () => {
    const place = await pools.makeEchoPlace(transport);
    await pools.start(place, strict, [], { address: place.address });
    const client = new web.KeptClient(place.target);
    for (let n = 0; n < 20; n++) await client.ask('sleep=50');
    const answer = client.ask('sleep=60000').catch((error: unknown) => error as Error);
    const [report] = await pools.waitForEvents(place, 'request-stuck');
    expect(report?.['ageMs']).toBeLessThan(3 * timeoutMs);
    expect(await answer).toBeInstanceOf(Error);
  });

  test('a client that does not send the rest of its body does not make its worker a stuck one', async () => {
    const place = await pools.makeEchoPlace(transport);
    await pools.start(place, strict, [], { address: place.address });
    const client = new web.KeptClient(place.target);
    client.begin('slow', 'one ');
    await looksFor(place, 3 * timeoutMs);
    client.finish('two');
    expect(await client.answer()).toContain('one two');
    expectNothingSaid(place);
  });
});

describe('a worker that is stopped', () => {
  test('by a signal is left alone, and ended when it goes on', async () => {
    const place = await pools.makeEchoPlace();
    const pool = await pools.start(place, strict, []);
    const worker = await pools.onlyWorker(pool);
    const answer = web.askEcho(place.target, 'sleep=60000').catch((error: unknown) => error as Error);
    await pools.waitForEvents(place, 'request-slow');
    process.kill(worker, 'SIGSTOP');
    const [spared] = await pools.waitForEvents(place, 'request-stuck');
    expect(spared).toMatchObject({ outcome: 'spared', pids: [], doing: [{ state: 'T' }] });
    expect(machine.isAlive(worker)).toBe(true);
    process.kill(worker, 'SIGCONT');
    const [, report] = await pools.waitForEvents(place, 'request-stuck', 2);
    expect(report).toMatchObject({ outcome: 'killed' });
    expect(await answer).toBeInstanceOf(Error);
  });
});

describe('--stuck-signal', () => {
  test('has the program say where it is, a second before its end', async () => {
    const { place, pool, output } = await startHanging(['dump'], ['-F', '2', '--stuck-signal', 'USR1']);
    hold(place);
    const [report] = await pools.waitForEvents(place, 'request-stuck');
    const worker = report?.['workerPid'] as number;
    expect(report).toMatchObject({ outcome: 'signalled', signal: 'SIGUSR1', signalled: [worker] });
    const [ended] = await pools.waitForEvents(place, 'worker-ended');
    expect(ended).toMatchObject({ workerPid: worker, class: 'stuck', signalName: 'SIGKILL' });
    expect(readFileSync(output, 'utf8')).toBe(`at work as ${worker}\n`);
    const lag = Date.parse(ended?.['time'] as string) - Date.parse(report?.['time'] as string);
    expect(lag).toBeGreaterThan(900);
    await pools.fullPool(pool, 2, [worker]);
  });

  test('that has the program give its request up ends nobody', async () => {
    const { place, pool } = await startHanging(['dump', 'finish'], ['--stuck-signal', 'usr1']);
    const worker = await pools.onlyWorker(pool);
    const client = hold(place);
    await pools.waitForEvents(place, 'request-stuck');
    await machine.waitFor('the end of the connection', () => client.destroyed);
    await looksFor(place, 2 * timeoutMs);
    expect(await pools.onlyWorker(pool)).toBe(worker);
    expect(pools.events(place, 'killed')).toEqual([]);
    process.kill(worker, 'SIGTERM');
    const [ended] = await pools.waitForEvents(place, 'worker-ended');
    expect(ended).toMatchObject({ class: 'crash' });
  });

  test('is not sent to who would only die of it, nor to a process that is not stuck', async () => {
    const { place } = await startHanging(['children=3', 'refill'], ['--stuck-signal', 'USR1']);
    hold(place);
    const [report] = await pools.waitForEvents(place, 'request-stuck');
    expect(report).toMatchObject({ outcome: 'signalled', signalled: [] });
    const [killed] = await pools.waitForEvents(place, 'killed');
    expect(killed).toMatchObject({ pids: report?.['pids'] });
  });
});

describe('of a worker of several processes', () => {
  test('only the one that is stuck ends, where its parent starts another one', async () => {
    const { place, pool } = await startHanging(['children=3', 'refill']);
    const leader = await pools.onlyWorker(pool);
    const before = machine.childrenOf(leader);
    hold(place);
    const [report] = await pools.waitForEvents(place, 'request-stuck');
    expect(report).toMatchObject({ workerPid: leader, outcome: 'killed' });
    const [child = 0] = (report?.['pids'] ?? []) as number[];
    expect(before).toContain(child);
    await machine.waitFor('another child', () => {
      const now = machine.childrenOf(leader).filter((pid) => machine.isAlive(pid));
      return now.length === 3 && !now.includes(child);
    });
    await looksFor(place, 2 * timeoutMs);
    expect(await pools.onlyWorker(pool)).toBe(leader);
    expect(pools.events(place, 'worker-ended')).toEqual([]);
  });

  test('it is replaced, new before old, where its parent does not', async () => {
    const { place, pool } = await startHanging(['children=3']);
    const leader = await pools.onlyWorker(pool);
    hold(place);
    const [replaced] = await machine.waitFor(
      'its replacement',
      () => pools.events(place, 'worker-replaced').length > 0 && pools.events(place, 'worker-replaced'),
      { timeoutMs: 20_000 },
    );
    expect(replaced).toMatchObject({ formerPid: leader, guard: 'request-timeout' });
    await pools.onlyWorker(pool, [leader]);
    expect(pools.events(place, 'worker-ended')).toEqual([]);
  });

  test('a shell around the program ends with it, and that is no crash', async () => {
    const place = pools.makePlace();
    const script = join(place.dir, 'wrapper.sh');
    writeFileSync(script, `#!/bin/sh\n'${hanging}'\nexit $?\n`, { mode: 0o755 });
    const limits = ['--start-limit', '1/60s'];
    const pool = await startProgram(place, [...limits, '--keepalive-quiet', '1h'], [script]);
    const leader = await pools.onlyWorker(pool);
    hold(place);
    const [ended] = await pools.waitForEvents(place, 'worker-ended');
    expect(ended).toMatchObject({ workerPid: leader, class: 'stuck', delayMs: 0 });
    const [report] = pools.events(place, 'request-stuck');
    expect(report?.['pids']).not.toContain(leader);
    await pools.onlyWorker(pool, [leader]);
  });
});

describe.for(web.transports)('an event loop over %s', (transport) => {
  test('that has more to do than it can is not stuck, nor are the connections that it keeps', async () => {
    const place = await pools.makeEchoPlace(transport);
    await startProgram(place, [], [process.execPath, fixture('event-loop.mjs')], place.address);
    const idle = await Promise.all([rawClient(place), rawClient(place)]);
    await Promise.all(idle.map((client) => askRaw(client)));
    const untilMs = performance.now() + 5 * timeoutMs;
    const answered = await Promise.all(
      Array.from({ length: 30 }, async () => {
        const client = await rawClient(place);
        let count = 0;
        for (; performance.now() < untilMs; count++) await askRaw(client);
        return count;
      }),
    );
    expect(Math.min(...answered)).toBeGreaterThan(0);
    await Promise.all(idle.map((client) => askRaw(client)));
    const said = pools.events(place).map(({ event }) => event);
    expect(said.filter((event) => ['request-stuck', 'worker-ended', 'killed'].includes(event))).toEqual([]);
  });

  test('that does not come to an end is', async () => {
    const place = await pools.makeEchoPlace(transport);
    await startProgram(place, [], [process.execPath, fixture('event-loop.mjs')], place.address);
    const other = await rawClient(place);
    await askRaw(other);
    await expect(askRaw(await rawClient(place), 'hang')).rejects.toThrow(/closed before|ECONNRESET/);
    expect(pools.events(place, 'request-stuck')).toMatchObject([{ outcome: 'killed' }]);
  });
});

test('a worker that hangs again and again is replaced each time, and never given up', async () => {
  const { place, pool } = await startHanging([], ['--start-limit', '2/60s', '--min-uptime', '60s']);
  for (let n = 1; n <= 3; n++) {
    hold(place);
    const ended = await pools.waitForEvents(place, 'worker-ended', n);
    expect(ended.at(-1)).toMatchObject({ class: 'stuck', delayMs: 0 });
  }
  await pools.onlyWorker(pool);
});

test('a reload ends a worker that hangs at its own deadline', async () => {
  const place = await pools.makeEchoPlace();
  const pool = await pools.start(
    place,
    ['--request-timeout', '8s', '--stop-timeout', '1s', '--settle', '0', '--min-uptime', '1ms'],
    [],
  );
  const worker = await pools.onlyWorker(pool);
  const answer = web.askEcho(place.target, 'sleep=60000').catch((error: unknown) => error as Error);
  await pools.waitForEvents(place, 'request-slow');
  expect(await pools.ctl(place.stateDir, ['reload', place.name])).toMatchObject({ status: 0 });
  expect(await answer).toBeInstanceOf(Error);
  expect(pools.events(place, 'killed')).toMatchObject([{ reason: '--stop-timeout', pids: [worker] }]);
  expect(pools.events(place, 'request-stuck')).toEqual([]);
});

test('a worker that was replaced, and ends when its request has, is ended when that hangs', async () => {
  const place = await pools.makeEchoPlace();
  const options = ['--request-timeout', '6s', '--max-age', '2s'];
  await pools.start(place, options, []);
  const answer = web.askEcho(place.target, 'sleep=60000').catch((error: unknown) => error as Error);
  const [report] = await machine.waitFor(
    'a request that is stuck',
    () => pools.events(place, 'request-stuck').length > 0 && pools.events(place, 'request-stuck'),
    { timeoutMs: 20_000 },
  );
  const worker = report?.['workerPid'] as number;
  expect(report).toMatchObject({ outcome: 'killed' });
  const former = pools.events(place, 'worker-replaced').map(({ formerPid }) => formerPid);
  expect(former).toContain(worker);
  expect(await answer).toBeInstanceOf(Error);
  expect(pools.events(place, 'worker-ended')).toEqual([]);
  await machine.waitFor('its end', () => !machine.isAlive(worker));
});

/** The guard has looked for so long; what it would do it has done. */
async function looksFor(place: pools.Place & { name?: string }, ms: number): Promise<void> {
  const beganMs = performance.now();
  await machine.waitFor(
    `${ms} ms of looks`,
    async () => performance.now() - beganMs >= ms && (await pools.statusOf(place)).phase === 'serving',
    { timeoutMs: ms + 10_000, intervalMs: 50 },
  );
}

function expectNothingSaid(place: pools.Place): void {
  const said = pools.events(place).map(({ event }) => event);
  expect(said.filter((event) => event.startsWith('request-') || event === 'worker-ended')).toEqual([]);
}

async function startHanging(
  actions: readonly string[],
  options: readonly string[] = [],
): Promise<{ place: pools.Place; pool: pools.Pool; output: string }> {
  const place = pools.makePlace();
  const output = join(place.dir, 'out');
  const pool = await startProgram(place, ['--output', output, ...options], [hanging, ...actions]);
  return { place, pool, output };
}

function startProgram(
  place: pools.Place,
  options: readonly string[],
  program: readonly string[],
  address = ['-s', place.socket],
): Promise<pools.Pool> {
  const files = ['--state-dir', place.stateDir, '--log', place.log, '--log-format', 'json'];
  const all = [...address, ...files, ...strict, ...options, '--', ...program];
  return pools.startPool(all, { cwd: place.dir });
}

async function rawClient({ target }: pools.EchoPlace): Promise<Socket> {
  const client = connect('socketPath' in target ? { path: target.socketPath } : target);
  client.on('error', () => undefined);
  machine.atEnd(() => void client.destroy());
  await once(client, 'connect');
  return client;
}

/** Rejects when the connection ends before an answer. */
async function askRaw(client: Socket, text = 'q'): Promise<void> {
  client.write(text);
  const answer = once(client, 'data');
  const ended = new AbortController();
  const end = once(client, 'close', { signal: ended.signal }).catch(() => undefined);
  const first = await Promise.race([answer.then(() => 'answered'), end.then(() => 'closed')]);
  ended.abort();
  if (first === 'closed') throw new Error('closed before the answer');
}

/** Connects, and says nothing. */
function hold({ socket }: pools.Place): Socket {
  const client = connect(socket);
  client.on('error', () => undefined).resume();
  machine.atEnd(() => void client.destroy());
  return client;
}
