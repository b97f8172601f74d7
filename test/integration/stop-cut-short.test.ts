// A supervisor that is killed while it stops its pool, as init scripts with little patience do: nobody may serve on
// then, and nobody did ask for that before.
import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compileC, fixture, findPython, pythonVenv } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { fastcgiRequest, askEcho, holdEcho, transports } from '../helpers/web/index.ts';

const dropped = ['-u', 'nobody', '-g', 'nogroup'];

/** The shell that waits for the supervisor's death. */
async function guardOf(pool: { pid: number }): Promise<number> {
  const isGuard = (pid: number): boolean =>
    fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('spawn-fcgi-stop-guard');
  return machine.waitFor('the guard of the stop', () =>
    machine.childrenOf(pool.pid).find((pid) => machine.isAlive(pid) && isGuard(pid)),
  );
}

/** TERM, and KILL before the workers have ended. */
async function cutStopShort(place: pools.Place, pool: { pid: number }): Promise<void> {
  process.kill(pool.pid, 'SIGTERM');
  await pools.waitForEvents(place, 'stopping');
  const guard = await guardOf(pool);
  await pools.killSupervisor(pool);
  await pools.expectNoProcess(place);
  await machine.waitFor('the end of the guard', () => !machine.isAlive(guard));
}

/** The next start finds nothing that was left. */
async function expectCleanStart(
  place: pools.Place,
  options: readonly string[],
  how: pools.StartOptions,
): Promise<void> {
  expect((await pools.ctl(place.stateDir, ['status'])).stdout).toBe('no pools\n');
  const next = await pools.start(place, options, ['serve'], how);
  expect(pools.hintsOf(next.stderr)).toEqual([]);
  expect(pools.events(place, 'taken-over')).toEqual([]);
  await pools.endPool(place, next);
}

/** A worker that takes its time after TERM, with a child, and one in a group of its own. */
function stubborn({ dir }: pools.Place): string[] {
  return ['slow-end=60000', `child=${join(dir, 'children')}`, `group=${join(dir, 'children')}`, 'serve'];
}

const patient = ['--stop-timeout', '1h'];

test.for([
  { who: 'as the caller', address: transports[1], options: [], isOrdinary: false, stays: false },
  { who: 'as the caller', address: transports[0], options: [], isOrdinary: false, stays: true },
  { who: 'with -u', address: transports[0], options: dropped, isOrdinary: false, stays: false },
  { who: 'with -u', address: transports[1], options: dropped, isOrdinary: false, stays: true },
  { who: 'as an ordinary user', address: transports[1], options: [], isOrdinary: true, stays: false },
])(
  'workers and their children end at once with their supervisor, $who on $address, in the foreground: $stays',
  async ({ address, options, isOrdinary, stays }, ctx) => {
    if (isOrdinary || options.length > 0) machine.needRoot(ctx);
    const echo = await pools.makeEchoPlace(address);
    const place = { ...echo, app: pools.makePlace().app };
    if (isOrdinary) execFileSync('chown', ['-R', `${machine.NOBODY}:${machine.NOBODY}`, place.dir]);
    else fs.chmodSync(place.dir, 0o777);
    const how = {
      address: echo.address,
      ...(isOrdinary ? { uid: machine.NOBODY, gid: machine.NOBODY } : {}),
    };
    const all = [...options, ...patient, '-F', '2'];
    const pool = stays
      ? pools.startStaying(place, ['--supervise', ...all], stubborn(place), how)
      : await pools.start(place, all, stubborn(place), how);
    await pools.waitForEvents(place, 'pool-up');
    const children = await pools.waitForPids(join(place.dir, 'children'), 4);
    await cutStopShort(place, pool);
    expect(children.filter((pid) => machine.isAlive(pid))).toEqual([]);
    await expectCleanStart(place, options, how);
  },
);

test('without a stop before it workers serve on', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place);
  const worker = await pools.onlyWorker(pool);
  await pools.killSupervisor(pool);
  await pools.visit({ path: place.socket });
  expect(machine.isAlive(worker)).toBe(true);
});

