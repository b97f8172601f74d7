// Takes an operation apart into its steps (test/helpers/step-tracer.ts), repeats it once for each with somebody killed
// there, and looks at what is left: who serves, what the next start says, what stays after a stop.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { expect } from 'vitest';
import { printedPids } from '../helpers/command-under-test.ts';
import { isAlive, readProcess, readStat, signalProcess } from '../helpers/processes.ts';
import { type Step, type StepTracer, type Stop } from '../helpers/step-tracer.ts';
import { type RunResult } from '../helpers/run-command.ts';
import { waitFor } from '../helpers/wait-for.ts';
import {
  filesOf,
  hintsOf,
  makePlace,
  processesOf,
  run,
  withoutHints,
  workersOf,
  type Place,
} from './place.ts';

export type Victim = 'supervisor' | 'command' | 'guard' | 'new worker' | 'old worker' | 'old supervisor';

/** An operation under way in a place of its own. */
export interface Attempt {
  readonly place: Place;
  readonly tracer: StepTracer;
  /** Whose steps they are. */
  readonly supervisor: number;
  /** The command that waits, and the supervisor that hands over, where there are any. */
  readonly command?: number;
  readonly oldSupervisor?: number;
  /** Workers from before. */
  readonly oldWorkers: readonly number[];
  /** How it ended, for people; and whether a pool was said to be up. */
  readonly ended: Promise<{ said: string; isUp: boolean }>;
}

export interface Operation {
  readonly name: string;
  readonly workers: number;
  /** Of the pool that did it, if nobody was killed. */
  readonly workersAfter: number;
  /** Options of the start that heals, and of every other. */
  readonly options: (place: Place) => string[];
  readonly begin: (place: Place, stop?: Stop) => Promise<Attempt>;
}

interface Row {
  operation: string;
  step: string;
  victim: Victim;
  outcome: string;
}

const isFull = process.env['SPAWN_FCGI_KILL_STEPS'] === 'all';
const tablePath = process.env['SPAWN_FCGI_KILL_TABLE'];

/** Steps at once: much of the time is spent waiting. */
const lanes = 3;

/** Which of an operation's kinds of steps: every so many, from a first one. */
export interface Choice {
  readonly every: number;
  readonly first: number;
}

/**
 * Kills the victim at the chosen kinds of steps, each at its first time. With
 * SPAWN_FCGI_KILL_STEPS=all at each single step.
 */
export async function killAtEachStep(
  operation: Operation,
  victim: Victim,
  { every, first }: Choice,
): Promise<void> {
  const { steps, files } = await record(operation);
  const left = isFull
    ? [...steps]
    : steps.filter(({ nth }) => nth === 1).filter((_, index) => index % every === first);
  expect(left).not.toEqual([]);
  const failures: string[] = [];
  const work = async (): Promise<void> => {
    for (let step = left.shift(); step; step = left.shift()) {
      const outcome = await killAt(operation, step, victim, files).catch((error: unknown) => {
        const reason = (error as Error).message.replaceAll('\n', ' ');
        failures.push(`${operation.name}, ${victim} killed at ${step?.name} #${step?.nth}: ${reason}`);
        return `FAILED: ${reason}`;
      });
      note({ operation: operation.name, step: `${step.name} #${step.nth}`, victim, outcome });
    }
  };
  await Promise.all(Array.from({ length: lanes }, work));
  expect(failures).toEqual([]);
}

function note({ operation, step, victim, outcome }: Row): void {
  if (tablePath !== undefined)
    appendFileSync(tablePath, `| ${operation} | ${step} | ${victim} | ${outcome} |\n`);
}

/** The steps of an undisturbed run, and what its stop leaves. */
async function record(operation: Operation): Promise<{ steps: Step[]; files: string }> {
  const place = makePlace();
  const attempt = await operation.begin(place);
  await attempt.ended;
  await attempt.tracer.quiet();
  const { steps } = attempt.tracer;
  await attempt.tracer.end();
  const { files } = await stopEverything(place, operation);
  return { steps, files };
}

