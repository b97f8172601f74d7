// A supervisor in the foreground that finds workers of one that was killed, and is asked to stop before it is up, as
// s6-svc -d and sv down do at any moment: who ends the service means these workers too. A start in the background that
// is interrupted leaves them as they were.
import { setTimeout as pause } from 'node:timers/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startForeground, type ForegroundPool } from '../helpers/pool/command-under-test.ts';
import { childrenOf, isAlive, readProcess, readStat } from '../helpers/machine/processes.ts';
import { isRoot, needTracing } from '../helpers/machine/requirements.ts';
import { startHeld, StepTracer, type Step } from '../helpers/steps/step-tracer.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { killSupervisor } from '../helpers/pool/echo-pool.ts';
import {
  commandLine,
  endPool,
  expectNoProcess,
  expectNothingLeft,
  fullPool,
  makePlace,
  processesOf,
  start,
  startStaying,
  visit,
  waitForPids,
  workersOf,
  type Place,
} from '../helpers/pool/place.ts';

const user = isRoot ? ['-u', 'nobody', '-g', 'nogroup'] : [];
const staying = ['-n', '--supervise', ...user];

/** Workers without a supervisor, and a PID file that names the dead one. */
async function makeOrphans(place: Place): Promise<number[]> {
  const pool = await start(place, [...user, '-F', '2', '-P', place.pidFile]);
  const workers = await fullPool(pool, 2);
  await killSupervisor(pool);
  return workers;
}

/** A start on orphans, followed from its first step. */
async function startOnOrphans(at?: Step): Promise<{
  place: Place;
  orphans: number[];
  tracer: StepTracer;
  command: ForegroundPool;
  pid: number;
}> {
  const place = makePlace();
  const orphans = await makeOrphans(place);
  const { command, pid } = await startHeld(place.dir, commandLine(place, [...staying, '-P', place.pidFile]));
  const tracer = await StepTracer.attach(pid, at && { ...at, action: 'hold' });
  process.kill(pid, 'SIGCONT');
  return { place, orphans, tracer, command, pid };
}

test('TERM at each step up to the end of the start', { timeout: 300_000 }, async (ctx) => {
  needTracing(ctx);
  const whole = await startOnOrphans();
  await waitFor('the pool', () => whole.command.stdout().includes('successfully'));
  await waitFor('the end of the orphans', () => !whole.orphans.some((pid) => isAlive(pid)));
  await whole.tracer.quiet();
  const { steps } = whole.tracer;
  await endPool(whole.place, whole);
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
  await waitFor('the step', () => tracer.hasArrived || command.stdout().includes('successfully'));
  process.kill(pid, 'SIGTERM');
  // Past "up" the start may say so, and get its TERM, a moment before it arrives there.
  await waitFor('the end', () => {
    tracer.release();
    return !isAlive(pid);
  });
  expect(await command.ended).toEqual({ status: 0, signal: null });
  await expectNoProcess(place);
  await tracer.end();
}

test('TERM before Node listens for it', async () => {
  const place = makePlace();
  const orphans = await makeOrphans(place);
  const { command, pid } = await startHeld(place.dir, commandLine(place, staying));
  process.kill(pid, 'SIGTERM');
  process.kill(pid, 'SIGCONT');
  expect(await command.ended).toEqual({ status: null, signal: 'SIGTERM' });
  // The start that does the rest is held, too.
  const next = await waitFor('the one that stands in', () =>
    processesOf(place).find(
      (found) => found.pid !== pid && found.state === 'T' && !orphans.includes(found.pid),
    ),
  );
  process.kill(next.pid, 'SIGCONT');
  await expectNoProcess(place);
});

test('TERM at any moment', async () => {
  const place = makePlace();
  for (let round = 0; round < 6; round++) {
    await makeOrphans(place);
    const pool = startForeground(commandLine(place, staying), { cwd: place.dir });
    // Once the shell has its handlers: nobody can follow a signal that comes before.
    await waitFor('the shell to listen', () => catchesTerm(pool.pid));
    await pause(Math.random() * 250);
    process.kill(pool.pid, 'SIGTERM');
    await pool.ended;
    await expectNoProcess(place);
  }
});

test('TERM while new workers are not up yet ends the old ones, and leaves what a stop leaves', async () => {
  const place = makePlace();
  const pool = await start(place, ['-F', '2', '-P', place.pidFile]);
  const orphans = await fullPool(pool, 2);
  await killSupervisor(pool);
  const options = ['--supervise', '--ready', 'notify', '-P', place.pidFile];
  const next = startStaying(place, options, [`child=${join(place.dir, 'child')}`, 'hang']);
  await waitForPids(join(place.dir, 'child'));
  await visit({ path: place.socket });
  process.kill(next.pid, 'SIGTERM');
  expect(await next.ended).toEqual({ status: 0, signal: null });
  expect(next.stderr()).toBe('spawn-fcgi: start interrupted by SIGTERM\n');
  expect(orphans.filter((pid) => isAlive(pid))).toEqual([]);
  await expectNothingLeft(place);
});

test('TERM to one that waits for the lock of a pool that stops ends that one alone', async () => {
  const place = makePlace();
  const pool = await start(place, ['--stop-timeout', '1h'], ['slow-end=60000', 'serve']);
  process.kill(pool.pid, 'SIGTERM');
  const next = startStaying(place, ['--supervise']);
  const hasStarted = (): boolean =>
    next.pid > 0 && catchesTerm(next.pid) && readStat(next.pid)?.comm === 'app';
  await waitFor('the start to wait', hasStarted);
  process.kill(next.pid, 'SIGTERM');
  expect((await next.ended).signal).toBeNull();
  expect(isAlive(pool.pid)).toBe(true);
  process.kill(pool.pid, 'SIGTERM');
  await expectNoProcess(place);
});

test('nobody stands in any more once the supervisor listens, and no zombie is left', async () => {
  const place = makePlace();
  await makeOrphans(place);
  const pool = startStaying(place, ['--supervise', ...user]);
  await waitFor('the pool', () => pool.stdout().includes('successfully'));
  // A zombie is a child, too. The guard of the start has its last moment here.
  await waitFor('the worker alone', () => childrenOf(pool.pid).length === 1);
  expect(workersOf(pool)).toHaveLength(1);
  await endPool(place, pool);
});

test('a start in the background that is interrupted leaves them in service', async () => {
  const place = makePlace();
  const orphans = await makeOrphans(place);
  const options = [...user, '--ready', 'notify'];
  const next = startForeground(
    commandLine(place, options, [`child=${join(place.dir, 'report-child')}`, 'hang']),
    {
      cwd: place.dir,
    },
  );
  await waitFor('a new worker', () => processesOf(place).length > 4);
  process.kill(next.pid, 'SIGTERM');
  expect((await next.ended).status).not.toBe(0);
  await waitFor('the end of the start', () => processesOf(place).length === orphans.length);
  await visit({ path: place.socket });
  expect(orphans.filter((pid) => !isAlive(pid))).toEqual([]);
});

/** SigCgt of proc(5). */
function catchesTerm(pid: number): boolean {
  const caught = readProcess(pid)?.status['SigCgt'] ?? '0';
  return ((BigInt(`0x${caught}`) >> 14n) & 1n) === 1n;
}
