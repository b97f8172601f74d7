// As PID 1 of a container: reaps what it inherits, and stops with 0.
import { join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import { allStats, childrenOf, isAlive, needCommands, needRoot, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

test('reaps strangers, replaces workers and ends with 0 after TERM', async (ctx) => {
  const { place, pid, ended } = await startAsPid1(ctx, ['orphan=orphans', 'serve']);
  await pools.waitForPids(join(place.dir, 'orphans'), 2);
  await waitFor('no zombie', () => zombiesOf(pid).length === 0);
  const [worker = 0] = pools.workersOf({ pid });
  process.kill(worker, 'SIGKILL');
  await waitFor(
    'a successor',
    () => pools.workersOf({ pid }).length === 2 && pools.starts(place).length === 3,
  );
  await pools.waitForPids(join(place.dir, 'orphans'), 3);
  await waitFor('no zombie', () => zombiesOf(pid).length === 0);
  await pools.visit({ path: place.socket });
  process.kill(pid, 'SIGTERM');
  expect(await ended).toEqual({ status: 0, signal: null });
  await pools.expectNoProcess(place);
});

test('ends with 0 when workers have to be killed', async (ctx) => {
  const { place, pid, ended } = await startAsPid1(ctx, ['ignore=15', 'hang'], ['--stop-timeout', '200ms']);
  process.kill(pid, 'SIGTERM');
  expect(await ended).toEqual({ status: 0, signal: null });
  await pools.expectNoProcess(place);
});

interface Container {
  place: pools.Place;
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
  const place = pools.makePlace();
  const args = [
    '--pid',
    '--fork',
    '--mount-proc',
    pools.oursPath,
    ...pools.commandLine(place, ['-n', '-F', '2', ...options], actions),
  ];
  const container = pools.startForeground(args, { command: 'unshare', cwd: place.dir });
  const pid = await waitFor('the pool in the container', () => {
    const [first] = childrenOf(container.pid);
    return pools.starts(place).length === 2 && first !== undefined && isAlive(first) && first;
  });
  await waitFor('two workers', () => pools.workersOf({ pid }).length === 2);
  return { place, pid, ended: container.ended };
}

function zombiesOf(pid: number): number[] {
  return allStats()
    .filter(({ parent, state }) => parent === pid && state === 'Z')
    .map((stat) => stat.pid);
}
