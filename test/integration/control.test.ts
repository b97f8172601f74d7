// spawn-fcgictl and other clients against a real supervisor: what it says of its workers and its queue, compared with what
// the kernel says; how it answers when all are busy; whom it keeps out (docs/internals/control-protocol.md).
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { unlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ask } from '../../src/control/client.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { startRequests, transports } from '../helpers/web/index.ts';

const quick = ['--settle', '50ms', '--min-uptime', '50ms'];
const asNobody = { uid: machine.NOBODY, gid: machine.NOBODY };

describe.for(transports)('on %s', (transport) => {
  test('status names the workers that hold a connection as busy, and the queue as ss does', async (ctx) => {
    machine.needCommands(ctx, 'ss');
    const place = await pools.makeEchoPlace(transport);
    const pool = await pools.start(place, ['-F', '3', '-b', '9'], [], { address: place.address });
    const workers = await pools.fullPool(pool, 3);
    expect(await pools.statusOf(place)).toMatchObject({ idle: 3, busy: 0, queue: { length: 0, backlog: 9 } });
    for (const count of [1, 2]) await hold(place, count);
    const { workers: described, idle, busy } = await pools.statusOf(place);
    expect({ idle, busy }).toEqual({ idle: 1, busy: 2 });
    const busyPids = described.filter(({ activity }) => activity !== 'idle').map(({ pid }) => Number(pid));
    expect(new Set(busyPids)).toEqual(new Set(workers.filter(holdsConnection)));
    expect(await ping(place)).toEqual([0, 'serving']);

    await hold(place, 3);
    await enqueue(place, 1);
    await enqueue(place, 2);
    const { queue } = await pools.statusOf(place);
    expect(queue).toEqual({ length: 2, backlog: 9 });
    expect(await queueOfSs(place)).toEqual(queue);
    expect(await ping(place)).toEqual([0, 'saturated']);
    expect(await ping(place, '--strict')).toEqual([1, 'saturated']);

    const table = await pools.ctl(place.stateDir, ['status', place.name]);
    expect(table).toMatchObject({ status: 0, stderr: '' });
    expect(table.stdout).toContain(`PID ${pool.pid}, saturated, gen 1, `);
    expect(table.stdout).toContain('0 idle 3 busy, queue 2/9');
    for (const pid of workers) expect(table.stdout).toMatch(new RegExp(`\\b${pid}\\b.*\\b(busy|unknown)\\b`));
  });

  test('every question is answered while all workers are saturated', async () => {
    const place = await pools.makeEchoPlace(transport);
    await pools.start(place, ['-F', '2'], [], { address: place.address });
    const load = startRequests(place.target, 8);
    await machine.waitFor('some answers', () => load.tally.answered > 20);
    for (let count = 0; count < 20; count += 1) {
      // Some 10 ms on an idle machine.
      const outcome = await ask(pools.poolFile(place, '.ctl'), { command: 'status' }, { timeoutMs: 2_000 });
      expect(outcome.kind).toBe('result');
    }
    expect((await load.stop()).lost).toEqual([]);
  });

  test('the target is the PID file, the address, the PID, or nothing', async () => {
    const place = await pools.makeEchoPlace(transport);
    const pool = await pools.start(place, ['-P', place.pidFile], [], { address: place.address });
    for (const target of [place.pidFile, place.name, String(pool.pid)]) {
      expect(await pools.ctl(place.stateDir, ['ping', target])).toMatchObject({ status: 0, stderr: '' });
    }
    const all = await pools.ctl(place.stateDir, ['status']);
    expect(all.stdout).toContain(`PID ${pool.pid}, serving`);
    const worker = await pools.onlyWorker(pool);
    const refused = await pools.ctl(place.stateDir, ['ping', String(worker)]);
    expect(refused.status).toBe(4);
    expect(refused.stderr).toContain(`PID ${worker} is a worker of pool`);
  });
});

