// Who has left the session of a worker and keeps the listening socket answers requests as well: named, and ended with
// the pool or with its generation. Others who hold it, or have left without it, are none of ours.
import * as fs from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import { atEnd, isAlive, readStat, signalProcess, stopProcess, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const program = compileC(fixture('leaving-worker.c'));
const pidsOf = ({ dir }: pools.Place): string => join(dir, 'pids');

let place: pools.Place;

beforeEach(() => {
  place = pools.makePlace();
  fs.copyFileSync(program, join(place.dir, 'leaving'));
  fs.writeFileSync(pidsOf(place), '');
  fs.chmodSync(pidsOf(place), 0o666);
});

/** The first worker makes one who leaves, in one of these ways; the others only serve. */
async function startLeaving(
  action: string,
  options: readonly string[] = [],
): Promise<[pools.Pool, holder: number]> {
  const pool = await startAgain(action, options);
  return [pool, await holderOf()];
}

async function holderOf(): Promise<number> {
  const [holder = 0] = await pools.waitForPids(pidsOf(place));
  const startTime = readStat(holder)?.startTime ?? 0;
  atEnd(() => signalProcess(holder, startTime, 'SIGKILL'));
  return holder;
}

function startAgain(action: string, options: readonly string[] = []): Promise<pools.Pool> {
  const [once, leaving] = [onceDirectory(), join(place.dir, 'leaving')];
  fs.writeFileSync(
    app(),
    `#!/bin/sh\nmkdir '${once}' 2>/dev/null && exec '${leaving}' pids='${pidsOf(place)}' ${action} serve\nexec '${leaving}' serve\n`,
  );
  fs.chmodSync(app(), 0o755);
  return pools.startPool(commandOf(options), { cwd: place.dir });
}

/** There: no worker leaves any more. */
function onceDirectory(): string {
  return join(place.dir, 'once');
}

function app(): string {
  return join(place.dir, 'app.sh');
}

function commandOf(options: readonly string[]): string[] {
  const own = ['--state-dir', place.stateDir, '--log', place.log, '--log-format', 'json'];
  const quick = ['--settle', '200ms', '--min-uptime', '100ms'];
  return ['-s', place.socket, ...own, ...quick, ...options, '--', app()];
}

/** Who answers a connection; undefined: nobody can be reached. */
function ask(): Promise<number | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const client = connect(place.socket);
    client.on('error', () => resolve(undefined));
    client.on('data', (data: Buffer) => (text += data.toString()));
    client.on('close', () => resolve(text === '' ? undefined : Number(text)));
  });
}

async function expectGone(pid: number): Promise<void> {
  await waitFor(`the end of ${pid}`, () => !isAlive(pid));
}

const ways = ['daemon', 'session', 'ignore-term daemon'] as const;