async function killAt(operation: Operation, step: Step, victim: Victim, files: string): Promise<string> {
  const place = makePlace();
  const attempt = await operation.begin(place, {
    ...step,
    action: victim === 'supervisor' ? 'kill' : 'hold',
  });
  const { tracer } = attempt;
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

/** Someone accepts. */
async function answer({ socket }: Place): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const connection = connect({ path: socket });
    const timer = setTimeout(() => reject(new Error('nobody accepts')), 5_000);
    const settle = (error?: Error): void => {
      clearTimeout(timer);
      connection.destroy();
      if (error) reject(error);
      else resolve();
    };
    connection.once('error', settle);
    connection.once('close', () => settle());
    connection.resume();
  });
}

/**
 * The same start again has the pool, alone; beside one that serves it is refused, and that one must be whole. Then a
 * stop leaves what it always leaves.
 */
async function heal(place: Place, operation: Operation, files: string): Promise<string> {
  const result = await run(place, operation.options(place), ['serve'], { timeoutMs: 15_000 });
  const isRefused = result.status === 255;
  const pid = isRefused ? refusedFor(place, result) : (printedPids(result.stdout)[0] ?? 0);
  if (pid === 0) throw new Error(`the next start says ${result.status}: ${result.stderr}`);
  await expectAlone(
    place,
    pid,
    isRefused ? [operation.workers, operation.workersAfter] : [operation.workers],
  );
  await answer(place);
  expect(readFileSync(place.pidFile, 'utf8')).toBe(String(pid));
  process.kill(pid, 'SIGTERM');
  await expectEnd(place);
  expect(namesOf(place)).toBe(files);
  return isRefused ? 'the pool goes on' : 'the next start heals';
}

/** The supervisor of the pool that serves; 0: there is none. */
function refusedFor(place: Place, { stderr }: RunResult): number {
  expect(withoutHints(stderr)).toBe("spawn-fcgi: socket is already in use, can't spawn");
  const pid = Number(/supervisor PID (\d+)\) runs/.exec(hintsOf(stderr).join('\n'))?.[1] ?? 0);
  return pid !== 0 && isAlive(pid) && Number(readFileSync(place.pidFile, 'utf8')) === pid ? pid : 0;
}

/** The supervisor and its workers are the only processes, and none of them is stopped. */
async function expectAlone(place: Place, pid: number, workers: readonly number[]): Promise<void> {
  await waitFor('one pool', () => {
    const all = processesOf(place);
    const own = all.filter((stat) => stat.pid === pid || stat.parent === pid);
    return (
      all.length === own.length &&
      workers.includes(own.length - 1) &&
      all.every(({ state }) => !'Tt'.includes(state))
    );
  }).catch((cause: unknown) => {
    throw new Error(`not alone: ${JSON.stringify(processesOf(place))}`, { cause });
  });
}

async function expectEnd(place: Place): Promise<void> {
  await waitFor('the end of all processes', () => processesOf(place).length === 0).catch((cause: unknown) => {
    throw new Error(`still there: ${JSON.stringify(processesOf(place))}`, { cause });
  });
}

/** After an undisturbed run: what is left of a pool that was stopped. */
async function stopEverything(place: Place, operation: Operation): Promise<{ files: string }> {
  const pid = existsSync(place.pidFile) ? Number(readFileSync(place.pidFile, 'utf8')) : 0;
  if (pid > 0 && isAlive(pid)) {
    await expectAlone(place, pid, [operation.workersAfter]);
    process.kill(pid, 'SIGTERM');
  }
  await expectEnd(place);
  return { files: namesOf(place) };
}

/** Files of a pool without what differs between places. */
function namesOf(place: Place): string {
  return filesOf(place)
    .map((name) => name.replace(/%2F.*%2F/, ''))
    .join(' ');
}
