// How workers are ended, in a reload and in a stop: with one thread, several, children, a wrapper; busy, busy for ever,
// stopped, not to be looked into; and by each --stop-signal (docs/internals/graceful-end.md).
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { fastcgiRequest } from '../helpers/web/index.ts';

const quick = ['--settle', '50ms', '--min-uptime', '50ms'];

interface Program {
  what: string;
  missing?: string | undefined;
  options?: string[];
  /** Puts the program into the place; what follows on its command line. */
  install: (place: pools.Place) => string[];
  /** How many processes a worker is. */
  processes: number;
  /** A request that is in the middle of its work when this resolves. */
  ask: (place: pools.Place) => Promise<Held>;
}

interface Held {
  /** Lets the program go on. */
  release(): void;
  answer: Promise<string>;
}

const sessionWorker = (...actions: string[]): Pick<Program, 'install' | 'ask'> => ({
  install(place) {
    installScript(place, `exec ${compileC(fixture('session-worker.c'))} ${actions.join(' ')}`);
    return [];
  },
  ask: askForLine,
});

const programs: Program[] = [
  {
    what: 'a program without signal handling',
    install(place) {
      fs.copyFileSync(compileC(fixture('plain-echo.c')), place.app);
      return [];
    },
    processes: 1,
    ask: (place) => askForPage(place, '/'),
  },
  { what: 'a program with five threads', processes: 1, ...sessionWorker('threads=4', 'serve') },
  {
    what: 'a program with two children that serve',
    processes: 3,
    ...sessionWorker('fork', 'serve', 'then', 'fork-group', 'serve', 'then', 'sleep'),
  },
  {
    what: 'a sh wrapper with the program as its child',
    install(place) {
      installScript(place, `${compileC(fixture('plain-echo.c'))}\nexit $?`);
      return [];
    },
    processes: 2,
    ask: (place) => askForPage(place, '/'),
  },
  {
    what: 'php-cgi -C 2',
    missing: machine.missing({ commands: ['php-cgi'] }),
    options: ['-C', '2'],
    install(place) {
      fs.copyFileSync(fixture('echo.php'), join(place.dir, 'echo'));
      installScript(place, `exec ${machine.findCommand('php-cgi')}`);
      return [];
    },
    processes: 3,
    ask: (place) => askForPage(place, join(place.dir, 'echo')),
  },
  {
    what: 'fcgiwrap -c 3',
    missing: machine.missing({ commands: ['fcgiwrap'] }),
    install(place) {
      fs.copyFileSync(fixture('cgi-echo.sh'), join(place.dir, 'echo'));
      fs.chmodSync(join(place.dir, 'echo'), 0o755);
      installScript(place, `exec ${machine.findCommand('fcgiwrap')} -c 3`);
      return [];
    },
    processes: 4,
    ask: (place) => askForPage(place, join(place.dir, 'echo')),
  },
];

describe.for(programs)('$what', ({ missing: reason, options = [], install, processes, ask }) => {
  test('finishes its request in a reload, and then all of it is gone', async ({ skip }) => {
    skip(reason !== undefined, reason);
    const place = pools.makePlace();
    const actions = install(place);
    const pool = await pools.start(place, [...quick, ...options], actions);
    const worker = await wholeWorker(pool, processes);
    const held = await ask(place);
    const reloaded = pools.ctl(place.stateDir, ['reload', place.socket]);
    await pools.waitForEvents(place, 'worker-replaced');
    expect(machine.sessionMembers(worker).length).toBeGreaterThanOrEqual(processes);
    held.release();
    expect(await held.answer).not.toBe('');
    expect(await reloaded).toMatchObject({ status: 0 });
    await machine.waitFor('the end of the old session', () => machine.sessionMembers(worker).length === 0);
    expect(pools.events(place, 'killed')).toEqual([]);
    await wholeWorker(pool, processes, worker);
  });

  test('finishes its request in a stop, and nothing is left', async ({ skip }) => {
    skip(reason !== undefined, reason);
    const place = pools.makePlace();
    const pool = await pools.start(place, options, install(place));
    await wholeWorker(pool, processes);
    const held = await ask(place);
    process.kill(pool.pid, 'SIGTERM');
    await pools.waitForEvents(place, 'stopping');
    held.release();
    expect(await held.answer).not.toBe('');
    await pools.expectNothingLeft(place);
    expect(pools.events(place, 'killed')).toEqual([]);
  });
});

