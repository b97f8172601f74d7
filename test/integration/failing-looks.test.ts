// A look at a file of the start that fails once, whichever it is: a start that fails leaves nothing all the same.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { needCommands, needTracing, runCommand } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const looks = 'statx,newfstatat,?fstat,?stat,?lstat';
/** Far more than a start takes. */
const mostLooks = 100;

/** A start of a program that ends at once. False: it has not looked so often. */
async function startWithFault(place: pools.Place, number: number): Promise<boolean> {
  const trace = join(place.dir, `trace-${number}`);
  const paths = [place.runDir, place.socket, place.pidFile, place.log].flatMap((path) => ['-P', path]);
  const strace = ['-f', '-qq', '-o', trace, ...paths, '-e', `trace=${looks}`];
  const inject = ['-e', `inject=${looks}:error=EIO:when=${number}`];
  const start = pools.commandLine(place, ['-P', place.pidFile], ['exit=3']);
  const { status } = await runCommand('strace', [...strace, ...inject, pools.oursPath, ...start]);
  expect(status).not.toBe(0);
  return existsSync(trace) && readFileSync(trace, 'latin1').includes('(INJECTED)');
}

/** What stands in it says why the start has failed. */
function emptyLogOf({ log }: pools.Place): string[] {
  return existsSync(log) && statSync(log).size === 0 ? ['events.log'] : [];
}

test('a start during which a look at its files fails leaves nothing', { timeout: 120_000 }, async (ctx) => {
  needCommands(ctx, 'strace');
  needTracing(ctx);
  const left: Record<number, readonly string[]> = {};
  let number = 1;
  for (; number < mostLooks; number++) {
    const place = pools.makePlace();
    if (!(await startWithFault(place, number))) break;
    await pools.expectNoProcess(place);
    const files = [...pools.filesOf(place), ...emptyLogOf(place)];
    if (files.length > 0) left[number] = files;
  }
  expect(left).toEqual({});
  expect(number).toBeGreaterThan(10);
  expect(number).toBeLessThan(mostLooks);
});
