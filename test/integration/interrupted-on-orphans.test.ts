// A supervisor in the foreground that finds workers of one that was killed, and is asked to stop before it is up, as
// s6-svc -d and sv down do at any moment: who ends the service means these workers too. A start in the background that
// is interrupted leaves them as they were.
import { setTimeout as pause } from 'node:timers/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { startHeld, StepTracer, type Step } from '../helpers/steps/index.ts';

const user = machine.isRoot ? ['-u', 'nobody', '-g', 'nogroup'] : [];
const staying = ['-n', '--supervise', ...user];

/** Workers without a supervisor, and a PID file that names the dead one. */
async function makeOrphans(place: pools.Place): Promise<number[]> {
  const pool = await pools.start(place, [...user, '-F', '2', '-P', place.pidFile]);
  const workers = await pools.fullPool(pool, 2);
  await pools.killSupervisor(pool);
  return workers;
}

/** A start on orphans, followed from its first step. */
async function startOnOrphans(at?: Step): Promise<{
  place: pools.Place;
  orphans: number[];
  tracer: StepTracer;
  command: pools.ForegroundPool;
  pid: number;
}> {
  const place = pools.makePlace();
  const orphans = await makeOrphans(place);
  const { command, pid } = await startHeld(
    place.dir,
    pools.commandLine(place, [...staying, '-P', place.pidFile]),
  );
  const tracer = await StepTracer.attach(pid, at && { ...at, action: 'hold' });
  process.kill(pid, 'SIGCONT');
  return { place, orphans, tracer, command, pid };
}

test('TERM at each step up to the end of the start', { timeout: 300_000 }, async (ctx) => {
  machine.needTracing(ctx);
  const whole = await startOnOrphans();
  await machine.waitFor('the pool', () => whole.command.stdout().includes('successfully'));
  await machine.waitFor('the end of the orphans', () => !whole.orphans.some((pid) => machine.isAlive(pid)));
  await whole.tracer.quiet();
  const { steps } = whole.tracer;
  await pools.endPool(whole.place, whole);
  // Turning away the one that stands in is the first thing that Node does.
  const left = steps.slice(steps.findIndex(({ name }) => name === 'kill KILL') + 1);
  expect(left.map(({ name }) => name)).toEqual(expect.arrayContaining(['write .state', 'child execve']));
  const failures: string[] = [];
  const work = async (): Promise<void> => {
    for (let step = left.shift(); step; step = left.shift()) {
      await interruptAt(step).catch((error: unknown) => {
        failures.push(`${step?.name} #${step?.nth}: ${(error as Error).message}`);
      });
    }
  };
  await Promise.all([work(), work(), work(), work()]);
  expect(failures).toEqual([]);
});

async function interruptAt(step: Step): Promise<void> {
  const { place, tracer, command, pid } = await startOnOrphans(step);
  await machine.waitFor('the step', () => tracer.hasArrived || command.stdout().includes('successfully'));
  process.kill(pid, 'SIGTERM');
  // Past "up" the start may say so, and get its TERM, a moment before it arrives there.
  await machine.waitFor('the end', () => {
    tracer.release();
    return !machine.isAlive(pid);
  });
  expect(await command.ended).toEqual({ status: 0, signal: null });
  await pools.expectNoProcess(place);
  await tracer.end();
}

test('TERM before Node listens for it', async () => {
  const place = pools.makePlace();
  const orphans = await makeOrphans(place);
  const { command, pid } = await startHeld(place.dir, pools.commandLine(place, staying));
  process.kill(pid, 'SIGTERM');
  process.kill(pid, 'SIGCONT');
  expect(await command.ended).toEqual({ status: null, signal: 'SIGTERM' });
  // The start that does the rest is held, too.
  const next = await machine.waitFor('the one that stands in', () =>
    pools
      .processesOf(place)
      .find((found) => found.pid !== pid && found.state === 'T' && !orphans.includes(found.pid)),
  );
  process.kill(next.pid, 'SIGCONT');
  await pools.expectNoProcess(place);
});

