// Rolling reload, restart and scaling by signal and by spawn-fcgictl, and the control socket of a real supervisor: which
// workers serve afterwards, what the command says, and one operation at a time (docs/internals/reload.md).
import { chmodSync, renameSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { holdEcho } from '../helpers/web/index.ts';

const quick = ['--settle', '100ms', '--min-uptime', '50ms'];

describe('a reload by spawn-fcgictl', () => {
  test('replaces every worker, says so with 0, and the pool is the same', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, [...quick, '-F', '3', '-P', place.pidFile]);
    const before = await pools.fullPool(pool, 3);
    const done = await pools.ctl(place.stateDir, ['reload', place.pidFile]);
    expect(done).toMatchObject({ status: 0, stdout: 'reloaded: generation 2, 3 workers\n', stderr: '' });
    expect(await pools.fullPool(pool, 3, before)).toHaveLength(3);
    expect(before.some((pid) => machine.isAlive(pid))).toBe(false);
    await pools.visit({ path: place.socket });
    await pools.endPool(place, pool);
    await pools.expectNothingLeft(place);
  });

  test('with --early is done when all workers are new, and is watched and rolled back as ever', async () => {
    const place = pools.makePlace();
    const settle = ['--settle', '60s', '--min-uptime', '50ms'];
    const pool = await pools.start(place, [...settle, '-F', '2']);
    const before = await pools.fullPool(pool, 2);
    const done = await pools.ctl(place.stateDir, ['reload', '--early', place.socket]);
    const stdout = 'all new: generation 2, 2 workers; rolled back if one of them ends within 60.0 s\n';
    expect(done).toMatchObject({ status: 0, stdout, stderr: '' });
    expect(pools.events(place, 'reload-finished')).toEqual([]);
    const [first = 0] = await pools.fullPool(pool, 2, before);
    process.kill(first, 'SIGKILL');
    const ended = await pools.waitForEvents(place, 'reload-finished');
    expect(ended).toMatchObject([{ result: 'rolled-back', generation: 2, serving: 1 }]);
    await pools.endPool(place, pool);
  });

  const bad = [
    [
      'cannot be executed',
      1,
      /exec of .* failed: Permission denied/,
      (place: pools.Place) => chmodSync(place.app, 0o644),
    ],
    [
      'is missing',
      1,
      /exec of .* failed: No such file/,
      (place: pools.Place) => renameSync(place.app, `${place.app}.away`),
    ],
    ['exits at once', 1, /exited with 1 on trial/, (place: pools.Place) => flag(place, 'exits')],
    ['dies after a moment', 1, /was killed by SIGALRM on trial/, (place: pools.Place) => flag(place, 'dies')],
    [
      'never waits for connections',
      3,
      /not up within --ready-timeout/,
      (place: pools.Place) => flag(place, 'hangs'),
    ],
  ] as const;

  test.for(bad)(
    'of a release that %s says %i and leaves the old workers in service',
    async ([, status, why, spoil]) => {
      const place = pools.makePlace();
      const pool = await pools.start(
        place,
        ['--settle', '1s', '--ready-timeout', '2s', '-F', '2'],
        spoilable(place),
      );
      const before = await pools.fullPool(pool, 2);
      spoil(place);
      const done = await pools.ctl(place.stateDir, ['reload', place.socket]);
      expect(done.status).toBe(status);
      expect(done.stderr).toMatch(why);
      expect(pools.workersOf(pool)).toEqual(before);
      await pools.visit({ path: place.socket });
      expect(pools.events(place, 'reload-finished')).toMatchObject([{ generation: 2 }]);
    },
  );

  test('that is asked for by several during one is one more for all of them', async () => {
    const { place, release } = await startHeldReload();
    const asked = [1, 2, 3].map(() => pools.ctl(place.stateDir, ['reload', place.socket]));
    await pools.waitForEvents(place, 'change-asked', 3);
    release();
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([0, 0, 0]);
    expect(pools.events(place, 'reload-finished')).toHaveLength(2);
  });

  test('is told when the pool is stopped meanwhile, and nothing is left', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--settle', '30s', '--min-uptime', '30s']);
    await pools.onlyWorker(pool);
    const asked = pools.ctl(place.stateDir, ['reload', place.socket]);
    await pools.waitForEvents(place, 'reload-started');
    process.kill(pool.pid, 'SIGTERM');
    expect(await asked).toMatchObject({ status: 1, stdout: '' });
    await pools.expectNothingLeft(place);
  });
});