test('status shows how a worker ended, how often, and when the next one comes', async () => {
  const place = pools.makePlace();
  const flag = join(place.dir, 'bad');
  const options = ['--restart-delay', '1h', '--restart-max-delay', '1h'];
  const pool = await pools.start(place, options, [`when=${flag}`, 'exit=7', 'serve']);
  const first = await pools.onlyWorker(pool);
  await machine.runCommand('touch', [flag]);
  process.kill(first, 'SIGKILL');
  await machine.waitFor('a slot that waits', () =>
    pools.events(place, 'worker-ended').some(({ delayMs }) => Number(delayMs) > 1000),
  );
  const { workers } = await pools.statusOf(place);
  expect(workers).toMatchObject([{ pid: null, state: 'backoff', activity: 'unknown', pids: [] }]);
  const [worker] = workers;
  expect(worker?.nextTryMs).toBeGreaterThan(1_000);
  expect(worker?.restarts).toBeGreaterThan(0);
  const { status, stdout } = await pools.ctl(place.stateDir, ['ping', place.socket]);
  expect({ status, stdout }).toMatchObject({
    status: 1,
    stdout: expect.stringContaining('failing: its worker is in backoff; '),
  });
});

test('status says why the program of a slot could not be executed', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place);
  const worker = await pools.onlyWorker(pool);
  unlinkSync(place.app);
  process.kill(worker, 'SIGKILL');
  await pools.waitForEvents(place, 'exec-failed');
  const { workers } = await pools.statusOf(place);
  expect(workers).toMatchObject([
    { pid: null, state: 'backoff', restarts: 1, lastExit: 'exec failed: No such file or directory' },
  ]);
  expect((await pools.ctl(place.stateDir, ['status', place.socket])).stdout).toMatch(
    / exec: No such file or d/,
  );
});

describe('scale answers', () => {
  test('when the workers that it added are up', async () => {
    const place = pools.makePlace();
    await pools.start(place, ['--min-uptime', '50ms'], ['pause=500', 'serve']);
    expect(await pools.ctl(place.stateDir, ['scale', place.socket, '3'])).toMatchObject({
      status: 0,
      stdout: '3 workers\n',
    });
    expect((await pools.statusOf(place)).workers.map(({ state }) => state)).toEqual(Array(3).fill('running'));
  });

  test('with 1 and the slots where the first attempt fails, or nothing comes in time', async () => {
    const place = pools.makePlace();
    const flag = join(place.dir, 'bad');
    const options = ['--restart-delay', '1h', '--restart-max-delay', '1h'];
    const pool = await pools.start(place, options, [`when=${flag}`, 'exit=7', 'serve']);
    await pools.onlyWorker(pool);
    writeFileSync(flag, '');
    expect(await pools.ctl(place.stateDir, ['scale', place.socket, '+1'])).toMatchObject({
      status: 1,
      stdout: '',
      stderr: 'spawn-fcgictl: 2 workers wanted, not up: slot 1 (exited with 7)\n',
    });
    expect((await pools.ctl(place.stateDir, ['scale', place.socket, '-1'])).status).toBe(0);
    unlinkSync(flag);
    unlinkSync(place.app);
    expect((await pools.ctl(place.stateDir, ['scale', place.socket, '+5'])).stderr).toBe(
      `spawn-fcgictl: 6 workers wanted, not up: ${[1, 2, 3].map((slot) => `slot ${slot} (exec failed: No such file or directory)`).join(', ')}, and 2 more\n`,
    );
  });

  test('with 1 when nothing is up within --ready-timeout, and others are answered meanwhile', async () => {
    const place = pools.makePlace();
    const flag = join(place.dir, 'slow');
    const pool = await pools.start(place, ['--ready-timeout', '2s'], [`when=${flag}`, 'hang', 'serve']);
    await pools.onlyWorker(pool);
    writeFileSync(flag, '');
    const first = pools.ctl(place.stateDir, ['scale', place.socket, '2']);
    await pools.fullPool(pool, 2);
    expect((await ping(place))[0]).toBe(0);
    expect(await first).toMatchObject({
      status: 1,
      stderr: 'spawn-fcgictl: 2 workers wanted, not up: slot 1 (--ready-timeout is over)\n',
    });
  });

  test('when somebody else wants another number, or the pool is stopped', async () => {
    const place = pools.makePlace();
    const flag = join(place.dir, 'slow');
    const pool = await pools.start(place, [], [`when=${flag}`, 'hang', 'serve']);
    await pools.onlyWorker(pool);
    writeFileSync(flag, '');
    const first = pools.ctl(place.stateDir, ['scale', place.socket, '2']);
    await pools.fullPool(pool, 2);
    const second = pools.ctl(place.stateDir, ['scale', place.socket, '3']);
    expect(await first).toMatchObject({ status: 0, stdout: '3 workers, as somebody else wants it now\n' });
    expect((await pools.ctl(place.stateDir, ['stop', place.socket])).status).toBe(0);
    const { status, stderr } = await second;
    expect(status).toBe(1);
    // It hears of it at the stop's beginning or at its end.
    expect(stderr).toMatch(/^spawn-fcgictl: the pool is stop(?:ping|ped)\n$/);
  });
});