describe.for(ways)('who has left by "%s"', (way) => {
  test('is in status, and gone when the pool is said to be stopped', async () => {
    const [pool, holder] = await startLeaving(way);
    const { stdout } = await pools.ctl(place.stateDir, ['status', '--json', place.socket]);
    expect(JSON.parse(stdout)).toMatchObject([{ socketHolders: [{ pid: holder, name: 'leaving' }] }]);
    expect((await pools.ctl(place.stateDir, ['status', place.socket])).stdout).toContain(
      `PID ${holder} (leaving) has left the session of `,
    );
    process.kill(pool.pid, 'SIGTERM');
    await waitFor('the end of the supervisor', () => !isAlive(pool.pid));
    expect(isAlive(holder)).toBe(false);
    expect(pools.events(place, 'socket-held')).toMatchObject([{ holder, name: 'leaving' }]);
    expect(await ask()).toBeUndefined();
    await pools.expectNothingLeft(place);
  });

  test.for(['restart', 'reload'])('ends with its generation in a %s', async (operation) => {
    const [pool, holder] = await startLeaving(way);
    expect(await pools.ctl(place.stateDir, [operation, place.socket])).toMatchObject({ status: 0 });
    await expectGone(holder);
    expect(await ask()).toBeGreaterThan(0);
    await pools.endPool(place, pool);
  });

  test('ends with the old pool in a handover', async () => {
    const [old, holder] = await startLeaving(way);
    const pool = await startAgain(way, ['--replace']);
    await expectGone(holder);
    await expectGone(old.pid);
    expect(await ask()).toBeGreaterThan(0);
    await pools.endPool(place, pool);
  });

  test('ends with the orphans of a supervisor that was killed, in the next start', async () => {
    const [old, holder] = await startLeaving(way);
    await pools.killSupervisor(old);
    const pool = await startAgain(way);
    await expectGone(holder);
    expect(await ask()).toBeGreaterThan(0);
    await pools.endPool(place, pool);
  });

  test('ends with the orphans of a supervisor that was killed, by spawn-fcgictl stop', async () => {
    const [pool, holder] = await startLeaving(way);
    await pools.killSupervisor(pool);
    expect(await pools.ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
    expect(isAlive(holder)).toBe(false);
    await pools.expectNothingLeft(place);
  });
});

describe('where a lost socket was bound anew', () => {
  test('who has left with the new one is in status, and gone when the pool is said to be stopped', async () => {
    fs.mkdirSync(onceDirectory());
    const pool = await startAgain('daemon');
    // The next worker is the one who leaves somebody.
    fs.rmdirSync(onceDirectory());
    fs.unlinkSync(place.socket);
    expect(await pools.ctl(place.stateDir, ['restart', place.socket])).toMatchObject({ status: 0 });
    expect(pools.events(place, 'socket-renewed')).toHaveLength(1);
    const holder = await holderOf();
    const { stdout } = await pools.ctl(place.stateDir, ['status', '--json', place.socket]);
    expect(JSON.parse(stdout)).toMatchObject([{ socketHolders: [{ pid: holder, name: 'leaving' }] }]);
    process.kill(pool.pid, 'SIGTERM');
    await waitFor('the end of the supervisor', () => !isAlive(pool.pid));
    expect(isAlive(holder)).toBe(false);
    expect(await ask()).toBeUndefined();
    await pools.expectNothingLeft(place);
  });

  test.for(['restart', 'reload'])('who has left with the old one ends in the %s', async (operation) => {
    const [pool, holder] = await startLeaving('daemon');
    fs.unlinkSync(place.socket);
    expect(await pools.ctl(place.stateDir, [operation, place.socket])).toMatchObject({ status: 0 });
    await expectGone(holder);
    expect(await ask()).toBeGreaterThan(0);
    await pools.endPool(place, pool);
  });
});

test('who is left alone with the socket by a kill -9 of all others is found by status, and by the next start', async () => {
  const [old, holder] = await startLeaving('daemon');
  const worker = (await pools.fullPool(old, 2)).find((pid) => pid !== holder) ?? 0;
  await pools.killSupervisor(old);
  process.kill(worker, 'SIGKILL');
  await expectGone(worker);
  expect((await pools.ctl(place.stateDir, ['status', place.socket])).stdout).toContain(String(holder));
  const pool = await startAgain('daemon');
  await expectGone(holder);
  await pools.endPool(place, pool);
});

test('who ends at once when the supervisor is killed over its stop is also who has left', async () => {
  const [pool, holder] = await startLeaving('ignore-term daemon', ['--stop-signal', 'TERM']);
  await waitFor('the end of its parent', () => readStat(holder)?.parent === pool.pid);
  process.kill(pool.pid, 'SIGTERM');
  await waitFor('the look at it', () => pools.events(place, 'socket-held').length > 0);
  await pools.killSupervisor(pool);
  await expectGone(holder);
  await pools.expectNoProcess(place);
});

test('who has left without the socket lives on, whatever becomes of the pool', async () => {
  const [pool, daemon] = await startLeaving('closed-daemon');
  expect(await pools.ctl(place.stateDir, ['restart', place.socket])).toMatchObject({ status: 0 });
  process.kill(pool.pid, 'SIGTERM');
  await waitFor('the end of the supervisor', () => !isAlive(pool.pid));
  expect(isAlive(daemon)).toBe(true);
  expect(pools.events(place, 'socket-held')).toEqual([]);
  await stopProcess(daemon, { signal: 'SIGKILL' });
  await pools.expectNothingLeft(place);
});

test('the supervisor that a worker has started to take the pool over is none of the workers', async () => {
  const deploy = join(place.dir, 'deploy');
  const [printed, said] = [join(place.dir, 'printed'), join(place.dir, 'said')];
  const options = commandOf(['--replace']).map((word) => `'${word}'`);
  const command = `'${pools.oursPath}' ${options.join(' ')} </dev/null >'${printed}' 2>'${said}'`;
  fs.writeFileSync(deploy, `#!/bin/sh\n${command}\n`);
  fs.chmodSync(deploy, 0o755);
  const old = await startAgain(`run='${deploy}'`);
  const successor = await waitFor(
    'the new pool',
    () => fs.existsSync(printed) && pools.printedPids(fs.readFileSync(printed, 'utf8'))[0],
  );
  const startTime = readStat(successor)?.startTime ?? 0;
  atEnd(() => signalProcess(successor, startTime, 'SIGKILL'));
  await expectGone(old.pid);
  expect(isAlive(successor)).toBe(true);
  expect(await ask()).toBeGreaterThan(0);
  expect(pools.events(place, 'socket-held')).toEqual([]);
  await pools.endPool(place, { pid: successor });
});
