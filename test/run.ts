// `npm test`: runs every test that this machine can run, a line for each file, then says what was skipped and why, and
// closes with "N passed, N failed, N skipped". Arguments are vitest's: `npm test -- parity`, `npm test -- -t 'PID file'`.
// With SPAWN_FCGI_TEST_NO_SKIPS=1 a skipped test counts against the run: CI has everything that the tests need.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseCLI, startVitest, type TestModule, type TestSuite, type Vitest } from 'vitest/node';
import { FileLines } from './helpers/test-run/file-lines.ts';
import { watchLeftovers } from './helpers/test-run/leftovers.ts';
import { makeOpenCopy } from './helpers/test-run/open-copy.ts';
import { runInOwnPlace } from './helpers/test-run/own-run.ts';

interface Outcome {
  passed: number;
  /** Names of what failed: tests, and suites or files that could not even start. */
  failed: string[];
  skipped: { name: string; reason: string }[];
}

if (!existsSync(join(import.meta.dirname, '../dist/spawn-fcgi.cjs'))) {
  console.error(
    'The package is not built, and its tests run what was built: npm run build (npm test does so first)',
  );
  process.exit(1);
}
const statusInOwnPlace = runInOwnPlace(process.argv.slice(1));
if (statusInOwnPlace !== undefined) process.exit(statusInOwnPlace);

const { filter, options } = parseCLI(['vitest', 'run', ...process.argv.slice(2)]);
const forbidsSkips = process.env['SPAWN_FCGI_TEST_NO_SKIPS'] === '1';
const copy = makeOpenCopy();
if (copy) process.env['SPAWN_FCGI_TEST_COMMAND'] = copy.command;
const takeLeftovers = watchLeftovers();

const vitest = await startVitest(filter, {
  reporters: [new FileLines()],
  allowOnly: !forbidsSkips,
  ...options,
  watch: false,
});
const total = collect(vitest);
await vitest.close();
copy?.remove();
for (const leftover of takeLeftovers()) total.failed.push(`left behind by some test: ${leftover}`);
report(total);
process.exitCode = isGood(total) ? 0 : 1;

function collect({ state }: Vitest): Outcome {
  const outcome: Outcome = { passed: 0, failed: [], skipped: [] };
  for (const module of state.getTestModules()) collectModule(module, outcome);
  for (const error of state.getUnhandledErrors())
    outcome.failed.push(`outside of any test: ${messageOf(error)}`);
  return outcome;
}

function collectModule(module: TestModule, outcome: Outcome): void {
  const broken: (TestModule | TestSuite)[] = [module, ...module.children.allSuites()];
  for (const group of broken.filter((one) => one.errors().length > 0)) {
    outcome.failed.push(group.type === 'module' ? module.relativeModuleId : nameOf(module, group.fullName));
  }
  for (const test of module.children.allTests()) {
    const name = nameOf(module, test.fullName);
    const result = test.result();
    if (result.state === 'passed') outcome.passed += 1;
    else if (result.state === 'failed') outcome.failed.push(name);
    else if (result.state === 'pending') outcome.failed.push(`${name} (never ended)`);
    else if (isWanted(result.note)) outcome.skipped.push({ name, reason: result.note ?? 'no reason given' });
  }
}

/** Tests that `-t` leaves out are "skipped" for vitest, without a note; they were not asked for. */
function isWanted(note: string | undefined): boolean {
  return note !== undefined || options.testNamePattern === undefined;
}

function nameOf(module: TestModule, fullName: string): string {
  return `${module.relativeModuleId} > ${fullName}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error || (typeof error === 'object' && error !== null && 'message' in error)
    ? String(error.message)
    : String(error);
}

function isGood({ passed, failed, skipped }: Outcome): boolean {
  return passed > 0 && failed.length === 0 && !(forbidsSkips && skipped.length > 0);
}

function report({ passed, failed, skipped }: Outcome): void {
  if (skipped.length > 0)
    console.log(`\nSkipped on this machine${forbidsSkips ? ', which is not allowed here' : ''}:`);
  for (const { name, reason } of skipped) console.log(`  ${name}: ${reason}`);
  if (failed.length > 0) console.log('\nFailed:');
  for (const name of failed) console.log(`  ${name}`);
  if (passed + failed.length === 0) console.log('\nNo test ran.');
  console.log(`\n${passed} passed, ${failed.length} failed, ${skipped.length} skipped`);
}
