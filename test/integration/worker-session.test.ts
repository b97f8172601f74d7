// A worker is its whole session: what it has started ends with it.
import { join } from 'node:path';
import { copyFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fixture } from '../helpers/build/index.ts';
import { isAlive, readStat, sessionMembers, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

/** The worker's own, one in its group and one in a group of its own. */
const children = ['the same process group', 'a process group of its own'] as const;

describe.for(children)('a child in %s', (where) => {
  const action = where === 'the same process group' ? 'child' : 'group';

  test('ends when its worker is killed', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--min-uptime', '1ms'], familyActions(place, action));
    const [worker, child] = await firstFamily(place, pool);
    process.kill(worker, 'SIGKILL');
    await waitFor('the end of the child', () => !isAlive(child));
    await pools.onlyWorker(pool, [worker]);
    expect(sessionMembers(worker)).toEqual([]);
    const [left] = await pools.waitForEvents(place, 'session-left');
    expect(left).toMatchObject({ session: worker, pids: [child] });
  });

  test('that ignores TERM is killed at --stop-timeout after its worker was killed', async () => {
    const place = pools.makePlace();
    const options = ['--min-uptime', '1ms', '--stop-timeout', '300ms'];
    const pool = await pools.start(place, options, ['ignore=15', ...familyActions(place, action)]);
    const [worker, child] = await firstFamily(place, pool);
    process.kill(worker, 'SIGKILL');
    await pools.waitForEvents(place, 'session-left');
    await waitFor('the end of the child', () => !isAlive(child));
    expect(await pools.waitForEvents(place, 'killed')).toMatchObject([
      { reason: '--stop-timeout', pids: [child] },
    ]);
    expect(isAlive(pool.pid)).toBe(true);
  });

  test('that is stopped sees its TERM all the same when its worker was killed', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--stop-timeout', '1h'], familyActions(place, action));
    const [worker, child] = await firstFamily(place, pool);
    process.kill(child, 'SIGSTOP');
    await waitFor('the child to be stopped', () => readStat(child)?.state === 'T');
    process.kill(worker, 'SIGKILL');
    await waitFor('the end of the child', () => !isAlive(child));
    expect(pools.events(place, 'killed')).toEqual([]);
    await pools.onlyWorker(pool, [worker]);
  });

  test('ends when the pool is stopped', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, [], familyActions(place, action));
    await firstFamily(place, pool);
    process.kill(pool.pid, 'SIGTERM');
    await pools.expectNothingLeft(place);
    expect(pools.events(place, 'killed')).toEqual([]);
  });

  test('that ignores TERM is killed at --stop-timeout when the pool is stopped', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(
      place,
      ['--stop-timeout', '300ms'],
      ['ignore=15', ...familyActions(place, action, 'hang')],
    );
    const [worker, child] = await firstFamily(place, pool);
    process.kill(pool.pid, 'SIGTERM');
    await pools.expectNothingLeft(place);
    const killed = pools.events(place, 'killed').flatMap(({ pids }) => pids);
    expect(killed).toContain(worker);
    expect(isAlive(child)).toBe(false);
  });
});

test('kill -9 of a sh wrapper with two children ends both, and its successor has two again', async () => {
  const place = pools.makePlace();
  const wrapper = join(place.dir, 'wrapper');
  copyFileSync(fixture('session-of-three.sh'), wrapper);
  const options = ['--state-dir', place.stateDir, '--min-uptime', '1ms', '-s', place.socket];
  const pool = await pools.startPool(
    [...options, '--', wrapper, place.app, `report=${place.report}`, 'serve'],
    {
      cwd: place.dir,
    },
  );
  const first = await pools.onlyWorker(pool);
  await waitFor('the whole session', () => sessionMembers(first).length === 3);
  process.kill(first, 'SIGKILL');
  const second = await pools.onlyWorker(pool, [first]);
  await waitFor('the end of the first session', () => sessionMembers(first).length === 0);
  await waitFor('the second session', () => sessionMembers(second).length === 3);
  await pools.endPool(place, pool);
});

test('a child of a worker that ended before the stop is not left behind', async () => {
  const place = pools.makePlace();
  const options = ['--min-uptime', '1ms', '--stop-timeout', '500ms'];
  const pool = await pools.start(place, options, ['ignore=15', ...familyActions(place, 'group')]);
  const [worker] = await firstFamily(place, pool);
  process.kill(worker, 'SIGKILL');
  process.kill(pool.pid, 'SIGTERM');
  await pools.expectNothingLeft(place);
});

test('twenty workers killed at the same moment are all replaced, and no zombie is left', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, ['-F', '20', '--min-uptime', '1ms']);
  const first = (await pools.waitForStarts(place, 20)).map(({ pid }) => pid);
  for (const pid of first) process.kill(pid, 'SIGKILL');
  await waitFor('20 new workers', () => {
    const now = pools.workersOf(pool);
    return now.length === 20 && !now.some((pid) => first.includes(pid));
  });
  await waitFor('no zombie', () => first.every((pid) => readStat(pid) === undefined));
});

function familyActions(
  place: pools.Place,
  action: 'child' | 'group',
  then: 'serve' | 'hang' = 'serve',
): string[] {
  return [`${action}=${join(place.dir, 'children')}`, then];
}

async function firstFamily(place: pools.Place, pool: pools.Pool): Promise<[worker: number, child: number]> {
  const [child = 0] = await pools.waitForPids(join(place.dir, 'children'));
  return [await pools.onlyWorker(pool), child];
}
