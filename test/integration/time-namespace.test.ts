// A pool in a time namespace of its own, as some containers have: /proc shows start times by the reader's boot clock, and
// whoever looks from another one must know the same processes all the same.
import { expect, test, type TestContext } from 'vitest';
import { needCommands, needRoot, runCommand, type RunResult } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

/** The boot clock is ahead by that; not a round number of anything. */
const AHEAD_SECONDS = '1234567';

async function startElsewhere(
  ctx: TestContext,
  place: pools.Place,
  options: readonly string[] = [],
): Promise<number> {
  const result = await elsewhere(ctx, [pools.oursPath, ...pools.commandLine(place, options)]);
  expect(result).toMatchObject({ status: 0, stderr: '' });
  return Number(/PID: (\d+)/.exec(result.stdout)?.[1]);
}

async function elsewhere(ctx: TestContext, command: readonly string[]): Promise<RunResult> {
  needRoot(ctx);
  needCommands(ctx, 'unshare');
  const options = ['--time', '--boottime', AHEAD_SECONDS];
  const probe = await runCommand('unshare', [...options, 'true']);
  ctx.skip(probe.status !== 0, 'needs time namespaces');
  return runCommand('unshare', [...options, ...command]);
}

test('is seen, refuses a second start by name, and is stopped from outside', async (ctx) => {
  const place = pools.makePlace();
  const pid = await startElsewhere(ctx, place, ['-P', place.pidFile]);
  expect((await pools.ctl(place.stateDir, ['status'])).stdout).toContain(`PID ${pid}, serving`);
  const second = await pools.run(place);
  expect(second.status).toBe(255);
  expect(pools.hintsOf(second.stderr).join('\n')).toContain(`supervisor PID ${pid}`);
  expect(await pools.ctl(place.stateDir, ['stop', place.pidFile])).toMatchObject({ status: 0 });
  await pools.expectNothingLeft(place);
});

test('is taken over by --replace from outside, and back', async (ctx) => {
  const place = pools.makePlace();
  const first = await startElsewhere(ctx, place);
  const old = await pools.fullPool({ pid: first });
  const second = await pools.start(place, ['--replace']);
  const workers = await pools.fullPool(second, 1, old);
  const third = await startElsewhere(ctx, place, ['--replace']);
  await pools.fullPool({ pid: third }, 1, [...old, ...workers]);
  expect(await pools.ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
  await pools.expectNothingLeft(place);
});

test('whose supervisor was killed is adopted from outside, and its workers end', async (ctx) => {
  const place = pools.makePlace();
  const first = await startElsewhere(ctx, place);
  const old = await pools.fullPool({ pid: first });
  process.kill(first, 'SIGKILL');
  const pool = await pools.start(place);
  await pools.fullPool(pool, 1, old);
  expect(await pools.ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
  await pools.expectNoProcess(place);
});

test('a stop in it that is cut short ends the workers at once', async (ctx) => {
  const place = pools.makePlace();
  const result = await elsewhere(ctx, [
    pools.oursPath,
    ...pools.commandLine(place, ['--stop-timeout', '60s'], ['ignore=15', 'hang']),
  ]);
  const pid = Number(/PID: (\d+)/.exec(result.stdout)?.[1]);
  await pools.fullPool({ pid });
  process.kill(pid, 'SIGTERM');
  await pools.waitForEvents(place, 'stopping');
  process.kill(pid, 'SIGKILL');
  await pools.expectNoProcess(place);
});
