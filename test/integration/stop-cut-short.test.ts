// A supervisor that is killed while it stops its pool, as init scripts with little patience do: nobody may serve on
// then, and nobody did ask for that before.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/compile-c.ts';
import { findPython, pythonVenv } from '../helpers/build/python-venv.ts';
import { atEnd } from '../helpers/machine/cleanup.ts';
import { childrenOf, isAlive, readStat, sessionMembers } from '../helpers/machine/processes.ts';
import { findCommand, isRoot, missing, needCommands, needRoot } from '../helpers/machine/requirements.ts';
import { runCommand } from '../helpers/machine/run-command.ts';
import { NOBODY } from '../helpers/machine/users.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { startPool } from '../helpers/pool/command-under-test.ts';
import { ctl } from '../helpers/pool/ctl.ts';
import { killSupervisor, makeEchoPlace, statusOf } from '../helpers/pool/echo-pool.ts';
import {
  endPool,
  events,
  expectNoProcess,
  expectNothingLeft,
  hintsOf,
  makePlace,
  onlyWorker,
  start,
  startStaying,
  visit,
  waitForEvents,
  waitForPids,
  workersOf,
  type Place,
  type StartOptions,
} from '../helpers/pool/place.ts';
import { fastcgiRequest } from '../helpers/web/fastcgi-client.ts';
import { askEcho } from '../helpers/web/request-load.ts';
import { transports } from '../helpers/web/transports.ts';

const dropped = ['-u', 'nobody', '-g', 'nogroup'];

/** The shell that waits for the supervisor's death. */
async function guardOf(pool: { pid: number }): Promise<number> {
  const isGuard = (pid: number): boolean =>
    readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('spawn-fcgi-stop-guard');
  return waitFor('the guard of the stop', () =>
    childrenOf(pool.pid).find((pid) => isAlive(pid) && isGuard(pid)),
  );
}

/** TERM, and KILL before the workers have ended. */
async function cutStopShort(place: Place, pool: { pid: number }): Promise<void> {
  process.kill(pool.pid, 'SIGTERM');
  await waitForEvents(place, 'stopping');
  const guard = await guardOf(pool);
  await killSupervisor(pool);
  await expectNoProcess(place);
  await waitFor('the end of the guard', () => !isAlive(guard));
}

/** The next start finds nothing that was left. */
async function expectCleanStart(place: Place, options: readonly string[], how: StartOptions): Promise<void> {
  expect((await ctl(place.stateDir, ['status'])).stdout).toBe('no pools\n');
  const next = await start(place, options, ['serve'], how);
  expect(hintsOf(next.stderr)).toEqual([]);
  expect(events(place, 'taken-over')).toEqual([]);
  await endPool(place, next);
}

/** A worker that takes its time after TERM, with a child, and one in a group of its own. */
function stubborn({ dir }: Place): string[] {
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
    if (isOrdinary || options.length > 0) needRoot(ctx);
    const echo = await makeEchoPlace(address);
    const place = { ...echo, app: makePlace().app };
    if (isOrdinary) execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, place.dir]);
    else chmodSync(place.dir, 0o777);
    const how = { address: echo.address, ...(isOrdinary ? { uid: NOBODY, gid: NOBODY } : {}) };
    const all = [...options, ...patient, '-F', '2'];
    const pool = stays
      ? startStaying(place, ['--supervise', ...all], stubborn(place), how)
      : await start(place, all, stubborn(place), how);
    await waitForEvents(place, 'pool-up');
    const children = await waitForPids(join(place.dir, 'children'), 4);
    await cutStopShort(place, pool);
    expect(children.filter((pid) => isAlive(pid))).toEqual([]);
    await expectCleanStart(place, options, how);
  },
);

test('without a stop before it workers serve on', async () => {
  const place = makePlace();
  const pool = await start(place);
  const worker = await onlyWorker(pool);
  await killSupervisor(pool);
  await visit({ path: place.socket });
  expect(isAlive(worker)).toBe(true);
});

test('while a pool runs nobody but its workers is there, and at its end the guard is gone', async () => {
  const place = makePlace();
  const pool = startStaying(place, ['--supervise'], ['slow-end=300', 'serve']);
  await waitForEvents(place, 'pool-up');
  const worker = await onlyWorker(pool);
  expect(childrenOf(pool.pid)).toEqual([worker]);
  process.kill(pool.pid, 'SIGTERM');
  const guard = await guardOf(pool);
  expect(await pool.ended).toEqual({ status: 0, signal: null });
  expect(readStat(guard)).toBeUndefined();
  await expectNothingLeft(place);
});

