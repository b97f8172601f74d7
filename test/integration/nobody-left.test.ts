// "Stopped" is said when a look has shown that nobody is left, not when nobody was seen.
import { chmodSync, copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const program = compileC(fixture('leaving-worker.c'));

async function startLeaving(
  place: pools.Place,
  options: readonly string[],
  actions: readonly string[],
  { command = pools.oursPath, front = [] }: { command?: string; front?: readonly string[] } = {},
): Promise<pools.Pool> {
  // A name of its own (a place's is unique): who forks and ends all the time can be ended by nothing else.
  const app = join(place.dir, basename(place.dir).slice(-15));
  copyFileSync(program, app);
  const pids = join(place.dir, 'pids');
  writeFileSync(pids, '');
  chmodSync(pids, 0o666);
  const own = ['--state-dir', place.stateDir, '--log', place.log, '--log-format', 'json'];
  machine.atEnd(() => killRunaways(place, app));
  const all = ['-s', place.socket, ...own, ...options, '--', app, `pids=${pids}`, ...actions];
  return pools.startPool([...front, ...all], { cwd: place.dir, command });
}

/** One look may miss them, but not they that their file is gone. */
async function killRunaways(place: pools.Place, app: string): Promise<void> {
  rmSync(join(place.dir, 'pids'), { force: true });
  const isOver = (): boolean => {
    const left = machine.allStats().filter(({ comm, state }) => comm === basename(app) && state !== 'Z');
    for (const { pid, startTime } of left) machine.signalProcess(pid, startTime, 'SIGKILL');
    return !hasListener(place.socket) && left.length === 0;
  };
  await machine.waitFor('the end of runaways', isOver);
}

/** By the kernel's list, whoever has it: a look at processes may miss the one. */
function hasListener(path: string): boolean {
  return readFileSync('/proc/net/unix', 'utf8').includes(path);
}

async function endOf({ pid }: pools.Pool): Promise<void> {
  process.kill(pid, 'SIGTERM');
  await machine.waitFor('the end of the supervisor', () => !machine.isAlive(pid), { timeoutMs: 20_000 });
}

describe.for(['0', '300', '2000'])('a child that forks and ends every %s us, in ever new groups', (pause) => {
  test.for(['', 'nobody'])('is gone when the pool is said to be stopped (-u "%s")', async (user, ctx) => {
    if (user !== '') machine.needRoot(ctx);
    const place = pools.makePlace();
    const options = [...(user === '' ? [] : ['-u', user]), '--stop-timeout', '500ms'];
    const pool = await startLeaving(place, options, [`runaway=${pause}`]);
    await pools.waitForPids(join(place.dir, 'pids'));
    await endOf(pool);
    expect(hasListener(place.socket)).toBe(false);
    expect(pools.events(place).at(-1)?.event).toBe('stopped');
    await pools.expectNoProcess(place);
  });
});

test('a child that has left its worker, and forks and ends for ever, is gone when the pool is said to be stopped', async () => {
  const place = pools.makePlace();
  const pool = await startLeaving(place, ['--stop-timeout', '500ms'], ['own-session', 'runaway=300']);
  await pools.waitForPids(join(place.dir, 'pids'));
  await endOf(pool);
  expect(hasListener(place.socket)).toBe(false);
  await pools.expectNothingLeft(place);
});

test('a child that forks and ends for ever is ended when its worker was killed, too', async () => {
  const place = pools.makePlace();
  const pool = await startLeaving(place, ['--stop-timeout', '200ms', '--min-uptime', '1ms'], ['runaway=300']);
  await pools.waitForPids(join(place.dir, 'pids'));
  const [worker] = await machine.waitFor('the worker', () => {
    const leaders = machine
      .allStats()
      .filter(({ parent, pid, session }) => parent === pool.pid && session === pid);
    return leaders.length > 0 && leaders;
  });
  process.kill(worker?.pid ?? 0, 'SIGKILL');
  const sessionOf = (): number[] =>
    machine.allStats().flatMap(({ session, pid }) => (session === worker?.pid ? [pid] : []));
  await machine.waitFor('KILL of what it left', () => pools.events(place, 'killed').length > 0);
  await machine.waitFor('the end of its session', () => sessionOf().length === 0);
  await endOf(pool);
  await pools.expectNothingLeft(place);
});

test('a child that forks and ends for ever is gone when the pool of a killed supervisor is said to be stopped', async () => {
  const place = pools.makePlace();
  const pool = await startLeaving(place, ['--stop-timeout', '500ms'], ['runaway=1000']);
  await pools.waitForPids(join(place.dir, 'pids'));
  await pools.killSupervisor(pool);
  const stopped = await pools.ctl(place.stateDir, ['stop', place.socket]);
  // On a busy machine he may not be caught within --stop-timeout, which is no success then.
  const isCaught = stopped.status === 0;
  expect(isCaught ? hasListener(place.socket) : stopped.status).toBe(isCaught ? false : 1);
  if (isCaught) await pools.expectNothingLeft(place);
});

test('a supervisor without a free descriptor finds children of workers all the same', async () => {
  const place = pools.makePlace();
  const limited = { command: 'sh', front: ['-c', 'ulimit -n 64; exec "$@"', 'sh', pools.oursPath] };
  const pool = await startLeaving(place, ['--stop-timeout', '300ms'], ['ignore-term', 'group'], limited);
  const [child = 0] = await pools.waitForPids(join(place.dir, 'pids'));
  const clients = connectUntilFull(place);
  await machine.waitFor('the last descriptor', () => machine.readOpenFiles(pool.pid).length >= 63);
  await endOf(pool);
  expect(machine.isAlive(child)).toBe(false);
  for (const client of clients) client.destroy();
  await pools.expectNothingLeft(place);
});

/** Control connections, more than there are descriptors for. */
function connectUntilFull(place: pools.Place): Socket[] {
  const control = pools.poolFile(place, '.ctl');
  const clients = Array.from({ length: 70 }, () => connect(control).on('error', () => undefined));
  machine.atEnd(() => clients.forEach((client) => client.destroy()));
  return clients;
}