describe('a worker with a connection that never ends', () => {
  test('gets TERM at the deadline in a reload, and what it cut by dying of it is logged', async () => {
    const place = pools.makePlace();
    const actions = sessionWorkerIn(place, 'end-term=7', 'serve');
    const pool = await pools.start(place, [...quick, '--stop-timeout', '300ms'], actions);
    const worker = await pools.onlyWorker(pool);
    const kept = await keepOpen(place);
    expect(await pools.ctl(place.stateDir, ['reload', place.socket])).toMatchObject({ status: 0 });
    expect(machine.isAlive(worker)).toBe(false);
    expect(pools.events(place, 'killed')).toEqual([]);
    expect(kept.destroyed || kept.readableEnded || kept.closed).toBe(true);
    const [cut] = await pools.waitForEvents(place, 'request-cut');
    expect(cut).toMatchObject({ slot: 0, workerPid: worker, connections: 1, severity: 'warning' });
    expect(cut).toMatchObject({ reason: 'TERM at --stop-timeout' });
    // From when it was first seen, which a busy machine puts off.
    expect(cut?.['ageMs']).toBeGreaterThan(0);
  });

  test('is killed at the deadline in a reload, and gets no TERM, if it would just die of that', async () => {
    const place = pools.makePlace();
    const actions = sessionWorkerIn(place, 'serve');
    const pool = await pools.start(place, [...quick, '--stop-timeout', '300ms'], actions);
    const worker = await pools.onlyWorker(pool);
    await keepOpen(place);
    expect(await pools.ctl(place.stateDir, ['reload', place.socket])).toMatchObject({ status: 0 });
    expect(pools.events(place, 'killed')).toMatchObject([{ pids: [worker], reason: '--stop-timeout' }]);
    expect(pools.events(place, 'request-cut')).toMatchObject([
      { workerPid: worker, reason: '--stop-timeout' },
    ]);
  });

  test.for(['a Unix socket', 'TCP'] as const)(
    'on %s has all of --stop-timeout in a stop if it would just die of TERM, and what that cuts is logged',
    async (transport) => {
      const place = pools.makePlace();
      const port = await machine.freePort();
      const how = transport === 'TCP' ? { address: ['-a', '127.0.0.1', '-p', String(port)] } : {};
      const actions = sessionWorkerIn(place, 'serve');
      const pool = await pools.start(place, ['--stop-timeout', '600ms'], actions, how);
      const worker = await pools.onlyWorker(pool);
      const target = transport === 'TCP' ? { host: '127.0.0.1', port } : { path: place.socket };
      await keepOpen({ ...place, name: transport === 'TCP' ? `127.0.0.1:${port}` : place.socket }, target);
      process.kill(pool.pid, 'SIGTERM');
      await machine.waitFor('the end', () => !machine.isAlive(pool.pid));
      // Before, its TERM came half of that earlier, and was the end of it.
      expect(pools.events(place, 'killed')).toMatchObject([{ pids: [worker], reason: '--stop-timeout' }]);
      const [cut, ...more] = pools.events(place, 'request-cut');
      expect(more).toEqual([]);
      expect(cut).toMatchObject({ slot: 0, workerPid: worker, connections: 1, reason: '--stop-timeout' });
      // TCP knows it from the connection on; else it was first seen when the stop began, or later on a busy machine.
      expect(cut?.['ageMs']).toBeGreaterThanOrEqual(transport === 'TCP' ? 590 : 1);
    },
  );

  test('is logged when a second signal kills it', async () => {
    const place = pools.makePlace();
    const actions = sessionWorkerIn(place, 'serve');
    const pool = await pools.start(place, ['--stop-timeout', '1h', '-F', '2'], actions);
    await pools.fullPool(pool, 2);
    await keepOpen(place);
    process.kill(pool.pid, 'SIGTERM');
    await pools.waitForEvents(place, 'stopping');
    process.kill(pool.pid, 'SIGTERM');
    await pools.expectNothingLeft(place);
    expect(pools.events(place, 'request-cut')).toMatchObject([{ connections: 1, reason: 'second signal' }]);
  });

  test('gets KILL a second later when it ignores that', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(
      place,
      [...quick, '--stop-timeout', '300ms'],
      sessionWorkerIn(place, 'ignore-term', 'serve'),
    );
    const worker = await pools.onlyWorker(pool);
    await keepOpen(place);
    expect(await pools.ctl(place.stateDir, ['reload', place.socket])).toMatchObject({ status: 0 });
    expect(machine.isAlive(worker)).toBe(false);
    expect(pools.events(place, 'killed')).toMatchObject([{ pids: [worker], reason: '--stop-timeout' }]);
  });

  test('is killed at the very deadline in a stop, and never before it', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(
      place,
      ['--stop-timeout', '700ms'],
      sessionWorkerIn(place, 'ignore-term', 'serve'),
    );
    const worker = await pools.onlyWorker(pool);
    await keepOpen(place);
    const begin = performance.now();
    process.kill(pool.pid, 'SIGTERM');
    await machine.waitFor('the end', () => !machine.isAlive(pool.pid));
    expect(performance.now() - begin).toBeGreaterThanOrEqual(690);
    expect(pools.events(place, 'killed')).toMatchObject([{ pids: [worker], reason: '--stop-timeout' }]);
    await pools.expectNothingLeft(place);
  });

  test('ends at once in a stop when its client goes', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--stop-timeout', '60s'], sessionWorkerIn(place, 'serve'));
    await pools.onlyWorker(pool);
    const kept = await keepOpen(place);
    process.kill(pool.pid, 'SIGTERM');
    await pools.waitForEvents(place, 'stopping');
    kept.destroy();
    await pools.expectNothingLeft(place);
    expect(pools.events(place, 'killed')).toEqual([]);
  });
});

