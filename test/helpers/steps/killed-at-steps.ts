// Takes an operation apart into its steps (step-tracer.ts), repeats it once for each with somebody killed
// there, and looks at what is left: who serves, what the next start says, what stays after a stop.
import { appendFileSync } from 'node:fs';
import { expect } from 'vitest';
import { atEnd, isAlive, readProcess, readStat, signalProcess, waitFor } from '../machine/index.ts';
import { processesOf, workersOf } from '../pool/index.ts';
import { chooseKills } from './killed-choice.ts';
import type { Attempt, Operation, Victim } from './killed-operations.ts';
import { answer, heal, stopEverything, workersOfAPool } from './killed-verdict.ts';
import type { Step } from './step-tracer.ts';
import { removeTrialsOfDead } from '../test-run/index.ts';

const tablePath = process.env['SPAWN_FCGI_KILL_TABLE'];

/** Steps at once: much of the time is spent waiting. */
const lanes = 4;

/** Of a test; with SPAWN_FCGI_KILL_STEPS=all it takes minutes. */
export const killTimeout = 1_800_000;

/** Repeats the operation with each of its victims killed at the chosen steps (killed-choice.ts). */
export async function killAtSteps(operation: Operation, among?: number): Promise<void> {
  atEnd(removeTrialsOfDead);
  const { steps, files } = await record(operation);
  const left = chooseKills(operation, withoutBoot(operation, steps), among);
  const failures: string[] = [];
  const work = async (): Promise<void> => {
    for (let kill = left.shift(); kill; kill = left.shift()) {
      const { step, victim } = kill;
      const what = `${operation.setting.name} | ${operation.name} | ${step.name} #${step.nth} | ${victim}`;
      const outcome = await killAt(operation, step, victim, files).catch((error: unknown) => {
        const reason = (error as Error).message.replaceAll('\n', ' ');
        failures.push(`${what}: ${reason}`);
        return `FAILED: ${reason}`;
      });
      if (tablePath !== undefined) appendFileSync(tablePath, `| ${what} | ${outcome} |\n`);
    }
  };
  await Promise.all(Array.from({ length: lanes }, work));
  expect(failures).toEqual([]);
}

/**
 * While Node boots in the foreground a child stands in for it, until Node turns it away by KILL, which the tracer would leave stopped behind the kill of
 * its parent: interrupted-on-orphans.test.ts looks at that moment.
 */
function withoutBoot({ setting }: Operation, steps: readonly Step[]): readonly Step[] {
  const isBoot = ({ name, nth }: Step): boolean => name === 'execve' || (name === 'kill KILL' && nth === 1);
  return setting.name.startsWith('-n') ? steps.filter((step) => !isBoot(step)) : steps;
}

/**
 * Repeats the operation with its supervisor held at steps for so long that others lose patience: whoever has the pool
 * then, it is one. Without names of steps: at each.
 */
export async function holdAtSteps(
  operation: Operation,
  heldMs: number,
  names?: readonly string[],
): Promise<void> {
  const { steps, files } = await record(operation);
  const chosen =
    names?.map((name) => steps.findLast((step) => step.name === name) ?? { name, nth: 1 }) ?? steps;
  const left = [...chosen];
  const failures: string[] = [];
  let held = 0;
  const work = async (): Promise<void> => {
    for (let step = left.shift(); step; step = left.shift()) {
      try {
        if (await holdAt(operation, step, heldMs, files)) held += 1;
      } catch (error) {
        failures.push(`held at ${step.name} #${step.nth}: ${(error as Error).message}`);
      }
    }
  };
  await Promise.all(Array.from({ length: 4 * lanes }, work));
  expect(failures).toEqual([]);
  expect(held).toBeGreaterThan(0);
}

