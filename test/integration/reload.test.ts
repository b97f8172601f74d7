// Rolling reload, restart and scaling by signal and by spawn-fcgictl, and the control socket of a real supervisor: which
// workers serve afterwards, what the command says, and one operation at a time (docs/reload.md).
import { chmodSync, renameSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { atEnd } from '../helpers/machine/cleanup.ts';
import { isAlive, readStat } from '../helpers/machine/processes.ts';
import { needCommands, needRoot } from '../helpers/machine/requirements.ts';
import { runCommand } from '../helpers/machine/run-command.ts';
import { NOBODY } from '../helpers/machine/users.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { ctl } from '../helpers/pool/ctl.ts';
import {
  endPool,
  events,
  expectNothingLeft,
  fullPool,
  makePlace,
  onlyWorker,
  poolFile,
  start,
  startStaying,
  visit,
  waitForEvents,
  workersOf,
  type Place,
} from '../helpers/pool/place.ts';

const quick = ['--settle', '100ms', '--min-uptime', '50ms'];

describe('a reload by spawn-fcgictl', () => {
  test('replaces every worker, says so with 0, and the pool is the same', async () => {
    const place = makePlace();
    const pool = await start(place, [...quick, '-F', '3', '-P', place.pidFile]);
    const before = await fullPool(pool, 3);
    const done = await ctl(place.stateDir, ['reload', place.pidFile]);
    expect(done).toMatchObject({ status: 0, stdout: 'reloaded: generation 2, 3 workers\n', stderr: '' });
    expect(await fullPool(pool, 3, before)).toHaveLength(3);
    expect(before.some((pid) => isAlive(pid))).toBe(false);
    await visit({ path: place.socket });
    await endPool(place, pool);
    await expectNothingLeft(place);
  });

  const bad = [
    [
      'cannot be executed',
      1,
      /exec of .* failed: Permission denied/,
      (place: Place) => chmodSync(place.app, 0o644),
    ],
    [
      'is missing',
      1,
      /exec of .* failed: No such file/,
      (place: Place) => renameSync(place.app, `${place.app}.away`),
    ],
    ['exits at once', 1, /exited with 1 on trial/, (place: Place) => flag(place, 'exits')],
    ['dies after a moment', 1, /was killed by SIGALRM on trial/, (place: Place) => flag(place, 'dies')],
    [
      'never waits for connections',
      3,
      /not up within --ready-timeout/,
      (place: Place) => flag(place, 'hangs'),
    ],
  ] as const;

  test.for(bad)(
    'of a release that %s says %i and leaves the old workers in service',
    async ([, status, why, spoil]) => {
      const place = makePlace();
      const pool = await start(
        place,
        ['--settle', '1s', '--ready-timeout', '2s', '-F', '2'],
        spoilable(place),
      );
      const before = await fullPool(pool, 2);
      spoil(place);
      const done = await ctl(place.stateDir, ['reload', place.socket]);
      expect(done.status).toBe(status);
      expect(done.stderr).toMatch(why);
      expect(workersOf(pool)).toEqual(before);
      await visit({ path: place.socket });
      expect(events(place, 'reload-finished')).toMatchObject([{ generation: 2 }]);
    },
  );

  test('that is asked for by several during one is one more for all of them', async () => {
    const place = makePlace();
    // Long enough for all who ask to come in time.
    const pool = await start(place, ['--settle', '3s', '--min-uptime', '50ms']);
    await onlyWorker(pool);
    process.kill(pool.pid, 'SIGHUP');
    await waitForEvents(place, 'worker-replaced');
    const asked = [1, 2, 3].map(() => ctl(place.stateDir, ['reload', place.socket]));
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([0, 0, 0]);
    expect(events(place, 'reload-finished')).toHaveLength(2);
  });

  test('is told when the pool is stopped meanwhile, and nothing is left', async () => {
    const place = makePlace();
    const pool = await start(place, ['--settle', '30s', '--min-uptime', '30s']);
    await onlyWorker(pool);
    const asked = ctl(place.stateDir, ['reload', place.socket]);
    await waitForEvents(place, 'reload-started');
    process.kill(pool.pid, 'SIGTERM');
    expect(await asked).toMatchObject({ status: 1, stdout: '' });
    await expectNothingLeft(place);
  });
});

describe('HUP', () => {
  test('during a reload asks for one more, however often it comes', async () => {
    const place = makePlace();
    const pool = await start(place, ['--settle', '1s', '--min-uptime', '50ms']);
    await onlyWorker(pool);
    process.kill(pool.pid, 'SIGHUP');
    await waitForEvents(place, 'reload-started');
    for (let count = 0; count < 5; count += 1) process.kill(pool.pid, 'SIGHUP');
    await waitForEvents(place, 'reload-finished', 2);
    expect((await ctl(place.stateDir, ['ping', place.socket])).status).toBe(0);
    expect(events(place, 'reload-started')).toHaveLength(2);
  });

  test('to a pool that stops is ignored', async () => {
    const place = makePlace();
    const pool = await start(place, [], ['slow-end=300', 'serve']);
    await onlyWorker(pool);
    process.kill(pool.pid, 'SIGTERM');
    await waitForEvents(place, 'stopping');
    process.kill(pool.pid, 'SIGHUP');
    await expectNothingLeft(place);
    expect(events(place, 'reload-started')).toEqual([]);
  });

  test('gives a pool whose slots back off a fresh try at once', async () => {
    const place = makePlace();
    const options = [...quick, '--restart-delay', '1h', '--restart-max-delay', '1h'];
    const pool = await start(place, options, spoilable(place));
    flag(place, 'exits');
    process.kill(await onlyWorker(pool), 'SIGKILL');
    await waitFor('a slot that waits', () =>
      events(place, 'worker-ended').some(({ delayMs }) => Number(delayMs) > 1000),
    );
    renameSync(join(place.dir, 'exits'), join(place.dir, 'healed'));
    process.kill(pool.pid, 'SIGHUP');
    await visit({ path: place.socket });
    expect(await waitForEvents(place, 'reload-finished')).toMatchObject([{ result: 'reloaded' }]);
  });
});

test('restart ends the old worker before the new one starts, and connections wait in the queue', async () => {
  const place = makePlace();
  const pool = await start(place, quick, ['slow-end=300', 'serve']);
  const old = await onlyWorker(pool);
  const asked = ctl(place.stateDir, ['restart', place.socket]);
  await waitForEvents(place, 'restart-started');
  const visited = visit({ path: place.socket });
  expect(await asked).toMatchObject({ status: 0 });
  await visited;
  expect(isAlive(old)).toBe(false);
  expect(await onlyWorker(pool, [old])).not.toBe(old);
});

describe('scaling', () => {
  test('by TTIN, TTOU and scale, never below one', async () => {
    const place = makePlace();
    const pool = await start(place, quick);
    process.kill(pool.pid, 'SIGTTIN');
    await fullPool(pool, 2);
    expect((await ctl(place.stateDir, ['scale', place.socket, '4'])).status).toBe(0);
    await fullPool(pool, 4);
    expect((await ctl(place.stateDir, ['scale', place.socket, '-2'])).status).toBe(0);
    await fullPool(pool, 2);
    process.kill(pool.pid, 'SIGTTOU');
    await fullPool(pool, 1);
    process.kill(pool.pid, 'SIGTTOU');
    expect((await ctl(place.stateDir, ['scale', place.socket, '-5'])).stdout).toBe('1 worker\n');
    await fullPool(pool, 1);
    await endPool(place, pool);
    await expectNothingLeft(place);
  });

  test('during a reload is applied at its end', async () => {
    const place = makePlace();
    const pool = await start(place, ['--settle', '3s', '--min-uptime', '50ms']);
    await onlyWorker(pool);
    process.kill(pool.pid, 'SIGHUP');
    await waitForEvents(place, 'worker-replaced');
    expect((await ctl(place.stateDir, ['scale', place.socket, '3'])).stdout).toContain(
      'when the reload is over',
    );
    expect(events(place, 'scaled')).toEqual([]);
    await waitForEvents(place, 'scaled');
    await fullPool(pool, 3);
    expect(events(place, 'reload-finished')).toHaveLength(1);
  });
});

describe('the control socket', () => {
  test('answers while connections wait that nobody accepts, and ping says that', async () => {
    const place = makePlace();
    const pool = await start(place, ['-F', '1', '-b', '8'], ['hang']);
    await onlyWorker(pool);
    const held = await Promise.all([hold(place), hold(place)]);
    const ping = await ctl(place.stateDir, ['ping', place.socket]);
    const status = await ctl(place.stateDir, ['status', '--json', place.socket]);
    expect(JSON.parse(status.stdout)).toMatchObject([{ queue: { length: 2, backlog: 8 }, wanted: 1 }]);
    expect(ping.stdout).toMatch(/^not serving: no worker accepts; .* 2 of 8 waiting/);
    expect(ping.status).toBe(1);
    for (const socket of held) socket.destroy();
  });

  test('survives garbage, half a line, too long a line and clients that never read', async () => {
    const place = makePlace();
    const pool = await start(place);
    await onlyWorker(pool);
    expect(await say(place, 'garbage\n')).toMatch(/"error":"malformed"/);
    expect(await say(place, `${'x'.repeat(5000)}\n`)).toMatch(/"error":"too-long"/);
    expect(await say(place, '{"v":9,"command":"ping"}\n')).toMatch(/"error":"version"/);
    expect(await say(place, '{"v":1,"command":"dance"}\n')).toMatch(/"error":"unknown-command"/);
    const silent: Socket[] = [];
    for (let count = 0; count < 30; count += 1) silent.push(await open(place));
    for (const socket of silent) socket.write('{"v":1,"com');
    expect((await ctl(place.stateDir, ['ping', place.socket])).status).toBe(0);
    for (const socket of silent) socket.destroy();
    expect(isAlive(pool.pid)).toBe(true);
  });

  test('keeps a place for stop beside any number of clients that wait for a reload', async () => {
    const place = makePlace();
    const pool = await start(place, ['--settle', '60s', '--min-uptime', '60s']);
    await onlyWorker(pool);
    for (let count = 0; count < 80; count += 1) {
      (await open(place)).resume().write('{"v":1,"command":"reload"}\n');
    }
    expect((await ctl(place.stateDir, ['status', place.socket])).status).toBe(0);
    expect((await ctl(place.stateDir, ['stop', place.socket])).status).toBe(0);
    await expectNothingLeft(place);
  });

  test('is closed to the user of the workers', async (ctx) => {
    needRoot(ctx);
    needCommands(ctx, 'python3');
    const place = makePlace();
    await start(place, ['-u', 'nobody', '-g', 'nogroup']);
    const asWorker = { uid: NOBODY, gid: NOBODY };
    const script = 'import socket,sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])';
    const refused = await runCommand('python3', ['-c', script, poolFile(place, '.ctl')], asWorker);
    expect(refused.stderr).toContain('Permission denied');
  });

  test('of a supervisor that hangs gives one line and 6', async () => {
    const place = makePlace();
    const pool = await start(place);
    process.kill(pool.pid, 'SIGSTOP');
    await waitFor('the stop', () => readStat(pool.pid)?.state === 'T');
    const hung = await ctl(place.stateDir, ['status', '--timeout', '300ms', place.socket]);
    expect(hung).toMatchObject({ status: 6, stdout: '' });
    expect(hung.stderr.split('\n').filter(Boolean)).toHaveLength(1);
    process.kill(pool.pid, 'SIGCONT');
    expect((await ctl(place.stateDir, ['ping', place.socket])).status).toBe(0);
  });
});

test('a worker that ignores TERM and serves nobody is ended in a reload all the same', async () => {
  const place = makePlace();
  const pool = await start(place, quick, ['ignore=15', 'serve']);
  const old = await onlyWorker(pool);
  expect((await ctl(place.stateDir, ['reload', place.socket])).status).toBe(0);
  expect(isAlive(old)).toBe(false);
});

test('--stop-signal NAME is what workers get, and idle-kill never is TERM', async () => {
  const place = makePlace();
  const pool = startStaying(place, ['--supervise', '--stop-signal', 'USR1']);
  await waitForEvents(place, 'pool-up');
  process.kill(pool.pid, 'SIGTERM');
  expect(await pool.ended).toMatchObject({ status: 0 });
  const other = makePlace();
  const killed = startStaying(
    other,
    ['--supervise', '--stop-signal', 'idle-kill'],
    ['slow-end=60000', 'serve'],
  );
  await waitForEvents(other, 'pool-up');
  process.kill(killed.pid, 'SIGTERM');
  // TERM would take a minute.
  expect(await killed.ended).toMatchObject({ status: 0 });
  expect(events(other, 'killed')).toEqual([]);
});

/** Workers that change their ways when a flag is there. */
function spoilable({ dir }: Place): string[] {
  const when = (name: string): string => `when=${join(dir, name)}`;
  return [when('exits'), 'exit=1', when('hangs'), 'hang', when('dies'), 'alarm=300', 'serve'];
}

function flag({ dir }: Place, name: string): void {
  writeFileSync(join(dir, name), '');
}

/** Again when the socket's queue is full: the supervisor takes them out one by one. */
function open(place: Place): Promise<Socket> {
  return waitFor('a connection', () => connected(poolFile(place, '.ctl')).catch(() => undefined));
}

function hold({ socket }: Place): Promise<Socket> {
  return connected(socket);
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => resolve(socket));
    atEnd(() => void socket.destroy());
    socket.on('error', reject);
  });
}

/** The whole answer to some bytes. */
async function say(place: Place, text: string): Promise<string> {
  const socket = await open(place);
  let answer = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.write(text);
  await closed;
  return answer;
}