test('a worker with children is one row, with all its processes', async () => {
  const place = pools.makePlace();
  const children = join(place.dir, 'children');
  const pool = await pools.start(place, [], [`child=${children}`, `group=${children}`, 'serve']);
  const worker = await pools.onlyWorker(pool);
  const pids = await machine.waitFor('three processes', async () => {
    const [row] = (await pools.statusOf(place)).workers;
    return row?.pids.length === 3 && row.pids;
  });
  expect(pids).toContain(worker);
});

describe('a client of its own', () => {
  test('hears of the progress of a reload, line by line, and of the result last', async () => {
    const place = pools.makePlace();
    await pools.start(place, [...quick, '-F', '2']);
    const lines = (await converse(place, '{"v":1,"command":"reload"}\n'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const last = lines.pop();
    expect(last).toMatchObject({ v: 1, ok: true, status: 0, message: 'reloaded: generation 2, 2 workers' });
    expect(lines.map(({ progress }) => typeof progress)).toEqual(lines.map(() => 'string'));
    expect(JSON.stringify(lines)).toContain('generation 2');
  });

  test('that goes away does not end what it asked for', async () => {
    const place = pools.makePlace();
    await pools.start(place, quick);
    const socket = await open(place);
    socket.write('{"v":1,"command":"reload"}\n');
    await pools.waitForEvents(place, 'reload-started');
    socket.destroy();
    expect(await pools.waitForEvents(place, 'reload-finished')).toMatchObject([{ result: 'reloaded' }]);
  });

  test('that ends in the middle of a line is told so', async () => {
    const place = pools.makePlace();
    await pools.start(place);
    const socket = await open(place);
    const answer = readAll(socket);
    socket.end('{"v":1,"command":"sto');
    expect(JSON.parse(await answer)).toMatchObject({ ok: false, error: 'malformed' });
    expect((await ping(place))[0]).toBe(0);
  });

  test('that sends bytes which are no text, or a deep object, is told so', async () => {
    const place = pools.makePlace();
    await pools.start(place);
    const strange = [
      Buffer.from([0xff, 0xfe, 0x00, 0x0a]),
      Buffer.from(`${'['.repeat(4000)}\n`),
      Buffer.from('null\n'),
      Buffer.from('{"v":1}\n'),
      Buffer.from('{"v":"1","command":"ping"}\n'),
      Buffer.from('\n'),
    ];
    for (const bytes of strange) {
      expect(JSON.parse(await converse(place, bytes))).toMatchObject({ ok: false, error: 'malformed' });
    }
    for (const workers of ['0', '-1', '70000', '"5"', '"+"', 'null', '1.5']) {
      const answer = await converse(place, `{"v":1,"command":"scale","workers":${workers}}\n`);
      expect(JSON.parse(answer)).toMatchObject({ ok: false, error: 'invalid', status: 255 });
    }
    expect(pools.events(place, 'scaled')).toEqual([]);
  });

  test('that never reads its answer keeps nobody waiting', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['-F', '40']);
    await pools.fullPool(pool, 40);
    for (let count = 0; count < 50; count += 1) {
      const socket = await open(place);
      socket.pause().write('{"v":1,"command":"status"}\n');
    }
    expect((await pools.statusOf(place)).workers).toHaveLength(40);
    expect(await pools.ctl(place.stateDir, ['scale', place.socket, '1'])).toMatchObject({ status: 0 });
    expect(await pools.ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
    await pools.expectNothingLeft(place);
  });
});

test('the user of the workers can neither connect, nor write the state, nor take the lock, nor look into the supervisor', async (ctx) => {
  machine.needRoot(ctx);
  machine.needCommands(ctx, 'flock', 'python3');
  const place = pools.makePlace();
  const pool = await pools.start(place, ['-u', 'nobody', '-g', 'nogroup', '-P', place.pidFile]);
  expect(machine.readProcess(pool.pid)?.status['Uid']).toMatch(/^65534\t65534/);
  const nobody = (script: string, ...args: string[]) =>
    machine.runCommand('sh', ['-c', script, 'sh', ...args], { ...asNobody, cwd: '/' });
  const paths = (['.state', '.lock', '.ctl'] as const).map((ending) => pools.poolFile(place, ending));
  const connecting = 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])';
  const attempts: [string, ...string[]][] = [
    ...paths.flatMap((path): [string, ...string[]][] => [
      ['cat "$1"', path],
      ['echo x >> "$1"', path],
      ['rm "$1"', path],
      ['mv "$1" "$1.away"', path],
      ['flock --nonblock "$1" true', path],
    ]),
    ['touch "$1/other.state"', place.stateDir],
    ['python3 -c "$2" "$1"', pools.poolFile(place, '.ctl'), connecting],
    ['ls /proc/$1/fd', String(pool.pid)],
    ['echo x > /proc/$1/fd/3', String(pool.pid)],
    ['cat /proc/$1/mem', String(pool.pid)],
    ['echo 1 >> "$1"', place.pidFile],
  ];
  for (const [script, ...args] of attempts) {
    const tried = await nobody(script, ...args);
    expect({ script, args, status: tried.status }).not.toMatchObject({ status: 0 });
    expect({ script, stderr: tried.stderr }).toMatchObject({
      stderr: expect.stringMatching(/denied|not permitted/i) as string,
    });
  }
  const asked = await machine.runCommand(
    pools.ctlPath,
    ['--state-dir', place.stateDir, 'stop', place.socket],
    {
      ...asNobody,
      cwd: '/',
    },
  );
  expect(asked).toMatchObject({ status: 5, stdout: '' });
  expect(asked.stderr).toMatch(/^spawn-fcgictl: not permitted: [^\n]+\n$/);
  expect((await ping(place))[0]).toBe(0);
  await pools.endPool(place, pool);
});

