// `npm test`: runs every test that this machine can run, a line for each file, then says what was skipped and why, and
// closes with "N passed, N failed, N skipped". Arguments are vitest's: `npm test -- parity`, `npm test -- -t 'PID file'`.
// What fails beside others, ledgers and unit tests apart, runs once more when all else has ended, and is named if it passes
// then: a machine with more to do than it can makes tests late, and one that breaks alone breaks again.
// With SPAWN_FCGI_TEST_NO_SKIPS=1 a skipped test counts against the run: CI has everything that the tests need.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseCLI, startVitest } from 'vitest/node';
import * as testRun from './helpers/test-run/index.ts';

if (!existsSync(join(import.meta.dirname, '../dist/spawn-fcgi.cjs'))) {
  console.error(
    'The package is not built, and its tests run what was built: npm run build (npm test does so first)',
  );
  process.exit(1);
}
const statusInOwnPlace = testRun.runInOwnPlace(process.argv.slice(1));
if (statusInOwnPlace !== undefined) process.exit(statusInOwnPlace);

const { filter, options } = parseCLI(['vitest', 'run', ...process.argv.slice(2)]);
const forbidsSkips = process.env['SPAWN_FCGI_TEST_NO_SKIPS'] === '1';
const copy = testRun.makeOpenCopy();
if (copy) process.env['SPAWN_FCGI_TEST_COMMAND'] = copy.command;
const takeLeftovers = testRun.watchLeftovers();

const outcomes = await run(filter, new testRun.FileLines());
const onlyAlone: string[] = [];
for (const file of testRun.chooseSecondRuns(outcomes)) await runAlone(file);
copy?.remove();
const total = testRun.sumUp(outcomes);
for (const leftover of takeLeftovers()) total.failed.push(`left behind by some test: ${leftover}`);
report(total);
process.exitCode = isGood(total) ? 0 : 1;

async function run(files: string[], reporter: testRun.FileLines): Promise<testRun.FileOutcome[]> {
  const vitest = await startVitest(files, {
    reporters: [reporter],
    allowOnly: !forbidsSkips,
    ...options,
    watch: false,
  });
  return testRun.collectOutcomes(vitest, options.testNamePattern !== undefined);
}

async function runAlone(file: string): Promise<void> {
  console.log('\nOnce more, alone:');
  const seconds = await run([file], new testRun.FileLines());
  const at = outcomes.findIndex((outcome) => outcome.file === file);
  const first = outcomes[at];
  if (!first) return;
  outcomes.splice(at, 1, ...testRun.settle(first, seconds));
  if (testRun.isCleared(first, seconds)) onlyAlone.push(...first.failed);
}

function isGood({ passed, failed, skipped }: testRun.TestOutcome): boolean {
  return passed > 0 && failed.length === 0 && !(forbidsSkips && skipped.length > 0);
}

function report({ passed, failed, skipped }: testRun.TestOutcome): void {
  if (skipped.length > 0)
    console.log(`\nSkipped on this machine${forbidsSkips ? ', which is not allowed here' : ''}:`);
  for (const { name, reason } of skipped) console.log(`  ${name}: ${reason}`);
  if (onlyAlone.length > 0) console.log('\nFailed beside others, and passed alone:');
  for (const name of onlyAlone) console.log(`  ${name}`);
  if (failed.length > 0) console.log('\nFailed:');
  for (const name of failed) console.log(`  ${name}`);
  if (passed + failed.length === 0) console.log('\nNo test ran.');
  console.log(`\n${passed} passed, ${failed.length} failed, ${skipped.length} skipped`);
}