test('a guard that somebody has stopped keeps no pool from ending', async () => {
  const place = makePlace();
  const pool = startStaying(place, ['--supervise'], ['slow-end=300', 'serve']);
  await waitForEvents(place, 'pool-up');
  process.kill(pool.pid, 'SIGTERM');
  const guard = await guardOf(pool);
  process.kill(guard, 'SIGSTOP');
  expect(await pool.ended).toEqual({ status: 0, signal: null });
  expect(readStat(guard)).toBeUndefined();
  await expectNothingLeft(place);
});

test('a start that is interrupted, and whose supervisor is killed then, leaves no worker', async () => {
  const place = makePlace();
  const options = ['--supervise', '--ready', 'notify', ...patient];
  const pool = startStaying(place, options, stubborn(place));
  await waitForPids(join(place.dir, 'children'), 2);
  await cutStopShort(place, pool);
  expect(events(place, 'pool-up')).toEqual([]);
  await expectCleanStart(place, [], {});
});

test('children of a worker that is dead already end, too', async () => {
  const place = makePlace();
  const pool = await start(place, patient, ['slow-end=60000', `group=${join(place.dir, 'child')}`, 'serve']);
  const [child = 0] = await waitForPids(join(place.dir, 'child'));
  const worker = await onlyWorker(pool);
  process.kill(pool.pid, 'SIGTERM');
  const guard = await guardOf(pool);
  process.kill(worker, 'SIGKILL');
  await waitFor('the end of the worker', () => readStat(worker) === undefined);
  await killSupervisor(pool);
  await waitFor('the end of the guard', () => !isAlive(guard));
  expect(isAlive(child)).toBe(false);
});

test('TERM and HUP to the guard move nothing', async () => {
  const place = makePlace();
  const pool = await start(place, patient, stubborn(place));
  process.kill(pool.pid, 'SIGTERM');
  const guard = await guardOf(pool);
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.kill(guard, signal);
  await killSupervisor(pool);
  await expectNoProcess(place);
});

test('a guard that was killed is replaced by the kernel, which ends process groups', async () => {
  const place = makePlace();
  const pool = await start(place, [...patient, '-F', '2'], stubborn(place));
  const children = await waitForPids(join(place.dir, 'children'), 4);
  process.kill(pool.pid, 'SIGTERM');
  process.kill(await guardOf(pool), 'SIGKILL');
  const [warning] = await waitForEvents(place, 'warning');
  expect(warning?.['message']).toBe(
    'no guard of this stop (it was killed): should the supervisor be killed, the process groups that its workers have now end with it',
  );
  await killSupervisor(pool);
  await expectNoProcess(place);
  expect(children.filter((pid) => isAlive(pid))).toEqual([]);
  expect(events(place, 'warning')).toHaveLength(1);
});

test('in a chroot without a shell the kernel does it, and the log says so once', async (ctx) => {
  needRoot(ctx);
  const place = makePlace();
  const root = join(place.dir, 'root');
  mkdirSync(root);
  copyFileSync(compileC(fixture('scripted-worker.c'), { static: true }), join(root, 'app'));
  writeFileSync(join(root, 'children'), '');
  chmodSync(join(root, 'children'), 0o666);
  const log = ['--log', place.log, '--log-format', 'json'];
  const jailed = ['-c', root, ...dropped, ...patient, '--state-dir', place.stateDir, ...log];
  const actions = ['slow-end=60000', 'child=/children', 'group=/children', 'serve'];
  const pool = await startPool(['-s', '/app.sock', ...jailed, '--', '/app', ...actions], { cwd: place.dir });
  const children = await waitForPids(join(root, 'children'), 2);
  const workers = workersOf(pool);
  process.kill(pool.pid, 'SIGTERM');
  const [warning] = await waitForEvents(place, 'warning');
  expect(warning?.['message']).toContain('no guard of this stop (no /proc)');
  await killSupervisor(pool);
  await waitFor('the end of all', () => ![...workers, ...children].some((pid) => isAlive(pid)));
  expect(events(place, 'warning')).toHaveLength(1);
});

test('where no process can be started the kernel does it', async (ctx) => {
  needRoot(ctx);
  needCommands(ctx, 'prlimit');
  // A user of whom nobody else has processes.
  const user = 65_433;
  const place = makePlace();
  execFileSync('chown', ['-R', `${user}:${user}`, place.dir]);
  const pool = await start(place, patient, stubborn(place), { uid: user, gid: user });
  await waitForPids(join(place.dir, 'children'), 2);
  execFileSync(findCommand('prlimit') ?? '', ['--pid', String(pool.pid), '--nproc=1'], {
    uid: user,
    gid: user,
  });
  process.kill(pool.pid, 'SIGTERM');
  const [warning] = await waitForEvents(place, 'warning');
  expect(warning?.['message']).toContain('no guard of this stop (/bin/sh: Resource temporarily unavailable)');
  await killSupervisor(pool);
  await expectNoProcess(place);
});

