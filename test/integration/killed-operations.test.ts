// What a pool does when it runs, killed at each of its steps: stop, reload, restart, scaling, and what a start does that
// takes a pool over.
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { atEnd } from '../helpers/machine/cleanup.ts';
import { compileC } from '../helpers/build/compile-c.ts';
import { isAlive, readOpenFiles, readStat } from '../helpers/machine/processes.ts';
import { needRoot, needTracing } from '../helpers/machine/requirements.ts';
import { startHeld, StepTracer } from '../helpers/steps/step-tracer.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import {
  expectWorkersToStay,
  holdAtSteps,
  killAtSteps,
  killTimeout,
} from '../helpers/steps/killed-at-steps.ts';
import { isChosen, isFull } from '../helpers/steps/killed-choice.ts';
import { operationsOf } from '../helpers/steps/killed-operations.ts';
import { settings } from '../helpers/steps/killed-settings.ts';
import { commandLine, fullPool, makePlace, onlyWorker, start } from '../helpers/pool/place.ts';

describe.for(settings)('a pool with $name', (setting) => {
  const chosen = operationsOf(setting).filter((_, number) => isChosen(number, setting, settings));

  test.for(chosen)(
    '$name: when somebody is killed on the way, the next start heals',
    { timeout: killTimeout },
    async (operation, ctx) => {
      needTracing(ctx);
      await killAtSteps(operation);
    },
  );
});

/** The old supervisor takes its pool back when the new one is not done 5 s after it got leave to write. */
const lostPatienceMs = 5_500;

test.for(
  settings
    .slice(1, 2)
    .flatMap(operationsOf)
    .filter(({ name }) => name === 'handover'),
)(
  'there is one pool, and the files name it, when the new supervisor of a $name was stopped too long',
  { timeout: killTimeout },
  async (operation, ctx) => {
    needTracing(ctx);
    const steps = ['write app.pid', 'write worker-0.pid', 'write .state', 'send'];
    await holdAtSteps(operation, lostPatienceMs, isFull ? undefined : steps);
  },
);

test.for(
  settings
    .slice(1, 2)
    .flatMap(operationsOf)
    .filter(({ name }) => name === 'handover'),
)(
  'in a $name the new workers serve on when their supervisor is killed after the old one has let go',
  async (operation, ctx) => {
    needTracing(ctx);
    // The verdict for the guard, right behind the last word to the old supervisor.
    await expectWorkersToStay(operation, 'write pipe');
  },
);

test.for(['close .state', 'connect .ctl', 'send'])(
  'a start with --replace takes the workers over when the supervisor that it asks is killed before its %s',
  async (name, ctx) => {
    needTracing(ctx);
    const place = makePlace();
    const old = await start(place, ['--settle', '100ms']);
    const worker = await onlyWorker(old);
    const next = await startHeld(place.dir, commandLine(place, ['--settle', '100ms', '--replace']));
    const tracer = await StepTracer.attach(next.pid, { name, nth: 1, action: 'hold' });
    process.kill(next.pid, 'SIGCONT');
    await waitFor('the step', () => tracer.hasArrived);
    process.kill(old.pid, 'SIGKILL');
    await waitFor('the end of the old supervisor', () => !isAlive(old.pid));
    tracer.release();
    expect(await next.command.ended).toMatchObject({ status: 0 });
    await waitFor('the end of the old worker', () => !isAlive(worker));
  },
);

test('a worker with a request that the old supervisor had stopped when it was killed goes on', async (ctx) => {
  needTracing(ctx);
  const place = makePlace();
  copyFileSync(compileC(acceptsAndWaits), place.app);
  const options = ['-P', place.pidFile, '--stop-timeout', '1h'];
  const old = await start(place, options);
  const worker = await onlyWorker(old);
  const connection = connect(place.socket);
  atEnd(() => {
    connection.destroy();
  });
  await waitFor('the request', () => readOpenFiles(worker).length > 3);
  const next = await startHeld(place.dir, commandLine(place, [...options, '--replace']));
  const tracer = await StepTracer.attach(next.pid, { name: 'write status', nth: 1, action: 'hold' });
  process.kill(next.pid, 'SIGCONT');
  await waitFor('the new supervisor', () => tracer.hasArrived);
  process.kill(worker, 'SIGSTOP');
  await waitFor('the stop', () => readStat(worker)?.state === 'T');
  process.kill(old.pid, 'SIGKILL');
  await waitFor('the end of the old supervisor', () => !isAlive(old.pid));
  tracer.release();
  expect((await next.command.ended).status).toBe(0);
  await waitFor('the worker to go on', () => readStat(worker)?.state === 'S', { timeoutMs: 3_000 });
});

const acceptsAndWaits = `
#include <sys/socket.h>
#include <unistd.h>
int main(void) {
	accept(0, NULL, NULL);
	for (;;) pause();
}
`;

test.for([
  ['killed', []],
  ['replaced', ['--replace']],
] as const)(
  'a pool whose supervisor was %s wakes up never, once the old workers are gone',
  async ([how, options], ctx) => {
    needRoot(ctx);
    const place = makePlace();
    const old = await start(place, ['-F', '2', '--settle', '100ms']);
    const oldWorkers = await fullPool(old, 2);
    if (how === 'killed') process.kill(old.pid, 'SIGKILL');
    const pool = await start(place, ['-F', '2', '--settle', '100ms', ...options]);
    await waitFor('the end of the old pool', () => ![old.pid, ...oldWorkers].some((pid) => isAlive(pid)));
    let [before, sinceMs] = [-1, 0];
    await waitFor('a second without a wake-up', () => {
      const count = wakeUpsOf(pool.pid);
      if (count !== before) [before, sinceMs] = [count, performance.now()];
      return performance.now() - sinceMs > 1_000;
    });
  },
);

/** Of all threads, ever. */
function wakeUpsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((task) => readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8'))
    .map((text) => Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(text)?.[1]))
    .reduce((sum, count) => sum + count, 0);
}
