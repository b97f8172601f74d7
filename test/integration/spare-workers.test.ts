// Spares with real processes: stopped and holding nothing while they wait, a slot's worker as soon as one is needed, never of
// another generation, and gone with their pool whatever becomes of that (docs/internals/spare-workers.md).
import * as fs from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { askEcho, KeptClient, startRequests } from '../helpers/web/index.ts';

const quick = ['--settle', '50ms', '--min-uptime', '50ms'];

interface Spares {
  place: pools.EchoPlace;
  /** While it is there no process of the program gets as far as its accept. */
  barrier: string;
}

let spares: Spares;

/** A program that takes as long to start as the test wants. */
async function makePlace(): Promise<Spares> {
  const place = await pools.makeEchoPlace();
  const barrier = join(place.dir, 'barrier');
  makeSlow(place, barrier, '2');
  return { place, barrier };
}

/** The release is current then; a process of it names its PID in the file "starting" beside the barrier. */
function makeSlow({ releases, dir }: pools.EchoPlace, barrier: string, name: string): void {
  const started = join(dir, 'starting');
  const wait = `while [ -e ${barrier} ]; do sleep 0.02; done`;
  releases.make(name, `#!/bin/sh\necho $$ >> ${started}\n${wait}\nexec "\${0%/*}/original" "$@"\n`);
  releases.switchTo(name);
}

beforeEach(async () => {
  spares = await makePlace();
});

async function start(options: readonly string[], count = 1): Promise<pools.Pool> {
  const { place } = spares;
  const pool = await pools.start(place, [...quick, '--spare', String(count), ...options], ['x'], {
    address: place.address,
  });
  await ready(count);
  return pool;
}

/** PIDs of all that were ready, in their order. */
async function ready(count: number): Promise<number[]> {
  const events = await pools.waitForEvents(spares.place, 'spare-ready', count);
  return events.map(({ workerPid }) => Number(workerPid));
}

/** Of the slots. */
async function workers(): Promise<(number | null)[]> {
  return (await pools.statusOf(spares.place)).workers.map(({ pid }) => pid);
}

function stateOf(pid: number): string | undefined {
  return machine.readStat(pid)?.state;
}

/** One that dies may accept what nobody will answer. */
async function kill(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  await expectAllGone([pid]);
}

async function expectAllGone(pids: readonly number[]): Promise<void> {
  await machine.waitFor('the end of all of them', () => pids.every((pid) => !machine.isAlive(pid)));
}

/** No process of the program starts any more; the ones that were ready are all that there is. */
function closeBarrier(): void {
  fs.writeFileSync(spares.barrier, '');
}

function openBarrier(): void {
  fs.rmSync(spares.barrier);
}

describe('a spare that is ready', () => {
  test('is stopped, is in status and state, and answers nothing', async () => {
    await start(['-F', '2']);
    const { place } = spares;
    const [spare = 0] = await ready(1);
    const load = startRequests(place.target, 6);
    await machine.waitFor('some answers', () => load.tally.answered > 300);
    const { lost, releases } = await load.stop();
    expect(lost).toEqual([]);
    expect(stateOf(spare)).toBe('T');
    expect(releases.get('2')).toEqual(new Set(await workers()));
    const status = await pools.statusOf(place);
    expect(status).toMatchObject({
      idle: 2,
      spares: { wanted: 1, isPossible: true, workers: [{ pid: spare, state: 'ready', generation: 1 }] },
    });
    expect(pools.readPoolState(place)?.workers.map(({ slot, pid }) => [slot, pid])).toContainEqual([
      undefined,
      spare,
    ]);
  });

  test('is the worker of a slot whose worker is killed, at a time when nobody else could be', async () => {
    const pidFile = join(spares.place.runDir, 'worker.pid');
    await start(['--worker-pid-file', pidFile]);
    const { place } = spares;
    const [spare = 0] = await ready(1);
    const [worker] = await workers();
    expect(fs.readFileSync(pidFile, 'utf8')).toBe(String(worker));
    closeBarrier();
    await kill(Number(worker));
    expect(await askEcho(place.target)).toEqual({ pid: spare, release: '2' });
    expect(await workers()).toEqual([spare]);
    expect(fs.readFileSync(pidFile, 'utf8')).toBe(String(spare));
    expect(pools.events(place, 'worker-ended')).toMatchObject([{ workerPid: worker, successorPid: spare }]);
    expect(pools.events(place, 'spare-taken')).toMatchObject([{ workerPid: spare, slot: 0 }]);
    openBarrier();
    const [, next = 0] = await ready(2);
    expect(stateOf(next)).toBe('T');
  });

  test('is the worker that `scale` adds', async () => {
    await start([]);
    const [spare = 0] = await ready(1);
    const [worker] = await workers();
    closeBarrier();
    expect(await pools.ctl(spares.place.stateDir, ['scale', spares.place.socket, '+1'])).toMatchObject({
      status: 0,
    });
    expect(await workers()).toEqual([worker, spare]);
    openBarrier();
    await ready(2);
  });

  test('is stopped again when somebody lets it go on', async () => {
    await start([]);
    const [spare = 0] = await ready(1);
    process.kill(spare, 'SIGCONT');
    expect(await ready(2)).toEqual([spare, spare]);
    expect(stateOf(spare)).toBe('T');
  });

  test('that is killed is followed by another one, and no worker notices', async () => {
    await start([]);
    const [spare = 0] = await ready(1);
    const before = await workers();
    process.kill(spare, 'SIGKILL');
    const [, next] = await ready(2);
    expect(next).not.toBe(spare);
    expect(pools.events(spares.place, 'spare-ended')).toMatchObject([
      { workerPid: spare, signalName: 'SIGKILL', delayMs: expect.any(Number) as number },
    ]);
    expect(await workers()).toEqual(before);
  });

  test('that somebody has told to end is no worker: it goes on to its end, and another one is', async () => {
    await start([], 2);
    await ready(2);
    // In the order in which they are taken, which is not that in which they became ready.
    const listed = (await pools.statusOf(spares.place)).spares?.workers.map(({ pid }) => pid) ?? [];
    const [doomed = 0, other = 0] = listed;
    process.kill(doomed, 'SIGTERM');
    const [worker = 0] = await workers();
    closeBarrier();
    await kill(Number(worker));
    expect(await askEcho(spares.place.target)).toMatchObject({ pid: other });
    await expectAllGone([doomed]);
    openBarrier();
    await ready(4);
  });
});