describe('HUP', () => {
  test('during a reload asks for one more, however often it comes', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--settle', '1s', '--min-uptime', '50ms']);
    await pools.onlyWorker(pool);
    process.kill(pool.pid, 'SIGHUP');
    await pools.waitForEvents(place, 'reload-started');
    for (let count = 0; count < 5; count += 1) process.kill(pool.pid, 'SIGHUP');
    await pools.waitForEvents(place, 'reload-finished', 2);
    expect((await pools.ctl(place.stateDir, ['ping', place.socket])).status).toBe(0);
    expect(pools.events(place, 'reload-started')).toHaveLength(2);
  });

  test('to a pool that stops is ignored', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, [], ['slow-end=300', 'serve']);
    await pools.onlyWorker(pool);
    process.kill(pool.pid, 'SIGTERM');
    await pools.waitForEvents(place, 'stopping');
    process.kill(pool.pid, 'SIGHUP');
    await pools.expectNothingLeft(place);
    expect(pools.events(place, 'reload-started')).toEqual([]);
  });

  test('gives a pool whose slots back off a fresh try at once', async () => {
    const place = pools.makePlace();
    const options = [...quick, '--restart-delay', '1h', '--restart-max-delay', '1h'];
    const pool = await pools.start(place, options, spoilable(place));
    flag(place, 'exits');
    process.kill(await pools.onlyWorker(pool), 'SIGKILL');
    await machine.waitFor('a slot that waits', () =>
      pools.events(place, 'worker-ended').some(({ delayMs }) => Number(delayMs) > 1000),
    );
    renameSync(join(place.dir, 'exits'), join(place.dir, 'healed'));
    process.kill(pool.pid, 'SIGHUP');
    await pools.visit({ path: place.socket });
    expect(await pools.waitForEvents(place, 'reload-finished')).toMatchObject([{ result: 'reloaded' }]);
  });
});

test('restart ends the old worker before the new one starts, and connections wait in the queue', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, quick, ['slow-end=300', 'serve']);
  const old = await pools.onlyWorker(pool);
  const asked = pools.ctl(place.stateDir, ['restart', place.socket]);
  await pools.waitForEvents(place, 'restart-started');
  const visited = pools.visit({ path: place.socket });
  expect(await asked).toMatchObject({ status: 0 });
  await visited;
  expect(machine.isAlive(old)).toBe(false);
  expect(await pools.onlyWorker(pool, [old])).not.toBe(old);
});

describe('scaling', () => {
  test('by TTIN, TTOU and scale, never below one', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, quick);
    process.kill(pool.pid, 'SIGTTIN');
    await pools.fullPool(pool, 2);
    expect((await pools.ctl(place.stateDir, ['scale', place.socket, '4'])).status).toBe(0);
    await pools.fullPool(pool, 4);
    expect((await pools.ctl(place.stateDir, ['scale', place.socket, '-2'])).status).toBe(0);
    await pools.fullPool(pool, 2);
    process.kill(pool.pid, 'SIGTTOU');
    await pools.fullPool(pool, 1);
    process.kill(pool.pid, 'SIGTTOU');
    expect((await pools.ctl(place.stateDir, ['scale', place.socket, '-5'])).stdout).toBe('1 worker\n');
    await pools.fullPool(pool, 1);
    await pools.endPool(place, pool);
    await pools.expectNothingLeft(place);
  });

  test('during a reload is applied at its end', async () => {
    const { place, pool, release } = await startHeldReload();
    expect((await pools.ctl(place.stateDir, ['scale', place.socket, '3'])).stdout).toContain(
      'when the reload is over',
    );
    expect(pools.events(place, 'scaled')).toEqual([]);
    release();
    await pools.waitForEvents(place, 'scaled');
    await pools.fullPool(pool, 3);
    expect(pools.events(place, 'reload-finished')).toHaveLength(1);
  });
});