test('TERM at any moment', async () => {
  const place = pools.makePlace();
  for (let round = 0; round < 6; round++) {
    await makeOrphans(place);
    const pool = pools.startForeground(pools.commandLine(place, staying), { cwd: place.dir });
    // Once the shell has its handlers: nobody can follow a signal that comes before.
    await machine.waitFor('the shell to listen', () => catchesTerm(pool.pid));
    await pause(Math.random() * 250);
    process.kill(pool.pid, 'SIGTERM');
    await pool.ended;
    await pools.expectNoProcess(place);
  }
});

test('TERM while new workers are not up yet ends the old ones, and leaves what a stop leaves', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, ['-F', '2', '-P', place.pidFile]);
  const orphans = await pools.fullPool(pool, 2);
  await pools.killSupervisor(pool);
  const options = ['--supervise', '--ready', 'notify', '-P', place.pidFile];
  const next = pools.startStaying(place, options, [`child=${join(place.dir, 'child')}`, 'hang']);
  await pools.waitForPids(join(place.dir, 'child'));
  await pools.visit({ path: place.socket });
  process.kill(next.pid, 'SIGTERM');
  expect(await next.ended).toEqual({ status: 0, signal: null });
  expect(next.stderr()).toBe('spawn-fcgi: start interrupted by SIGTERM\n');
  expect(orphans.filter((pid) => machine.isAlive(pid))).toEqual([]);
  await pools.expectNothingLeft(place);
});

test('TERM to one that waits for the lock of a pool that stops ends that one alone', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, ['--stop-timeout', '1h'], ['slow-end=60000', 'serve']);
  process.kill(pool.pid, 'SIGTERM');
  const next = pools.startStaying(place, ['--supervise']);
  const hasStarted = (): boolean =>
    next.pid > 0 && catchesTerm(next.pid) && machine.readStat(next.pid)?.comm === 'app';
  await machine.waitFor('the start to wait', hasStarted);
  process.kill(next.pid, 'SIGTERM');
  expect((await next.ended).signal).toBeNull();
  expect(machine.isAlive(pool.pid)).toBe(true);
  process.kill(pool.pid, 'SIGTERM');
  await pools.expectNoProcess(place);
});

test('nobody stands in any more once the supervisor listens, and no zombie is left', async () => {
  const place = pools.makePlace();
  await makeOrphans(place);
  const pool = pools.startStaying(place, ['--supervise', ...user]);
  await machine.waitFor('the pool', () => pool.stdout().includes('successfully'));
  // A zombie is a child, too. The guard of the start has its last moment here.
  await machine.waitFor('the worker alone', () => machine.childrenOf(pool.pid).length === 1);
  expect(pools.workersOf(pool)).toHaveLength(1);
  await pools.endPool(place, pool);
});

test('a start in the background that is interrupted leaves them in service', async () => {
  const place = pools.makePlace();
  const orphans = await makeOrphans(place);
  const options = [...user, '--ready', 'notify'];
  const next = pools.startForeground(
    pools.commandLine(place, options, [`child=${join(place.dir, 'report-child')}`, 'hang']),
    {
      cwd: place.dir,
    },
  );
  await machine.waitFor('a new worker', () => pools.processesOf(place).length > 4);
  process.kill(next.pid, 'SIGTERM');
  expect((await next.ended).status).not.toBe(0);
  await machine.waitFor('the end of the start', () => pools.processesOf(place).length === orphans.length);
  await pools.visit({ path: place.socket });
  expect(orphans.filter((pid) => !machine.isAlive(pid))).toEqual([]);
});

/** SigCgt of proc(5). */
function catchesTerm(pid: number): boolean {
  const caught = machine.readProcess(pid)?.status['SigCgt'] ?? '0';
  return ((BigInt(`0x${caught}`) >> 14n) & 1n) === 1n;
}