test('a worker that somebody has stopped is ended in a reload and in a stop', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, quick);
  for (const round of ['reload', 'stop']) {
    const worker = await pools.onlyWorker(pool);
    process.kill(worker, 'SIGSTOP');
    await machine.waitFor('the stop', () => machine.readStat(worker)?.state === 'T');
    expect(await pools.ctl(place.stateDir, [round, place.socket])).toMatchObject({ status: 0 });
    expect(machine.isAlive(worker)).toBe(false);
  }
  await pools.expectNothingLeft(place);
});

test('a reload disturbs nobody but those that it ends: nobody is left stopped', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(
    place,
    [...quick, '-F', '3'],
    sessionWorkerIn(place, 'threads=3', 'fork', 'serve', 'then', 'serve'),
  );
  for (let round = 0; round < 3; round += 1) {
    expect(await pools.ctl(place.stateDir, ['reload', place.socket])).toMatchObject({ status: 0 });
  }
  const members = (await pools.fullPool(pool, 3)).flatMap((worker) => machine.sessionMembers(worker));
  await machine.waitFor('everybody to run', () =>
    members.every((pid) => machine.readStat(pid)?.state !== 'T'),
  );
});

test('a program that may not be read is ended at the deadline, which is logged once', async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  for (const path of [place.dir, place.runDir, place.report])
    fs.chownSync(path, machine.NOBODY, machine.NOBODY);
  fs.chmodSync(place.app, 0o711);
  const options = ['--settle', '300ms', '--min-uptime', '50ms', '--stop-timeout', '400ms'];
  const pool = await pools.start(place, options, ['serve'], { uid: machine.NOBODY, gid: machine.NOBODY });
  const worker = await pools.onlyWorker(pool);
  expect((await pools.statusOf(place)).workers).toMatchObject([{ activity: 'unknown', state: 'running' }]);
  const reloaded = await pools.ctl(place.stateDir, ['reload', place.socket]);
  expect(reloaded).toMatchObject({ status: 0 });
  expect(machine.isAlive(worker)).toBe(false);
  const warnings = pools.events(place, 'warning').map(({ message }) => message);
  expect(warnings).toEqual([
    `worker PID ${worker}: its connections cannot be seen, so it is ended at --stop-timeout`,
  ]);
});

