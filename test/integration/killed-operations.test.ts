// What a pool does when it runs, killed at each of its steps: stop, reload, restart, scaling, and what a start does that
// takes a pool over.
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { atEnd } from '../helpers/cleanup.ts';
import { compileC } from '../helpers/compile-c.ts';
import { isAlive, readOpenFiles, readStat } from '../helpers/processes.ts';
import { needRoot, needTracing } from '../helpers/requirements.ts';
import { startHeld, StepTracer, type Stop } from '../helpers/step-tracer.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { ctl } from './fake-supervisor.ts';
import { killAtEachStep, type Attempt, type Operation, type Victim } from './killed-at-steps.ts';
import { commandLine, fullPool, makePlace, onlyWorker, start, type Place } from './place.ts';

const users = [
  { who: 'the caller', options: [] },
  { who: 'nobody, in directories of root', options: ['-u', 'nobody', '-g', 'nogroup'] },
] as const;
type User = (typeof users)[number];
/** With SPAWN_FCGI_KILL_STEPS=all it takes minutes. */
const timeout = 1_800_000;

/** A pool of two that is told to do something. */
function asked(name: string, user: User, args: readonly string[], workersAfter = 2): Operation {
  const options = optionsFor(user);
  return {
    name,
    workers: 2,
    workersAfter,
    options,
    async begin(place: Place, stop?: Stop): Promise<Attempt> {
      const pool = await start(place, options(place));
      const oldWorkers = await fullPool(pool, 2);
      const tracer = await StepTracer.attach(pool.pid, stop);
      const [command = '', ...rest] = args;
      const ended = ctl(place.stateDir, [command, place.socket, ...rest]).then(({ status }) => ({
        said: `${command} says ${status}`,
        isUp: command !== 'stop' && (command !== 'restart' || status === 0),
      }));
      return { place, tracer, supervisor: pool.pid, oldWorkers, ended };
    },
  };
}

/** A start that takes over a pool, from its supervisor or from the workers of one that was killed. */
function takenOver(user: User, from: 'supervisor' | 'workers', isGiverTraced = false): Operation {
  const own = optionsFor(user);
  const options = (place: Place): string[] => [
    ...own(place),
    ...(from === 'supervisor' ? ['--replace'] : []),
  ];
  return {
    name:
      from === 'workers'
        ? 'adoption'
        : isGiverTraced
          ? 'handover, as the old supervisor sees it'
          : 'handover',
    workers: 2,
    workersAfter: 2,
    options,
    async begin(place: Place, stop?: Stop): Promise<Attempt> {
      const old = await start(place, own(place));
      const oldWorkers = await fullPool(old, 2);
      if (from === 'workers') {
        process.kill(old.pid, 'SIGKILL');
        await waitFor('the end of the supervisor', () => !isAlive(old.pid));
      }
      const { command, pid } = await startHeld(place.dir, commandLine(place, options(place)));
      const tracer = await StepTracer.attach(isGiverTraced ? old.pid : pid, stop);
      process.kill(pid, 'SIGCONT');
      // Whoever wins: the workers of one of them serve.
      const ended = command.ended.then(({ status }) => ({ said: `the command says ${status}`, isUp: true }));
      return {
        place,
        tracer,
        supervisor: isGiverTraced ? old.pid : pid,
        command: command.pid,
        ...(from === 'supervisor' && !isGiverTraced ? { oldSupervisor: old.pid } : {}),
        oldWorkers,
        ended,
      };
    },
  };
}

function optionsFor({ options }: User) {
  return (place: Place): string[] => ['-P', place.pidFile, '-F', '2', '--settle', '100ms', ...options];
}

/** Half of the steps with the one user, the other half with the other; of the lesser victims fewer. */
type Kill = readonly [victim: Victim, every: number];
const anyWorker: readonly Kill[] = [
  ['new worker', 6],
  ['old worker', 6],
];

describe.for(users)('a pool with workers as $who', (user) => {
  const cases: readonly { operation: Operation; kills: readonly Kill[] }[] = [
    {
      operation: asked('stop', user, ['stop']),
      kills: [
        ['supervisor', 2],
        ['old worker', 6],
      ],
    },
    { operation: asked('reload', user, ['reload']), kills: [['supervisor', 2], ...anyWorker] },
    { operation: asked('restart', user, ['restart']), kills: [['supervisor', 2], ...anyWorker] },
    { operation: asked('scale +1', user, ['scale', '+1'], 3), kills: [['supervisor', 2], ...anyWorker] },
    {
      operation: asked('scale -1', user, ['scale', '-1'], 1),
      kills: [
        ['supervisor', 2],
        ['old worker', 6],
      ],
    },
    {
      operation: takenOver(user, 'supervisor'),
      kills: [['supervisor', 2], ['old supervisor', 2], ['command', 6], ...anyWorker],
    },
    { operation: takenOver(user, 'supervisor', true), kills: [['supervisor', 2]] },
    { operation: takenOver(user, 'workers'), kills: [['supervisor', 2], ['command', 6], ...anyWorker] },
  ];

  describe.for(cases)('$operation.name', ({ operation, kills }) => {
    test.for(kills)(
      'with the %s killed at any step is healed by the next start',
      { timeout },
      async ([victim, every], ctx) => {
        needTracing(ctx);
        await killAtEachStep(operation, victim, {
          every,
          first: (users.indexOf(user) * every) / users.length,
        });
      },
    );
  });
});

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