test('while a pool runs nobody but its workers is there, and at its end the guard is gone', async () => {
  const place = pools.makePlace();
  const pool = pools.startStaying(place, ['--supervise', ...patient], ['slow-end=60000', 'serve']);
  await pools.waitForEvents(place, 'pool-up');
  const worker = await pools.onlyWorker(pool);
  expect(machine.childrenOf(pool.pid)).toEqual([worker]);
  process.kill(pool.pid, 'SIGTERM');
  const guard = await guardOf(pool);
  process.kill(worker, 'SIGKILL');
  expect(await pool.ended).toEqual({ status: 0, signal: null });
  expect(machine.readStat(guard)).toBeUndefined();
  await pools.expectNothingLeft(place);
});

test('a guard that somebody has stopped keeps no pool from ending', async () => {
  const place = pools.makePlace();
  const pool = pools.startStaying(place, ['--supervise', ...patient], ['slow-end=60000', 'serve']);
  await pools.waitForEvents(place, 'pool-up');
  const worker = await pools.onlyWorker(pool);
  process.kill(pool.pid, 'SIGTERM');
  const guard = await guardOf(pool);
  process.kill(guard, 'SIGSTOP');
  process.kill(worker, 'SIGKILL');
  expect(await pool.ended).toEqual({ status: 0, signal: null });
  expect(machine.readStat(guard)).toBeUndefined();
  await pools.expectNothingLeft(place);
});

test('a start that is interrupted, and whose supervisor is killed then, leaves no worker', async () => {
  const place = pools.makePlace();
  const options = ['--supervise', '--ready', 'notify', ...patient];
  const pool = pools.startStaying(place, options, stubborn(place));
  await pools.waitForPids(join(place.dir, 'children'), 2);
  await cutStopShort(place, pool);
  expect(pools.events(place, 'pool-up')).toEqual([]);
  await expectCleanStart(place, [], {});
});

test('children of a worker that is dead already end, too', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, patient, [
    'slow-end=60000',
    `group=${join(place.dir, 'child')}`,
    'serve',
  ]);
  const [child = 0] = await pools.waitForPids(join(place.dir, 'child'));
  const worker = await pools.onlyWorker(pool);
  process.kill(pool.pid, 'SIGTERM');
  const guard = await guardOf(pool);
  process.kill(worker, 'SIGKILL');
  await machine.waitFor('the end of the worker', () => machine.readStat(worker) === undefined);
  await pools.killSupervisor(pool);
  await machine.waitFor('the end of the guard', () => !machine.isAlive(guard));
  expect(machine.isAlive(child)).toBe(false);
});

test('TERM and HUP to the guard move nothing', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, patient, stubborn(place));
  process.kill(pool.pid, 'SIGTERM');
  const guard = await guardOf(pool);
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.kill(guard, signal);
  await pools.killSupervisor(pool);
  await pools.expectNoProcess(place);
});

test('a guard that was killed is replaced by the kernel, which ends process groups', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, [...patient, '-F', '2'], stubborn(place));
  const children = await pools.waitForPids(join(place.dir, 'children'), 4);
  process.kill(pool.pid, 'SIGTERM');
  process.kill(await guardOf(pool), 'SIGKILL');
  const [warning] = await pools.waitForEvents(place, 'warning');
  expect(warning?.['message']).toBe(
    'no guard of this stop (it was killed): should the supervisor be killed, the process groups that its workers have now end with it',
  );
  await pools.killSupervisor(pool);
  await pools.expectNoProcess(place);
  expect(children.filter((pid) => machine.isAlive(pid))).toEqual([]);
  expect(pools.events(place, 'warning')).toHaveLength(1);
});