test('a spare that is starting is ahead of a new process: where none is ready it is the worker', async () => {
  await start([]);
  const { place } = spares;
  closeBarrier();
  const [worker = 0] = await workers();
  await kill(Number(worker));
  const [first = 0] = await ready(1);
  // The next spare has begun to start.
  const begun = await pools.waitForPids(join(place.dir, 'starting'), 3);
  await machine.waitFor(
    'a life that is long enough',
    async () => ((await pools.statusOf(place)).workers[0]?.uptimeMs ?? 0) > 60,
  );
  await kill(first);
  await machine.waitFor('the second successor', async () => (await workers())[0] === begun[2]);
  openBarrier();
});

describe('under load', () => {
  test('a reload loses nothing, and no spare of the old generation serves after it', async () => {
    await start(['-F', '3'], 2);
    const { place, barrier } = spares;
    const old = await ready(2);
    const before = await workers();
    const load = startRequests(place.target, 4);
    makeSlow(place, barrier, '3');
    expect(await pools.ctl(place.stateDir, ['reload', place.socket])).toMatchObject({ status: 0 });
    await machine.waitFor('answers of the new release', () => (load.tally.releases.get('3')?.size ?? 0) >= 3);
    const { lost, releases } = await load.stop();
    expect(lost).toEqual([]);
    for (const pid of old) expect([...(releases.get('2') ?? [])]).not.toContain(pid);
    await expectAllGone([...old, ...before.map(Number)]);
    const { generation, spares: told } = await machine.waitFor('spares of the new generation', async () => {
      const status = await pools.statusOf(place);
      return status.spares?.workers.filter(({ state }) => state === 'ready').length === 2 && status;
    });
    expect(told?.workers.map((spare) => spare.generation)).toEqual([generation, generation]);
  });

  test('a reload gives each further slot the spare that has started meanwhile', async () => {
    await start(['-F', '3']);
    const { place, barrier } = spares;
    makeSlow(place, barrier, '3');
    expect(await pools.ctl(place.stateDir, ['reload', place.socket])).toMatchObject({ status: 0 });
    const taken = pools.events(place, 'spare-taken').map(({ workerPid }) => workerPid);
    expect(taken).toEqual(pools.events(place, 'worker-replaced').map(({ workerPid }) => workerPid));
  });

  test('a reload that fails has spares of the old generation again', async () => {
    await start(['-F', '2']);
    const { place } = spares;
    const [old = 0] = await ready(1);
    place.releases.make('bad', '#!/bin/sh\nexit 3\n');
    place.releases.switchTo('bad');
    expect(await pools.ctl(place.stateDir, ['reload', place.socket])).toMatchObject({ status: 1 });
    expect(stateOf(old), 'it never came past its trial').toBe('T');
    expect(pools.events(place, 'spare-ready')).toHaveLength(1);
  });

  test('a socket that was bound anew has new ones, also where its reload fails', async () => {
    await start([]);
    const { place } = spares;
    const [old = 0] = await ready(1);
    const [worker = 0] = await workers();
    fs.rmSync(place.socket);
    place.releases.make('bad', '#!/bin/sh\nexit 3\n');
    place.releases.switchTo('bad');
    expect(await pools.ctl(place.stateDir, ['reload', place.socket])).toMatchObject({ status: 1 });
    await expectAllGone([old]);
    const [, next = 0] = await ready(2);
    closeBarrier();
    await kill(Number(worker));
    expect(await askEcho(place.target)).toEqual({ pid: next, release: '2' });
    openBarrier();
  });

  test('a restart waits for the end of the old ones', async () => {
    await start(['-F', '2'], 2);
    const { place } = spares;
    const old = [...(await ready(2)), ...(await workers()).map(Number)];
    expect(await pools.ctl(place.stateDir, ['restart', place.socket])).toMatchObject({ status: 0 });
    expect(old.filter((pid) => machine.isAlive(pid))).toEqual([]);
    const all = await ready(4);
    expect(all.slice(2).map(stateOf)).toEqual(['T', 'T']);
  });

  test('--replace loses nothing, and leaves nothing of the old pool', async () => {
    const pool = await start(['-F', '2']);
    const { place } = spares;
    const old = [...(await ready(1)), ...(await workers()).map(Number)];
    const load = startRequests(place.target, 4);
    const next = await pools.start(place, [...quick, '--spare', '1', '--replace', '-F', '2'], ['x'], {
      address: place.address,
    });
    await expectAllGone([...old, pool.pid]);
    await ready(2);
    expect((await load.stop()).lost).toEqual([]);
    expect((await pools.statusOf(place)).spares?.workers).toMatchObject([{ state: 'ready' }]);
    await pools.endPool(place, next);
  });

  test('a spare that nobody can find idle serves on, and is stopped when it is', async () => {
    const { place } = spares;
    const load = startRequests(place.target, 8);
    await pools.start(place, [...quick, '--spare', '1'], ['x'], { address: place.address });
    await machine.waitFor('many answers', () => load.tally.answered > 500);
    const { lost } = await load.stop();
    // Before the pool was there.
    expect(lost.filter((line) => !line.includes('ENOENT') && !line.includes('ECONNREFUSED'))).toEqual([]);
    const [spare = 0] = await ready(1);
    expect(stateOf(spare)).toBe('T');
  });
});