describe('where there is no supervisor to ask', () => {
  test('one that hangs gives one line and 6 for every command, and none of them is carried out later', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place);
    const before = pools.workersOf(pool);
    process.kill(pool.pid, 'SIGSTOP');
    await machine.waitFor('the stop', () => machine.readStat(pool.pid)?.state === 'T');
    for (const command of [['ping'], ['status'], ['reload'], ['restart'], ['stop'], ['scale', '3']]) {
      const [name = '', ...args] = command;
      const asked = await pools.ctl(place.stateDir, [name, '--timeout', '200ms', place.socket, ...args]);
      expect({ name, ...asked }).toMatchObject({ name, status: 6, stdout: '' });
      expect(asked.stderr).toMatch(/^spawn-fcgictl: [^\n]*no answer within 200 ms\n$/);
    }
    process.kill(pool.pid, 'SIGCONT');
    expect((await ping(place))[0]).toBe(0);
    expect(pools.workersOf(pool)).toEqual(before);
    expect(pools.events(place).map(({ event }) => event)).toEqual(['pool-up']);
  });

  test('one that was killed can be asked nothing, and one that has ended is no such pool, 4', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['-P', place.pidFile]);
    const worker = await pools.onlyWorker(pool);
    await pools.killSupervisor(pool);
    for (const target of [place.socket, place.pidFile, String(pool.pid)]) {
      const asked = await pools.ctl(place.stateDir, ['reload', target]);
      expect({ target, ...asked }).toMatchObject({ target, status: 4, stdout: '' });
      expect(asked.stderr).toMatch(/^spawn-fcgictl: pool [^\n]+ no supervisor to reload it; [^\n]+\n$/);
    }
    expect(machine.isAlive(worker)).toBe(true);
    const next = await pools.start(place, ['-P', place.pidFile]);
    await pools.endPool(place, next);
    expect(await pools.ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 4 });
    expect(await pools.ctl(place.stateDir, ['status'])).toMatchObject({ status: 0, stdout: 'no pools\n' });
  });
});