test('in a chroot without a shell the kernel does it, and the log says so once', async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  const root = join(place.dir, 'root');
  fs.mkdirSync(root);
  fs.copyFileSync(compileC(fixture('scripted-worker.c'), { static: true }), join(root, 'app'));
  fs.writeFileSync(join(root, 'children'), '');
  fs.chmodSync(join(root, 'children'), 0o666);
  const log = ['--log', place.log, '--log-format', 'json'];
  const jailed = ['-c', root, ...dropped, ...patient, '--state-dir', place.stateDir, ...log];
  const actions = ['slow-end=60000', 'child=/children', 'group=/children', 'serve'];
  const pool = await pools.startPool(['-s', '/app.sock', ...jailed, '--', '/app', ...actions], {
    cwd: place.dir,
  });
  const children = await pools.waitForPids(join(root, 'children'), 2);
  const workers = pools.workersOf(pool);
  process.kill(pool.pid, 'SIGTERM');
  const [warning] = await pools.waitForEvents(place, 'warning');
  expect(warning?.['message']).toContain('no guard of this stop (no /proc)');
  await pools.killSupervisor(pool);
  await machine.waitFor(
    'the end of all',
    () => ![...workers, ...children].some((pid) => machine.isAlive(pid)),
  );
  expect(pools.events(place, 'warning')).toHaveLength(1);
});

test('where no process can be started the kernel does it', async (ctx) => {
  machine.needRoot(ctx);
  machine.needCommands(ctx, 'prlimit');
  // A user of whom nobody else has processes.
  const user = 65_433;
  const place = pools.makePlace();
  execFileSync('chown', ['-R', `${user}:${user}`, place.dir]);
  const pool = await pools.start(place, patient, stubborn(place), { uid: user, gid: user });
  await pools.waitForPids(join(place.dir, 'children'), 2);
  execFileSync(machine.findCommand('prlimit') ?? '', ['--pid', String(pool.pid), '--nproc=1'], {
    uid: user,
    gid: user,
  });
  process.kill(pool.pid, 'SIGTERM');
  const [warning] = await pools.waitForEvents(place, 'warning');
  expect(warning?.['message']).toContain('no guard of this stop (/bin/sh: Resource temporarily unavailable)');
  await pools.killSupervisor(pool);
  await pools.expectNoProcess(place);
});

const flup = findPython();
const programs = [
  {
    name: 'fcgiwrap',
    missing: machine.missing({ commands: ['fcgiwrap'] }),
    install: ({ dir }: pools.Place) => ({
      argv: [machine.findCommand('fcgiwrap') ?? ''],
      script: copy('cgi-echo.sh', dir),
    }),
  },
  {
    name: 'flup',
    missing: flup === undefined ? 'needs python3 with venv' : undefined,
    install: ({ dir }: pools.Place) => ({
      argv: [join(pythonVenv(flup ?? '', ['flup==1.0.3']), 'bin/python3'), copy('flup-echo.py', dir)],
      script: '/',
    }),
  },
] as const;

function canRun(path: string | undefined): boolean {
  const nobody = { uid: machine.NOBODY, gid: machine.NOBODY };
  return spawnSync('test', ['-x', path ?? ''], nobody).status === 0;
}