describe('what ends a pool ends its spares:', () => {
  test('a stop, at once', async () => {
    const pool = await start(['-F', '2', '-P', spares.place.pidFile], 3);
    const { place } = spares;
    await pools.ctl(place.stateDir, ['stop', place.socket]);
    await expectAllGone([pool.pid]);
    expect(pools.processesOf(place)).toEqual([]);
    await pools.expectNothingLeft(place);
    expect(pools.events(place, 'killed')).toEqual([]);
  });

  test('a stop by a signal of the user’s choice', async () => {
    const pool = await start(['--stop-signal', 'TERM'], 2);
    process.kill(pool.pid, 'SIGTERM');
    await pools.expectNoProcess(spares.place);
    expect(pools.events(spares.place, 'killed')).toEqual([]);
  });

  test('a stop whose supervisor is killed over it', async () => {
    const pool = await start(['--stop-signal', 'USR1', '--stop-timeout', '1h'], 2);
    const { place } = spares;
    for (const pid of await ready(2)) expect(stateOf(pid)).toBe('T');
    // They would just die of it.
    process.kill(pool.pid, 'SIGSTOP');
    process.kill(pool.pid, 'SIGTERM');
    process.kill(pool.pid, 'SIGCONT');
    await pools.waitForEvents(place, 'stopping');
    await pools.killSupervisor(pool);
    await pools.expectNoProcess(place);
  });

  test('the next start, when the supervisor was killed: workers serve until then, spares stay stopped', async () => {
    const pool = await start(['-F', '2'], 2);
    const { place } = spares;
    const old = await ready(2);
    const before = (await workers()).map(Number);
    await pools.killSupervisor(pool);
    expect(before).toContain((await askEcho(place.target)).pid);
    expect(old.map(stateOf)).toEqual(['T', 'T']);
    const load = startRequests(place.target);
    await start(['-F', '2'], 2);
    await expectAllGone([...old, ...before]);
    expect((await load.stop()).lost).toEqual([]);
  });

  test('`spawn-fcgictl stop`, when the supervisor was killed', async () => {
    const pool = await start(['-F', '2'], 2);
    const { place } = spares;
    await pools.killSupervisor(pool);
    const { stdout } = await pools.ctl(place.stateDir, ['status', place.socket]);
    expect(stdout).toContain('2 workers serve on');
    expect(stdout.match(/^ +spare +\d+ /gm)).toHaveLength(2);
    const metrics = await pools.ctl(place.stateDir, ['metrics', place.socket]);
    expect(metrics.stdout).toMatch(/^spawn_fcgi_orphans\{.*\} 2$/m);
    const doctor = await pools.ctl(place.stateDir, ['doctor', place.socket, '--config', '/dev/null']);
    expect(doctor.stdout.match(/^ +(slot \d|spare): PID \d+$/gm)).toHaveLength(4);
    expect(await pools.ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
    expect(pools.processesOf(place)).toEqual([]);
  });
});

describe('a worker of several processes', () => {
  test('is stopped, and goes on, as a whole', async () => {
    const place = pools.makePlace();
    const worker = compileC(fixture('session-worker.c'));
    fs.writeFileSync(
      place.app,
      // The one that waits for connections, which makes it ready, comes last.
      `#!/bin/sh\nshift\nexec ${worker} fork sleep then fork-group serve then sleep\n`,
    );
    fs.chmodSync(place.app, 0o755);
    await pools.start(place, [...quick, '--spare', '1'], []);
    const [event] = await pools.waitForEvents(place, 'spare-ready');
    const spare = Number(event?.['workerPid']);
    const session = machine.sessionMembers(spare);
    expect(session.map(stateOf)).toEqual(['T', 'T', 'T']);
    process.kill(Number((await pools.statusOf(place)).workers[0]?.pid), 'SIGKILL');
    await machine.waitFor('all of it to go on', () => session.every((pid) => stateOf(pid) === 'S'));
    expect((await pools.statusOf(place)).workers[0]?.pid).toBe(spare);
  });
});

test('a connection that is only kept open does not keep a spare from being stopped', async () => {
  await start(['--keepalive-quiet', '50ms']);
  const { place } = spares;
  const [killed = 0] = await ready(1);
  closeBarrier();
  process.kill(killed, 'SIGKILL');
  const [, , next] = await pools.waitForPids(join(place.dir, 'starting'), 3);
  // It keeps the only worker.
  const first = new KeptClient(place.target);
  await first.ask();
  const second = new KeptClient(place.target);
  const answered = second.ask();
  openBarrier();
  expect(await answered).toContain(` ${next} `);
  expect(await ready(2)).toEqual([killed, next]);
  expect(stateOf(Number(next))).toBe('T');
  await machine.waitFor('the end of its connection', () => second.isClosed);
  expect(first.isClosed).toBe(false);
});

test('a program that crashes at its start makes no storm, and its pool serves', async () => {
  const { place } = spares;
  await start(['--restart-delay', '100ms']);
  const bad = '#!/bin/sh\nexit 3\n';
  const current = place.releases.programOf('2');
  const good = fs.readFileSync(current, 'utf8');
  fs.writeFileSync(current, bad);
  const [spare = 0] = await ready(1);
  process.kill(spare, 'SIGKILL');
  const ends = await pools.waitForEvents(place, 'spare-ended', 5);
  const delays = ends.map(({ delayMs }) => Number(delayMs));
  expect(delays.slice(1).every((delay, index) => delay > (delays[index] ?? 0) * 1.5)).toBe(true);
  await askEcho(place.target);
  fs.writeFileSync(current, good);
  await ready(2);
});

test('a program that may not be looked into has no spares, which is said once, and the pool runs', async ({
  skip,
}) => {
  skip(!machine.isRoot, 'only root can start it as another user');
  const { place } = spares;
  fs.chmodSync(place.dir, 0o755);
  place.releases.make('hidden');
  place.releases.switchTo('hidden');
  fs.chmodSync(place.releases.programOf('hidden'), 0o711);
  await pools.start(place, [...quick, '--spare', '2', '-u', 'nobody', '-g', 'nogroup'], ['x'], {
    address: place.address,
  });
  await machine.waitFor('the end of the spares', async () => {
    const { spares: told } = await pools.statusOf(place);
    return told?.isPossible === false && told.workers.length === 0;
  });
  const warnings = pools.events(place, 'warning').map(({ message }) => String(message));
  expect(warnings.filter((message) => message.startsWith('no spares: '))).toHaveLength(1);
  await askEcho(place.target);
});

test('with --ready notify a spare is ready by its own word', async () => {
  const place = pools.makePlace();
  await pools.start(place, [...quick, '--ready', 'notify', '--spare', '1'], ['ready', 'serve']);
  const [event] = await pools.waitForEvents(place, 'spare-ready');
  expect(stateOf(Number(event?.['workerPid']))).toBe('T');
});