describe('the control socket', () => {
  test('answers while connections wait that nobody accepts, and ping says that', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['-F', '1', '-b', '8'], ['hang']);
    await pools.onlyWorker(pool);
    const held = await Promise.all([hold(place), hold(place)]);
    const ping = await pools.ctl(place.stateDir, ['ping', place.socket]);
    const status = await pools.ctl(place.stateDir, ['status', '--json', place.socket]);
    expect(JSON.parse(status.stdout)).toMatchObject([{ queue: { length: 2, backlog: 8 }, wanted: 1 }]);
    expect(ping.stdout).toMatch(/^not serving: no worker accepts; .* 2 of 8 waiting/);
    expect(ping.status).toBe(1);
    for (const socket of held) socket.destroy();
  });

  test('survives garbage, half a line, too long a line and clients that never read', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place);
    await pools.onlyWorker(pool);
    expect(await say(place, 'garbage\n')).toMatch(/"error":"malformed"/);
    expect(await say(place, `${'x'.repeat(5000)}\n`)).toMatch(/"error":"too-long"/);
    expect(await say(place, '{"v":9,"command":"ping"}\n')).toMatch(/"error":"version"/);
    expect(await say(place, '{"v":1,"command":"dance"}\n')).toMatch(/"error":"unknown-command"/);
    const silent: Socket[] = [];
    for (let count = 0; count < 30; count += 1) silent.push(await open(place));
    for (const socket of silent) socket.write('{"v":1,"com');
    expect((await pools.ctl(place.stateDir, ['ping', place.socket])).status).toBe(0);
    for (const socket of silent) socket.destroy();
    expect(machine.isAlive(pool.pid)).toBe(true);
  });

  test('keeps a place for stop beside any number of clients that wait for a reload', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--settle', '60s', '--min-uptime', '60s']);
    await pools.onlyWorker(pool);
    for (let count = 0; count < 80; count += 1) {
      (await open(place)).resume().write('{"v":1,"command":"reload"}\n');
    }
    expect((await pools.ctl(place.stateDir, ['status', place.socket])).status).toBe(0);
    expect((await pools.ctl(place.stateDir, ['stop', place.socket])).status).toBe(0);
    await pools.expectNothingLeft(place);
  });

  test('is closed to the user of the workers', async (ctx) => {
    machine.needRoot(ctx);
    machine.needCommands(ctx, 'python3');
    const place = pools.makePlace();
    await pools.start(place, ['-u', 'nobody', '-g', 'nogroup']);
    const asWorker = { uid: machine.NOBODY, gid: machine.NOBODY };
    const script = 'import socket,sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])';
    const refused = await machine.runCommand(
      'python3',
      ['-c', script, pools.poolFile(place, '.ctl')],
      asWorker,
    );
    expect(refused.stderr).toContain('Permission denied');
  });

  test('of a supervisor that hangs gives one line and 6', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place);
    process.kill(pool.pid, 'SIGSTOP');
    await machine.waitFor('the stop', () => machine.readStat(pool.pid)?.state === 'T');
    const hung = await pools.ctl(place.stateDir, ['status', '--timeout', '300ms', place.socket]);
    expect(hung).toMatchObject({ status: 6, stdout: '' });
    expect(hung.stderr.split('\n').filter(Boolean)).toHaveLength(1);
    process.kill(pool.pid, 'SIGCONT');
    expect((await pools.ctl(place.stateDir, ['ping', place.socket])).status).toBe(0);
  });
});

test('a worker that ignores TERM and serves nobody is ended in a reload all the same', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, quick, ['ignore=15', 'serve']);
  const old = await pools.onlyWorker(pool);
  expect((await pools.ctl(place.stateDir, ['reload', place.socket])).status).toBe(0);
  expect(machine.isAlive(old)).toBe(false);
});

test('--stop-signal NAME is what workers get, and idle-kill never is TERM', async () => {
  const place = pools.makePlace();
  const pool = pools.startStaying(place, ['--supervise', '--stop-signal', 'USR1']);
  await pools.waitForEvents(place, 'pool-up');
  process.kill(pool.pid, 'SIGTERM');
  expect(await pool.ended).toMatchObject({ status: 0 });
  const other = pools.makePlace();
  const killed = pools.startStaying(
    other,
    ['--supervise', '--stop-signal', 'idle-kill'],
    ['slow-end=60000', 'serve'],
  );
  await pools.waitForEvents(other, 'pool-up');
  process.kill(killed.pid, 'SIGTERM');
  // TERM would take a minute.
  expect(await killed.ended).toMatchObject({ status: 0 });
  expect(pools.events(other, 'killed')).toEqual([]);
});

/** In the middle of a reload, which ends when the old worker's request is let go. */
async function startHeldReload() {
  const place = await pools.makeEchoPlace();
  const pool = await pools.start(place, [...quick, '--stop-timeout', '10m'], []);
  const { release } = await holdEcho(place);
  process.kill(pool.pid, 'SIGHUP');
  await pools.waitForEvents(place, 'worker-replaced');
  return { place, pool, release };
}

/** Workers that change their ways when a flag is there. */
function spoilable({ dir }: pools.Place): string[] {
  const when = (name: string): string => `when=${join(dir, name)}`;
  return [when('exits'), 'exit=1', when('hangs'), 'hang', when('dies'), 'alarm=300', 'serve'];
}

function flag({ dir }: pools.Place, name: string): void {
  writeFileSync(join(dir, name), '');
}

/** Again when the socket's queue is full: the supervisor takes them out one by one. */
function open(place: pools.Place): Promise<Socket> {
  return machine.waitFor('a connection', () =>
    connected(pools.poolFile(place, '.ctl')).catch(() => undefined),
  );
}

function hold({ socket }: pools.Place): Promise<Socket> {
  return connected(socket);
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => resolve(socket));
    machine.atEnd(() => void socket.destroy());
    socket.on('error', reject);
  });
}

/** The whole answer to some bytes. */
async function say(place: pools.Place, text: string): Promise<string> {
  const socket = await open(place);
  let answer = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.write(text);
  await closed;
  return answer;
}
