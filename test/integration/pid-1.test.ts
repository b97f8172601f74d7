// As PID 1 of a container: reaps what it inherits, and stops with 0.
import { expect, test, type TestContext } from 'vitest';
import { join } from 'node:path';
import { oursPath, startForeground } from '../helpers/pool/command-under-test.ts';
import { allStats, childrenOf, isAlive } from '../helpers/machine/processes.ts';
import { needCommands, needRoot } from '../helpers/machine/requirements.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import {
  commandLine,
  expectNoProcess,
  makePlace,
  starts,
  visit,
  waitForPids,
  workersOf,
  type Place,
} from '../helpers/pool/place.ts';

test('reaps strangers, replaces workers and ends with 0 after TERM', async (ctx) => {
  const { place, pid, ended } = await startAsPid1(ctx, ['orphan=orphans', 'serve']);
  await waitForPids(join(place.dir, 'orphans'), 2);
  await waitFor('no zombie', () => zombiesOf(pid).length === 0);
  const [worker = 0] = workersOf({ pid });
  process.kill(worker, 'SIGKILL');
  await waitFor('a successor', () => workersOf({ pid }).length === 2 && starts(place).length === 3);
  await waitForPids(join(place.dir, 'orphans'), 3);
  await waitFor('no zombie', () => zombiesOf(pid).length === 0);
  await visit({ path: place.socket });
  process.kill(pid, 'SIGTERM');
  expect(await ended).toEqual({ status: 0, signal: null });
  await expectNoProcess(place);
});

test('ends with 0 when workers have to be killed', async (ctx) => {
  const { place, pid, ended } = await startAsPid1(ctx, ['ignore=15', 'hang'], ['--stop-timeout', '200ms']);
  process.kill(pid, 'SIGTERM');
  expect(await ended).toEqual({ status: 0, signal: null });
  await expectNoProcess(place);
});

interface Container {
  place: Place;
  /** PID 1 of the namespace, as it is seen from outside. */
  pid: number;
  ended: Promise<{ status: number | null; signal: string | null }>;
}

async function startAsPid1(
  ctx: TestContext,
  actions: readonly string[],
  options: readonly string[] = [],
): Promise<Container> {
  needRoot(ctx);
  needCommands(ctx, 'unshare');
  const place = makePlace();
  const args = [
    '--pid',
    '--fork',
    '--mount-proc',
    oursPath,
    ...commandLine(place, ['-n', '-F', '2', ...options], actions),
  ];
  const container = startForeground(args, { command: 'unshare', cwd: place.dir });
  const pid = await waitFor('the pool in the container', () => {
    const [first] = childrenOf(container.pid);
    return starts(place).length === 2 && first !== undefined && isAlive(first) && first;
  });
  await waitFor('two workers', () => workersOf({ pid }).length === 2);
  return { place, pid, ended: container.ended };
}

function zombiesOf(pid: number): number[] {
  return allStats()
    .filter(({ parent, state }) => parent === pid && state === 'Z')
    .map((stat) => stat.pid);
}
