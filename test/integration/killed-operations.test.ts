// What a pool does when it runs, killed at each of its steps: stop, reload, restart, scaling, and what a start does that
// takes a pool over.
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { compileC } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import { commandLine, fullPool, makePlace, onlyWorker, start } from '../helpers/pool/index.ts';
import * as steps from '../helpers/steps/index.ts';

describe.for(steps.settings)('a pool with $name', (setting) => {
  const chosen = steps
    .operationsOf(setting)
    .filter((_, number) => steps.isChosen(number, setting, steps.settings));

  test.for(chosen)(
    '$name: when somebody is killed on the way, the next start heals',
    { timeout: steps.killTimeout },
    async (operation, ctx) => {
      machine.needTracing(ctx);
      await steps.killAtSteps(operation);
    },
  );
});

/** The old supervisor takes its pool back when the new one is not done 5 s after it got leave to write. */
const lostPatienceMs = 5_500;

test.for(
  steps.settings
    .slice(1, 2)
    .flatMap(steps.operationsOf)
    .filter(({ name }) => name === 'handover'),
)(
  'there is one pool, and the files name it, when the new supervisor of a $name was stopped too long',
  { timeout: steps.killTimeout },
  async (operation, ctx) => {
    machine.needTracing(ctx);
    const writes = ['write app.pid', 'write worker-0.pid', 'write .state', 'send'];
    await steps.holdAtSteps(operation, lostPatienceMs, steps.isFull ? undefined : writes);
  },
);

test.for(
  steps.settings
    .slice(1, 2)
    .flatMap(steps.operationsOf)
    .filter(({ name }) => name === 'handover'),
)(
  'in a $name the new workers serve on when their supervisor is killed after the old one has let go',
  async (operation, ctx) => {
    machine.needTracing(ctx);
    // The verdict for the guard, right behind the last word to the old supervisor.
    await steps.expectWorkersToStay(operation, 'write pipe');
  },
);

test.for(['close .state', 'connect .ctl', 'send'])(
  'a start with --replace takes the workers over when the supervisor that it asks is killed before its %s',
  async (name, ctx) => {
    machine.needTracing(ctx);
    const place = makePlace();
    const old = await start(place, ['--settle', '100ms']);
    const worker = await onlyWorker(old);
    const next = await steps.startHeld(place.dir, commandLine(place, ['--settle', '100ms', '--replace']));
    const tracer = await steps.StepTracer.attach(next.pid, { name, nth: 1, action: 'hold' });
    process.kill(next.pid, 'SIGCONT');
    await machine.waitFor('the step', () => tracer.hasArrived);
    process.kill(old.pid, 'SIGKILL');
    await machine.waitFor('the end of the old supervisor', () => !machine.isAlive(old.pid));
    tracer.release();
    expect(await next.command.ended).toMatchObject({ status: 0 });
    await machine.waitFor('the end of the old worker', () => !machine.isAlive(worker));
  },
);

test('a worker with a request that the old supervisor had stopped when it was killed goes on', async (ctx) => {
  machine.needTracing(ctx);
  const place = makePlace();
  copyFileSync(compileC(acceptsAndWaits), place.app);
  const options = ['-P', place.pidFile, '--stop-timeout', '1h'];
  const old = await start(place, options);
  const worker = await onlyWorker(old);
  const connection = connect(place.socket);
  machine.atEnd(() => {
    connection.destroy();
  });
  await machine.waitFor('the request', () => machine.readOpenFiles(worker).length > 3);
  const next = await steps.startHeld(place.dir, commandLine(place, [...options, '--replace']));
  const tracer = await steps.StepTracer.attach(next.pid, { name: 'write status', nth: 1, action: 'hold' });
  process.kill(next.pid, 'SIGCONT');
  await machine.waitFor('the new supervisor', () => tracer.hasArrived);
  process.kill(worker, 'SIGSTOP');
  await machine.waitFor('the stop', () => machine.readStat(worker)?.state === 'T');
  process.kill(old.pid, 'SIGKILL');
  await machine.waitFor('the end of the old supervisor', () => !machine.isAlive(old.pid));
  tracer.release();
  expect((await next.command.ended).status).toBe(0);
  await machine.waitFor('the worker to go on', () => machine.readStat(worker)?.state === 'S', {
    timeoutMs: 3_000,
  });
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
    machine.needRoot(ctx);
    const place = makePlace();
    const old = await start(place, ['-F', '2', '--settle', '100ms']);
    const oldWorkers = await fullPool(old, 2);
    if (how === 'killed') process.kill(old.pid, 'SIGKILL');
    const pool = await start(place, ['-F', '2', '--settle', '100ms', ...options]);
    await machine.waitFor(
      'the end of the old pool',
      () => ![old.pid, ...oldWorkers].some((pid) => machine.isAlive(pid)),
    );
    let [before, sinceMs] = [-1, 0];
    await machine.waitFor('a second without a wake-up', () => {
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