test.for(programs)(
  'an init script that waits a moment for $name with a request and then kills starts it again at once',
  // An environment of Python may have to be made first.
  { timeout: 180_000 },
  async (program, ctx) => {
    ctx.skip(program.missing !== undefined, program.missing);
    const place = pools.makePlace();
    fs.chmodSync(place.dir, 0o777);
    const { argv, script } = program.install(place);
    const own = [
      '--state-dir',
      place.stateDir,
      '--log',
      place.log,
      '--log-format',
      'json',
      '-P',
      place.pidFile,
    ];
    // A checkout below /root is closed to others, and so is its Python.
    const user = machine.isRoot && canRun(argv[0]) ? dropped : [];
    const command = ['-s', place.socket, ...own, ...user, '-F', '2', '--', ...argv];
    const pool = await pools.startPool(command, { cwd: place.dir });
    const workers = pools.workersOf(pool);
    const fifo = join(place.dir, 'hold');
    execFileSync('mkfifo', ['-m', '0666', fifo]);
    const answer = fastcgiRequest(
      { socketPath: place.socket },
      {
        REQUEST_METHOD: 'GET',
        QUERY_STRING: `hold=${fifo}`,
        SCRIPT_FILENAME: script,
        SERVER_PROTOCOL: 'HTTP/1.1',
      },
    ).then(
      () => 'answered',
      () => 'cut',
    );
    const release = await machine.waitFor('the program to work on it', () => openWithReader(fifo));
    machine.atEnd(() => fs.closeSync(release));
    // As it stands in such scripts.
    const stop = `kill $(cat ${place.pidFile}); sleep 0.5; kill -9 $(cat ${place.pidFile})`;
    await machine.runCommand('/bin/sh', ['-c', stop]);
    const next = await pools.startPool(command, { cwd: place.dir });
    expect(pools.hintsOf(next.stderr)).toEqual([]);
    expect(await answer).toBe('cut');
    const left = workers.flatMap((pid) => machine.sessionMembers(pid));
    expect(left).toEqual([]);
    await next.stop();
  },
);

test('an old supervisor that is killed while it drains leaves its worker to the new one', async () => {
  const place = await pools.makeEchoPlace();
  const old = await pools.start(place, patient, []);
  const { worker, reply, release } = await holdEcho(place);
  const next = await pools.start(place, ['--replace'], []);
  const guard = await guardOf(old);
  await pools.killSupervisor(old);
  await machine.waitFor('the end of the guard', () => !machine.isAlive(guard));
  release();
  expect(await reply).toMatchObject({ pid: worker });
  await machine.waitFor('the end of the worker', () => !machine.isAlive(worker));
  await pools.endPool(place, next);
});

test('an old supervisor that is killed while it drains takes its worker with it when the new one is gone', async () => {
  const place = await pools.makeEchoPlace();
  const old = await pools.start(place, patient, []);
  const worker = await pools.onlyWorker(old);
  const cut = askEcho(place.target, 'sleep=60000').catch(() => 'cut');
  await machine.waitFor('the request in the worker', async () => (await pools.statusOf(place)).busy === 1);
  const next = await pools.start(place, ['--replace'], []);
  const guard = await guardOf(old);
  process.kill(next.pid, 'SIGTERM');
  await machine.waitFor('the end of the new supervisor', () => !machine.isAlive(next.pid));
  expect(machine.isAlive(worker)).toBe(true);
  await pools.killSupervisor(old);
  await machine.waitFor('the end of the guard', () => !machine.isAlive(guard));
  await pools.expectNoProcess(place);
  expect(await cut).toBe('cut');
});

test('an old supervisor that is killed while it drains, right behind the new one, leaves nobody that spawn-fcgictl stop would not end', async () => {
  const place = pools.makePlace();
  const old = await pools.start(place, patient, stubborn(place));
  const worker = await pools.onlyWorker(old);
  const next = await pools.start(place, ['--replace']);
  const guard = await guardOf(old);
  // So it does not look after them, as one that takes the new one for alive.
  process.kill(guard, 'SIGKILL');
  await machine.waitFor('the end of the guard', () => !machine.isAlive(guard));
  process.kill(next.pid, 'SIGKILL');
  await pools.killSupervisor(old);
  await machine.waitFor('the end of the new supervisor', () => !machine.isAlive(next.pid));
  expect(machine.isAlive(worker)).toBe(true);
  const stop = await pools.ctl(place.stateDir, ['stop', place.socket]);
  expect(stop.stdout).toBe('stopped: ended 2 workers of a supervisor that was killed\n');
  expect(machine.isAlive(worker)).toBe(false);
  await pools.expectNoProcess(place);
});

/** Opening without a reader fails with ENXIO. */
function openWithReader(fifo: string): number | undefined {
  try {
    return fs.openSync(fifo, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

function copy(name: string, dir: string): string {
  const path = join(dir, name);
  fs.copyFileSync(fixture(name), path);
  fs.chmodSync(path, 0o755);
  return path;
}