/** The result: whether it came there. How often the kernel is asked differs from run to run. */
async function holdAt(operation: Operation, step: Step, heldMs: number, files: string): Promise<boolean> {
  const attempt = await operation.begin({ ...step, action: 'hold' });
  const { place, tracer, ended } = attempt;
  const hasArrived = await arrival(attempt);
  const sinceMs = performance.now();
  if (hasArrived) await waitFor('the end of patience', () => performance.now() - sinceMs > heldMs);
  tracer.release();
  const { said } = await ended;
  await tracer.end();
  // A plain start is refused beside a pool that is whole.
  const outcome = await heal(place, { ...operation, further: [] }, files);
  if (outcome !== 'the pool goes on') throw new Error(`${said}, but ${outcome}`);
  return hasArrived;
}

/** Kills the supervisor at the last step of that name: its workers are all that stays, and serve. */
export async function expectWorkersToStay(operation: Operation, name: string): Promise<void> {
  const { steps, files } = await record(operation);
  const step = steps.findLast((candidate) => candidate.name === name) ?? { name, nth: 1 };
  const { place, tracer, oldWorkers, ended } = await operation.begin({ ...step, action: 'kill' });
  await waitFor('the step', () => tracer.hasArrived);
  await ended;
  await waitFor('new workers only', () => {
    const pids = processesOf(place).map(({ pid }) => pid);
    return pids.length <= workersOfAPool && !pids.some((pid) => oldWorkers.includes(pid));
  });
  await answer(place);
  expect(await heal(place, operation, files)).toBe('the next start heals');
}

/** The steps of an undisturbed run, and what its stop leaves. */
async function record(operation: Operation): Promise<{ steps: Step[]; files: string }> {
  const attempt = await operation.begin();
  await attempt.ended;
  await attempt.tracer.quiet();
  const { steps } = attempt.tracer;
  await attempt.tracer.end();
  const { files } = await stopEverything(attempt.place, operation);
  return { steps, files };
}

async function killAt(operation: Operation, step: Step, victim: Victim, files: string): Promise<string> {
  const attempt = await operation.begin({ ...step, action: victim === 'supervisor' ? 'kill' : 'hold' });
  const { place, tracer } = attempt;
  const hasArrived = await arrival(attempt);
  const nobody = hasArrived ? hit(attempt, victim) : 'did not come there; ';
  tracer.release();
  const end = await attempt.ended;
  await tracer.end();
  if (end.isUp) await answer(place);
  return `${nobody}${end.said}; ${await heal(place, operation, files)}`;
}

/** Whether the supervisor came to the step. The last steps come after the end of the operation for others. */
async function arrival({ tracer, ended }: Attempt): Promise<boolean> {
  let isOver = false;
  void ended.then(() => (isOver = true));
  await waitFor(
    'the step, or the end of the operation',
    () => tracer.hasArrived || tracer.hasEnded || isOver,
    {
      timeoutMs: 20_000,
    },
  );
  if (!tracer.hasArrived && !tracer.hasEnded) await tracer.quiet();
  return tracer.hasArrived;
}

/** Kills the victim of a held supervisor; says when there was none. */
function hit(attempt: Attempt, victim: Victim): string {
  if (victim === 'supervisor') return '';
  const pid = pidOf(attempt, victim);
  const stat = pid === undefined ? undefined : readStat(pid);
  if (!stat || !isAlive(stat.pid)) return `no ${victim} there; `;
  signalProcess(stat.pid, stat.startTime, 'SIGKILL');
  return '';
}

function pidOf(
  { supervisor, command, oldSupervisor, oldWorkers }: Attempt,
  victim: Victim,
): number | undefined {
  switch (victim) {
    case 'supervisor':
      return supervisor;
    case 'command':
      return command;
    case 'old supervisor':
      return oldSupervisor;
    case 'old worker':
      return oldWorkers.find((pid) => isAlive(pid));
    case 'guard':
      return workersOf({ pid: supervisor }).find((pid) => isGuard(pid));
    case 'new worker':
      return workersOf({ pid: supervisor }).findLast((pid) => !oldWorkers.includes(pid) && !isGuard(pid));
  }
}

function isGuard(pid: number): boolean {
  return readProcess(pid)?.args.includes('spawn-fcgi-undo') === true;
}