describe('--stop-signal', () => {
  // Writes down what it gets, and ends on USR1 alone.
  const trapping = `
for name in TERM INT QUIT HUP USR2; do trap "echo $name >>\${0%/*}/signals" $name; done
trap 'echo USR1 >>\${0%/*}/signals; exit' USR1
echo $$ >>\${0%/*}/trapping
while :; do sleep 0.02; done`;

  test.for(['USR1', 'SIGUSR1', 'usr1'])('%s is what workers get, and nothing else', async (name) => {
    const place = pools.makePlace();
    installScript(place, trapping);
    const pool = await pools.start(place, ['--stop-signal', name, '-F', '2'], []);
    await pools.fullPool(pool, 2);
    await pools.waitForPids(join(place.dir, 'trapping'), 2);
    expect(await pools.ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
    expect(signalsOf(place)).toEqual(['USR1', 'USR1']);
    expect(pools.events(place, 'killed')).toEqual([]);
    await pools.expectNothingLeft(place);
  });

  test('that the program does not heed is followed by KILL at the deadline', async () => {
    const place = pools.makePlace();
    installScript(place, trapping);
    const pool = await pools.start(place, ['--stop-signal', 'USR2', '--stop-timeout', '400ms'], []);
    const worker = await pools.onlyWorker(pool);
    await pools.waitForPids(join(place.dir, 'trapping'));
    expect(await pools.ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
    expect(signalsOf(place)).toEqual(['USR2']);
    expect(pools.events(place, 'killed')).toMatchObject([{ reason: '--stop-timeout' }]);
    expect(machine.sessionMembers(worker)).toEqual([]);
    await pools.expectNothingLeft(place);
  });

  test('comes in the middle of a request in a reload, since the program finishes that on it', async () => {
    const place = pools.makePlace();
    const server = compileC(fixture('session-worker.c'));
    // The script notes the signal; its child, which serves, ignores it.
    installScript(
      place,
      `exec 3<&0
(trap '' USR2; exec ${server} serve <&3 3<&-) &
trap 'echo USR2 >>"\${0%/*}/signals"' USR2
while kill -0 $!; do wait $!; done`,
    );
    const pool = await pools.start(place, [...quick, '--stop-signal', 'USR2', '--stop-timeout', '2s'], []);
    const worker = await wholeWorker(pool, 2);
    const held = await askForLine(place);
    const reloaded = pools.ctl(place.stateDir, ['reload', place.socket]);
    await pools.waitForEvents(place, 'worker-replaced');
    await machine.waitFor('the signal', () => fs.existsSync(join(place.dir, 'signals')));
    const child = machine.sessionMembers(worker).find((pid) => pid !== worker) ?? 0;
    expect(machine.isAlive(child)).toBe(true);
    held.release();
    expect(await held.answer).toBe(`${child}\n`);
    process.kill(child, 'SIGKILL');
    expect(await reloaded).toMatchObject({ status: 0 });
  });

  test('idle-kill ends an idle worker by KILL at once, and a busy one when it is idle, never by TERM', async () => {
    const place = pools.makePlace();
    const pool = pools.startStaying(
      place,
      ['--stop-signal', 'idle-kill', '-F', '2'],
      sessionWorkerIn(place, 'ignore-term', 'serve'),
    );
    await pools.waitForEvents(place, 'pool-up');
    const [first, second] = await pools.fullPool(pool, 2);
    const held = await askForLine(place);
    process.kill(pool.pid, 'SIGTERM');
    await machine.waitFor(
      'the end of the idle one',
      () => !machine.isAlive(first ?? 0) || !machine.isAlive(second ?? 0),
    );
    expect([first, second].filter((pid) => machine.isAlive(pid ?? 0))).toHaveLength(1);
    held.release();
    expect(await held.answer).toMatch(/^\d+\n$/);
    expect(await pool.ended).toMatchObject({ status: 0 });
    expect(pools.events(place, 'killed')).toEqual([]);
    await pools.expectNothingLeft(place);
  });

  test('idle-kill of a worker that is never idle is KILL at the deadline', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(
      place,
      ['--stop-signal', 'idle-kill', '--stop-timeout', '400ms'],
      sessionWorkerIn(place, 'catch-term', 'serve'),
    );
    const worker = await pools.onlyWorker(pool);
    await keepOpen(place);
    expect(await pools.ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
    expect(pools.events(place, 'killed')).toMatchObject([{ pids: [worker], reason: '--stop-timeout' }]);
  });

  test.for(['KILL', 'STOP', 'CONT', 'CHLD', 'NOSUCH', ''])('%j is refused', async (name) => {
    const place = pools.makePlace();
    await expect(pools.start(place, ['--stop-signal', name])).rejects.toThrow(
      'invalid value for --stop-signal',
    );
    await pools.expectNothingLeft(place);
  });
});

/** session-worker in the place, which serves by lines. */
function sessionWorkerIn(place: pools.Place, ...actions: string[]): string[] {
  return sessionWorker(...actions).install(place);
}

function installScript(place: pools.Place, text: string): void {
  fs.writeFileSync(place.app, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
}

/** The only worker, with as many processes as it shall have. */
async function wholeWorker(pool: { pid: number }, processes: number, ended = 0): Promise<number> {
  const worker = await pools.onlyWorker(pool, [ended]);
  await machine.waitFor(`${processes} processes`, () => machine.sessionMembers(worker).length === processes);
  return worker;
}

/** A FastCGI request that waits at a FIFO. */
async function askForPage(place: pools.Place, script: string): Promise<Held> {
  const fifo = join(place.dir, 'fifo');
  execFileSync('mkfifo', ['-m', '0666', fifo]);
  const parameters = {
    REQUEST_METHOD: 'GET',
    QUERY_STRING: `hold=${fifo}`,
    SCRIPT_FILENAME: script,
    SCRIPT_NAME: '/echo',
    REDIRECT_STATUS: '200',
    GATEWAY_INTERFACE: 'CGI/1.1',
  };
  const answer = fastcgiRequest({ socketPath: place.socket }, parameters).then(({ stdout }) => {
    if (!stdout.includes(`GET hold=${fifo}`)) throw new Error(`not the echo: ${stdout}`);
    return stdout;
  });
  // A request that is lost is told by who waits for the answer.
  answer.catch(() => undefined);
  const fd = await machine.waitFor('the program at the FIFO', () => openForWriting(fifo));
  return { release: () => fs.closeSync(fd), answer };
}

/** Opening without a reader fails with ENXIO. */
function openForWriting(fifo: string): number | undefined {
  try {
    return fs.openSync(fifo, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

/** A request to session-worker, which answers with its PID when the line is complete. */
async function askForLine(place: pools.Place): Promise<Held> {
  const connection = await keepOpen(place);
  let text = '';
  connection.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const answer = new Promise<string>((resolve) => connection.once('close', () => resolve(text)));
  return { release: () => void connection.write('\n'), answer };
}

/** A connection that a worker has accepted, and that says nothing. */
async function keepOpen(
  place: pools.Place & { name?: string },
  target: { path: string } | { port: number; host: string } = { path: place.socket },
): Promise<Socket> {
  const connection = connect(target).resume();
  connection.on('error', () => undefined);
  machine.atEnd(() => {
    connection.destroy();
  });
  await machine.waitFor('a busy worker', async () =>
    (await pools.statusOf(place)).workers.some(({ activity }) => activity !== 'idle'),
  );
  return connection;
}

function signalsOf({ dir }: pools.Place): string[] {
  return fs.readFileSync(join(dir, 'signals'), 'utf8').split('\n').filter(Boolean);
}