test('stop by spawn-fcgictl returns when everything is gone', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, ['-P', place.pidFile, '-F', '3'], ['slow-end=300', 'serve']);
  const workers = await pools.fullPool(pool, 3);
  const asked = await pools.ctl(place.stateDir, ['stop', place.pidFile]);
  expect(asked).toMatchObject({ status: 0, stdout: 'stopped\n', stderr: '' });
  expect(workers.filter((pid) => machine.isAlive(pid))).toEqual([]);
  // It closes its connections at its very end, when the kernel has taken all else from it.
  expect(machine.readOpenFiles(pool.pid)).toEqual([]);
  await pools.expectNothingLeft(place);
});

/** The status of `ping`, and the first word of what it says. */
async function ping(
  { stateDir, socket, name = socket }: pools.Place & { name?: string },
  ...options: string[]
): Promise<[number | null, string | undefined]> {
  const { status, stdout } = await pools.ctl(stateDir, ['ping', ...options, name]);
  return [status, stdout.split(':')[0]];
}

function openTarget({ target }: pools.EchoPlace): Socket {
  const connection =
    'socketPath' in target ? connect({ path: target.socketPath }) : connect(target.port, target.host);
  connection.on('error', () => undefined);
  machine.atEnd(() => {
    connection.destroy();
  });
  return connection;
}

/** A connection that a worker has accepted and waits on, the `count`th of the pool. */
async function hold(place: pools.EchoPlace, count: number): Promise<void> {
  openTarget(place);
  await machine.waitFor(`${count} busy workers`, async () => (await pools.statusOf(place)).busy === count);
}

/** A connection that nobody accepts, the `count`th of the queue. */
async function enqueue(place: pools.EchoPlace, count: number): Promise<void> {
  openTarget(place);
  await machine.waitFor(
    `${count} in the queue`,
    async () => (await pools.statusOf(place)).queue?.length === count,
  );
}

/** By what it has open: the listening socket is descriptor 0. */
function holdsConnection(pid: number): boolean {
  return machine.readOpenFiles(pid).some(({ fd, target }) => fd > 0 && target.startsWith('socket:'));
}

/** Recv-Q and Send-Q of the listening socket. */
async function queueOfSs({ target }: pools.EchoPlace): Promise<{ length: number; backlog: number }> {
  const args =
    'socketPath' in target ? ['-lxH', 'src', target.socketPath] : ['-ltnH', `sport = :${target.port}`];
  const { stdout } = await machine.runCommand('ss', args);
  const fields = stdout
    .trim()
    .split(/\s+/)
    .filter((field) => /^\d+$/.test(field));
  return { length: Number(fields[0]), backlog: Number(fields[1]) };
}

/** Again when the socket's queue is full: the supervisor takes them out one by one. */
function open(place: pools.Place): Promise<Socket> {
  return machine.waitFor('a connection', () =>
    new Promise<Socket>((resolve, reject) => {
      const socket = connect(pools.poolFile(place, '.ctl'), () => resolve(socket));
      machine.atEnd(() => void socket.destroy());
      socket.on('error', reject);
    }).catch(() => undefined),
  );
}

async function readAll(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await new Promise((resolve) => socket.on('close', resolve));
  return text;
}

/** Everything that is answered to these bytes. */
async function converse(place: pools.Place, bytes: string | Buffer): Promise<string> {
  const socket = await open(place);
  const answer = readAll(socket);
  socket.write(bytes);
  return answer;
}
