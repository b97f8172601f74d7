// What became of the tests of a run, file by file, and whom to run a second time.
import type { TestModule, TestSuite, Vitest } from 'vitest/node';

export interface TestOutcome {
  passed: number;
  /** Names of what failed: tests, and suites or files that could not even start. */
  failed: string[];
  skipped: { name: string; reason: string }[];
}

export interface FileOutcome extends TestOutcome {
  /** The path from the checkout; undefined for errors that no file can be blamed for. */
  file: string | undefined;
  /** Group of vitest.config.ts. */
  group: string;
  /** Tests that passed or failed; `failed` may name a suite or the file besides. */
  ran: number;
}

/** More files than these do not fail by chance. */
const mostByChance = 6;
/** A unit test waits for nobody, and a request that a ledger has seen lost is lost. */
const countTheFirstTime = new Set(['unit', 'ledger']);

/** A file for each module, behind them errors of nobody's. `hasPattern`: tests may have been left out by name. */
export function collectOutcomes({ state }: Vitest, hasPattern: boolean): FileOutcome[] {
  const outcomes = state.getTestModules().map((module) => outcomeOf(module, hasPattern));
  for (const error of state.getUnhandledErrors()) {
    const { message = String(error), VITEST_TEST_PATH: path } = error as {
      message?: string;
      VITEST_TEST_PATH?: string;
    };
    let blamed = outcomes.find(({ file }) => file !== undefined && path?.endsWith(`/${file}`));
    if (!blamed) outcomes.push((blamed = { ...nothing(), file: undefined, group: '', ran: 0 }));
    blamed.failed.push(`${blamed.file ?? 'outside'} > outside of any test: ${message}`);
  }
  return outcomes;
}

/** Whose failures may be their neighbours': nothing if the files ran alone already, or fail in numbers. */
export function chooseSecondRuns(outcomes: readonly FileOutcome[]): string[] {
  const failed = outcomes.filter((outcome) => outcome.failed.length > 0);
  if (outcomes.length < 2 || failed.length > mostByChance) return [];
  return failed.flatMap(({ file, group }) =>
    file === undefined || countTheFirstTime.has(group) ? [] : [file],
  );
}

/**
 * Whether a second run clears the first one: nothing failed, and as many tests passed as had run. Who skips now what has
 * failed, since the first run has left the machine like that, has not passed it.
 */
export function isCleared(first: FileOutcome, seconds: readonly FileOutcome[]): boolean {
  const { passed, failed } = sumUp(seconds);
  return failed.length === 0 && passed >= Math.max(1, first.ran);
}

/** What counts of a file that ran twice: the second run, or the first where that neither failed nor cleared it. */
export function settle(first: FileOutcome, seconds: readonly FileOutcome[]): readonly FileOutcome[] {
  return sumUp(seconds).failed.length > 0 || isCleared(first, seconds) ? seconds : [first];
}

export function sumUp(outcomes: readonly TestOutcome[]): TestOutcome {
  return {
    passed: outcomes.reduce((sum, { passed }) => sum + passed, 0),
    failed: outcomes.flatMap(({ failed }) => failed),
    skipped: outcomes.flatMap(({ skipped }) => skipped),
  };
}

function outcomeOf(module: TestModule, hasPattern: boolean): FileOutcome {
  const outcome = { ...nothing(), file: module.relativeModuleId, group: module.project.name, ran: 0 };
  const nameOf = (fullName: string): string => `${module.relativeModuleId} > ${fullName}`;
  const parts: (TestModule | TestSuite)[] = [module, ...module.children.allSuites()];
  for (const part of parts.filter((one) => one.errors().length > 0))
    outcome.failed.push(part.type === 'module' ? module.relativeModuleId : nameOf(part.fullName));
  for (const test of module.children.allTests()) {
    const name = nameOf(test.fullName);
    const result = test.result();
    if (result.state !== 'skipped') outcome.ran += 1;
    if (result.state === 'passed') outcome.passed += 1;
    else if (result.state === 'failed') outcome.failed.push(name);
    else if (result.state === 'pending') outcome.failed.push(`${name} (never ended)`);
    // What `-t` leaves out is "skipped" for vitest, without a note; it was not asked for.
    else if (result.note !== undefined || !hasPattern)
      outcome.skipped.push({ name, reason: result.note ?? 'no reason given' });
  }
  return outcome;
}

function nothing(): TestOutcome {
  return { passed: 0, failed: [], skipped: [] };
}
