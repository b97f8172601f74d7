/**
 * Turns a table of situations into tests: both sides run at the same time, each
 * in its own directory, and what they show must be equal but for the intended
 * differences, which must be real ones.
 */
import { copyFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryBytes, raiseFor } from '../../src/sys/process/oom-score.ts';
import { compileC, fixture } from '../helpers/build/index.ts';
import { makeTempDir, missing } from '../helpers/machine/index.ts';
import { oursPath, referencePath } from '../helpers/pool/index.ts';
import { forgetStateBases } from '../helpers/test-run/index.ts';
import { runSide, type Observation, type Side } from './run-side.ts';
import { expectedOutcome, type Outcome, type Situation } from './situation.ts';

/** Few at a time: 1.6 judges its worker after 100 ms, so that an overloaded machine shows other things. */
const AT_ONCE = 3;

export function describeSituations(title: string, situations: readonly Situation[]): void {
  describe(title, () => {
    let base = '';
    const programs = { worker: '', caller: '' };

    beforeAll(() => {
      base = makeTempDir();
      // Copied: the sides hard-link them, also into chroots, which works on one file system only.
      for (const name of ['worker', 'caller'] as const) programs[name] = `${base}/${name}`;
      copyFileSync(compileC(fixture('report-worker.c'), { static: true }), programs.worker);
      copyFileSync(compileC(fixture('caller.c'), { static: true }), programs.caller);
    });

    afterAll(forgetStateBases);

    const turn = createTurnstile(AT_ONCE);
    situations.forEach((situation, index) => {
      it.concurrent(situation.name, { timeout: 120_000 }, (ctx) => {
        const reason = whyNot(situation);
        ctx.skip(reason !== undefined, reason);
        const sides = (attempt: number): [Side, Side] => {
          const dir = `${base}/${index}-${attempt}`;
          return [
            { command: referencePath, programs, dir: `${dir}r` },
            { command: commandUnderTest(), programs, dir: `${dir}o` },
          ];
        };
        return turn(() => compare(situation, sides));
      });
    });
  });
}

/** Another command than ours can be named to try the table itself. */
function commandUnderTest(): string {
  return process.env['PARITY_COMMAND'] ?? oursPath;
}

function whyNot({ user, needsRoot }: Situation): string | undefined {
  return missing({ root: user === 'root' || needsRoot === true, commands: [referencePath, 'gcc'] });
}

/** All that the reference has printed so far in this test file. */
export const referenceOutput: string[] = [];

async function compare(situation: Situation, sides: (attempt: number) => [Side, Side]): Promise<void> {
  const { differs } = situation;
  const [reference, ours] = await observeBoth(situation, sides);
  const expected = expectedOutcome(inTheFirstLine(situation, reference.outcome), differs);
  referenceOutput.push(reference.outcome.stdout, reference.outcome.stderr);
  expect(ours.outcome).toEqual(expected);
  if (differs) expect(ours.outcome, `no difference: ${differs.why}`).not.toEqual(reference.outcome);
  if (situation.hint) expect(ours.hints.join('')).toMatch(situation.hint);
  expect(ours.leftovers, 'processes that were left').toEqual([]);
  expectPids(situation, ours);
}

/** When memory runs out the kernel takes a supervised worker before its supervisor (docs/internals/reliability.md). */
function inTheFirstLine(situation: Situation, outcome: Outcome): Outcome {
  if (!isSupervised(situation)) return outcome;
  const workers = outcome.workers.map((facts) => {
    // In a chroot without /proc a worker cannot tell.
    const own = String(facts['oom-score-adj']);
    if (!/^\d+$/.test(own)) return facts;
    return { ...facts, 'oom-score-adj': String(Math.min(1000, Number(own) + raiseFor(memoryBytes()))) };
  });
  return { ...outcome, workers };
}

function isSupervised({ foreground, ours, differs }: Situation): boolean {
  if (commandUnderTest() !== oursPath || ours?.includes('--no-supervise')) return false;
  return !foreground || differs?.upLine !== undefined;
}

/** Both judge a worker after 100 ms: where one has seen it die and the other not yet, the machine was too slow. */
async function observeBoth(
  situation: Situation,
  sides: (attempt: number) => [Side, Side],
  attempt = 1,
): Promise<[Observation, Observation]> {
  const [referenceSide, ourSide] = sides(attempt);
  const both = await Promise.all([runSide(situation, referenceSide), runSide(asOurs(situation), ourSide)]);
  const isLate = both.some(sawDeath) !== both.every(sawDeath) && situation.workers === 0;
  return isLate && attempt < 4 ? observeBoth(situation, sides, attempt + 1) : both;
}

function sawDeath({ outcome }: Observation): boolean {
  return /child (exited with|signaled): /.test(outcome.stderr);
}

function asOurs({ patienceMs: _ofReference, ...situation }: Situation): Situation {
  const { args, ours, differs, workers } = situation;
  const count = differs?.workers ?? workers;
  return {
    ...situation,
    upLine: differs?.upLine,
    args: ours ?? args,
    ...(count === undefined ? {} : { workers: count }),
  };
}

/** The printed PID is the supervisor's, the workers' parent; `-n` keeps the caller's. */
function expectPids(situation: Situation, ours: Observation): void {
  if (situation.foreground || !isSupervised(situation)) return;
  const [printed] = ours.printed;
  // Where stdout is closed or a file, nothing was seen.
  if (printed !== undefined) for (const { parent } of ours.reports) expect(parent).toBe(printed);
}

function createTurnstile(places: number): <T>(job: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let free = places;
  return async (job) => {
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
    else free -= 1;
    try {
      return await job();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}