const flup = findPython();
const programs = [
  {
    name: 'fcgiwrap',
    missing: missing({ commands: ['fcgiwrap'] }),
    install: ({ dir }: Place) => ({
      argv: [findCommand('fcgiwrap') ?? ''],
      script: copy('cgi-echo.sh', dir),
    }),
  },
  {
    name: 'flup',
    missing: flup === undefined ? 'needs python3 with venv' : undefined,
    install: ({ dir }: Place) => ({
      argv: [join(pythonVenv(flup ?? '', ['flup==1.0.3']), 'bin/python3'), copy('flup-echo.py', dir)],
      script: '/',
    }),
  },
] as const;

test.for(programs)(
  'an init script that waits a moment for $name with a request and then kills starts it again at once',
  async (program, ctx) => {
    ctx.skip(program.missing !== undefined, program.missing);
    const place = makePlace();
    chmodSync(place.dir, 0o777);
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
    const user = isRoot ? dropped : [];
    const command = ['-s', place.socket, ...own, ...user, '-F', '2', '--', ...argv];
    const pool = await startPool(command, { cwd: place.dir });
    const workers = workersOf(pool);
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
    const release = await waitFor('the program to work on it', () => openWithReader(fifo));
    atEnd(() => closeSync(release));
    // As it stands in such scripts.
    const stop = `kill $(cat ${place.pidFile}); sleep 0.5; kill -9 $(cat ${place.pidFile})`;
    await runCommand('/bin/sh', ['-c', stop]);
    const next = await startPool(command, { cwd: place.dir });
    expect(hintsOf(next.stderr)).toEqual([]);
    expect(await answer).toBe('cut');
    const left = workers.flatMap((pid) => sessionMembers(pid));
    expect(left).toEqual([]);
    await next.stop();
  },
);

test('an old supervisor that is killed while it drains leaves its worker to the new one', async () => {
  const place = await makeEchoPlace();
  const old = await start(place, [], []);
  const worker = await onlyWorker(old);
  const asked = askEcho(place.target, 'sleep=2000');
  await waitFor('the request in the worker', async () => (await statusOf(place)).busy === 1);
  const next = await start(place, ['--replace'], []);
  const guard = await guardOf(old);
  await killSupervisor(old);
  await waitFor('the end of the guard', () => !isAlive(guard));
  expect(await asked).toMatchObject({ pid: worker });
  await waitFor('the end of the worker', () => !isAlive(worker));
  await endPool(place, next);
});

test('an old supervisor that is killed while it drains takes its worker with it when the new one is gone', async () => {
  const place = await makeEchoPlace();
  const old = await start(place, patient, []);
  const worker = await onlyWorker(old);
  const cut = askEcho(place.target, 'sleep=60000').catch(() => 'cut');
  await waitFor('the request in the worker', async () => (await statusOf(place)).busy === 1);
  const next = await start(place, ['--replace'], []);
  const guard = await guardOf(old);
  process.kill(next.pid, 'SIGTERM');
  await waitFor('the end of the new supervisor', () => !isAlive(next.pid));
  expect(isAlive(worker)).toBe(true);
  await killSupervisor(old);
  await waitFor('the end of the guard', () => !isAlive(guard));
  await expectNoProcess(place);
  expect(await cut).toBe('cut');
});

test('an old supervisor that is killed while it drains, right behind the new one, leaves nobody that spawn-fcgictl stop would not end', async () => {
  const place = makePlace();
  const old = await start(place, patient, stubborn(place));
  const worker = await onlyWorker(old);
  const next = await start(place, ['--replace']);
  const guard = await guardOf(old);
  // So it does not look after them, as one that takes the new one for alive.
  process.kill(guard, 'SIGKILL');
  await waitFor('the end of the guard', () => !isAlive(guard));
  process.kill(next.pid, 'SIGKILL');
  await killSupervisor(old);
  await waitFor('the end of the new supervisor', () => !isAlive(next.pid));
  expect(isAlive(worker)).toBe(true);
  const stop = await ctl(place.stateDir, ['stop', place.socket]);
  expect(stop.stdout).toBe('stopped: ended 2 workers of a supervisor that was killed\n');
  expect(isAlive(worker)).toBe(false);
  await expectNoProcess(place);
});

/** Opening without a reader fails with ENXIO. */
function openWithReader(fifo: string): number | undefined {
  try {
    return openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

function copy(name: string, dir: string): string {
  const path = join(dir, name);
  copyFileSync(fixture(name), path);
  chmodSync(path, 0o755);
  return path;
}
