// A start, killed at each of its steps: its supervisor, its command, a worker.
import { describe, test } from 'vitest';
import { needTracing } from '../helpers/requirements.ts';
import { startHeld, StepTracer, type Stop } from '../helpers/step-tracer.ts';
import { killAtEachStep, type Attempt, type Operation } from './killed-at-steps.ts';
import { commandLine, type Place } from './place.ts';

const users = [
  { who: 'the caller', options: [] },
  { who: 'nobody, in directories of root', options: ['-u', 'nobody', '-g', 'nogroup'] },
] as const;
/** With SPAWN_FCGI_KILL_STEPS=all it takes minutes. */
const timeout = 1_800_000;

function startAs({ options: user }: (typeof users)[number]): Operation {
  const options = (place: Place): string[] => ['-P', place.pidFile, '-F', '2', ...user];
  return {
    name: 'start',
    workers: 2,
    workersAfter: 2,
    options,
    async begin(place: Place, stop?: Stop): Promise<Attempt> {
      const { command, pid } = await startHeld(place.dir, commandLine(place, options(place)));
      const tracer = await StepTracer.attach(pid, stop);
      process.kill(pid, 'SIGCONT');
      const ended = command.ended.then(({ status }) => ({
        said: `the command says ${status}`,
        isUp: status === 0,
      }));
      return { place, tracer, supervisor: pid, command: command.pid, oldWorkers: [], ended };
    },
  };
}

const victims = [
  { victim: 'supervisor', every: 1 },
  { victim: 'command', every: 2 },
  { victim: 'guard', every: 2 },
  { victim: 'new worker', every: 2 },
] as const;

describe.for(users)('a start with workers as $who', (user) => {
  test.for(victims)(
    'whose $victim is killed at any step is healed by the next one',
    { timeout },
    async ({ victim, every }, ctx) => {
      needTracing(ctx);
      // Only a start that gives up root has one.
      if (victim === 'guard' && user.options.length === 0) return;
      await killAtEachStep(startAs(user), victim, { every, first: 0 });
    },
  );
});
