// The plan of a pool: the verdict on the first start, restarts, the start limit, and the stop from every phase.
import { describe, expect, test } from 'vitest';
import type { PoolOrder } from '../../src/core/pool/orders.ts';
import { Pool } from '../../src/core/pool/pool.ts';
import { emptySlot, livePid } from '../../src/core/pool/slot-state.ts';
import type { WorkerExit } from '../../src/core/worker-exit.ts';
import { testPolicy } from '../helpers/models/index.ts';

const exit = (status: number): WorkerExit => ({ kind: 'exited', status });
const signal = (number: number): WorkerExit => ({ kind: 'signaled', signal: number });

/** A pool whose spawn orders were carried out: the worker of slot N has PID 100 + N, started at 0. */
function startedPool(workers: number, policy = testPolicy): Pool {
  const pool = new Pool(workers, policy);
  for (const order of pool.start())
    if (order.kind === 'spawn') spawned(pool, order.slot, 100 + order.slot, 0);
  return pool;
}

function servingPool(workers: number, policy = testPolicy): Pool {
  const pool = startedPool(workers, policy);
  for (let slot = 0; slot < workers; slot++) up(pool, slot, 10);
  return pool;
}

const pidOf = (pool: Pool, slot: number): number => livePid(pool.slots[slot] ?? emptySlot) ?? 0;
const spawned = (pool: Pool, slot: number, pid: number, atMs: number): PoolOrder[] =>
  pool.handle(slot, { kind: 'spawned', pid, atMs });
const up = (pool: Pool, slot: number, atMs: number): PoolOrder[] => pool.up(pidOf(pool, slot), atMs, true);
const ended = (pool: Pool, slot: number, how: WorkerExit, atMs: number): PoolOrder[] =>
  pool.ended(pidOf(pool, slot), how, { atMs, random: 0 });
const spawnFailed = (pool: Pool, slot: number, errno: number, atMs: number): PoolOrder[] =>
  pool.handle(slot, { kind: 'spawn-failed', atMs, random: 0 }, errno);
const kinds = (orders: readonly PoolOrder[]): string[] => orders.map((order) => order.kind);

describe('the first start', () => {
  test('spawns every slot once', () => {
    const pool = new Pool(3, testPolicy);
    expect(pool.start()).toStrictEqual([
      { kind: 'spawn', slot: 0 },
      { kind: 'spawn', slot: 1 },
      { kind: 'spawn', slot: 2 },
    ]);
    expect(pool.phase).toBe('starting');
    expect(pool.livePids()).toStrictEqual([]);
  });

  test('is up when the last worker is up, in whatever order', () => {
    const pool = startedPool(3);
    expect(up(pool, 2, 5)).toStrictEqual([]);
    expect(up(pool, 0, 6)).toStrictEqual([]);
    expect(pool.phase).toBe('starting');
    expect(up(pool, 1, 7)).toStrictEqual([
      { kind: 'report-up', firstEnds: [undefined, undefined, undefined] },
    ]);
    expect(pool.phase).toBe('serving');
  });

  test('is told only once', () => {
    const pool = servingPool(2);
    expect(up(pool, 0, 20)).toStrictEqual([]);
    expect(ended(pool, 0, exit(0), 5000)).not.toContainEqual(expect.objectContaining({ kind: 'report-up' }));
    spawned(pool, 0, 300, 5001);
    expect(up(pool, 0, 5010)).toStrictEqual([]);
  });

  test("has failed when all first workers are dead, with each slot's end in the order of the slots", () => {
    const pool = startedPool(3);
    expect(kinds(ended(pool, 2, signal(11), 5))).toStrictEqual(['report-end']);
    expect(kinds(ended(pool, 1, exit(4), 7))).toStrictEqual(['report-end']);
    expect(ended(pool, 0, exit(3), 8)).toStrictEqual([
      { kind: 'report-end', slot: 0, end: exit(3), class: 'failed-start', delayMs: 90 },
      { kind: 'start-failed', firstEnds: [exit(3), exit(4), signal(11)] },
    ]);
    expect(pool.phase).toBe('stopped');
  });

  test('has failed when no worker can be executed, with the errno', () => {
    const pool = new Pool(2, testPolicy);
    pool.start();
    expect(kinds(spawnFailed(pool, 0, 2, 1))).toStrictEqual(['report-end']);
    expect(spawnFailed(pool, 1, 13, 1)).toStrictEqual([
      {
        kind: 'report-end',
        slot: 1,
        end: { kind: 'not-executed', errno: 13 },
        class: 'failed-start',
        delayMs: 90,
      },
      {
        kind: 'start-failed',
        firstEnds: [
          { kind: 'not-executed', errno: 2 },
          { kind: 'not-executed', errno: 13 },
        ],
      },
    ]);
  });

  test('counts an exit with 0 before being up as dead', () => {
    expect(kinds(ended(startedPool(1), 0, exit(0), 50))).toStrictEqual(['report-end', 'start-failed']);
  });

  test('takes a worker that nobody saw up for dead, however late its end is noticed', () => {
    const pool = startedPool(1);
    expect(kinds(ended(pool, 0, exit(0), 150))).toContain('start-failed');
    expect(pool.phase).toBe('stopped');
  });

  test('is up when some are dead, and only then starts those again', () => {
    const pool = startedPool(3);
    expect(kinds(ended(pool, 0, exit(3), 5))).toStrictEqual(['report-end']);
    expect(kinds(ended(pool, 2, signal(9), 6))).toStrictEqual(['report-end']);
    expect(up(pool, 1, 10)).toStrictEqual([
      { kind: 'report-up', firstEnds: [exit(3), undefined, signal(9)] },
      { kind: 'retry-after', slot: 0, delayMs: 90 },
      { kind: 'retry-after', slot: 2, delayMs: 90 },
    ]);
    expect(pool.handle(0, { kind: 'retry-due' })).toStrictEqual([{ kind: 'spawn', slot: 0 }]);
  });

  test('starts no dead slot again before it is decided, even if its time has come', () => {
    const pool = startedPool(2);
    ended(pool, 0, exit(3), 5);
    expect(pool.handle(0, { kind: 'retry-due' })).toStrictEqual([]);
    expect(kinds(up(pool, 1, 10))).toStrictEqual(['report-up', 'retry-after']);
    expect(pool.handle(0, { kind: 'retry-due' })).toStrictEqual([{ kind: 'spawn', slot: 0 }]);
  });

  test('is up when the last verdict is a death, the others being up', () => {
    const pool = startedPool(2);
    up(pool, 0, 5);
    expect(kinds(ended(pool, 1, exit(1), 6))).toStrictEqual(['report-end', 'report-up', 'retry-after']);
  });

  test('keeps its verdict on a slot that was up and died before the others were decided', () => {
    const pool = startedPool(2);
    up(pool, 0, 5);
    expect(kinds(ended(pool, 0, exit(1), 50))).toStrictEqual(['report-end', 'retry-after']);
    expect(kinds(pool.handle(0, { kind: 'retry-due' }))).toStrictEqual(['spawn']);
    expect(kinds(spawnFailed(pool, 0, 2, 60))).toStrictEqual(['report-end', 'retry-after']);
    expect(pool.phase).toBe('starting');
    expect(ended(pool, 1, exit(7), 70).at(1)).toStrictEqual({
      kind: 'report-up',
      firstEnds: [undefined, exit(7)],
    });
  });
});

describe('a serving pool', () => {
  test('replaces a crashed worker at once, after the report', () => {
    expect(ended(servingPool(2), 1, signal(9), 5000)).toStrictEqual([
      { kind: 'report-end', slot: 1, end: signal(9), class: 'crash', delayMs: 0 },
      { kind: 'spawn', slot: 1 },
    ]);
  });

  test('backs off for each slot on its own', () => {
    const pool = servingPool(2);
    const delay = (slot: number, atMs: number): number | undefined => {
      const order = spawnFailed(pool, slot, 2, atMs).find(({ kind }) => kind === 'retry-after');
      pool.handle(slot, { kind: 'retry-due' });
      return order?.kind === 'retry-after' ? order.delayMs : undefined;
    };
    ended(pool, 0, signal(9), 5000);
    ended(pool, 1, signal(9), 5000);
    expect([delay(0, 5000), delay(0, 5200), delay(0, 5500), delay(1, 5500)]).toStrictEqual([
      90, 180, 360, 90,
    ]);
  });

  test('names the errno of a worker that cannot be executed', () => {
    const pool = servingPool(1);
    ended(pool, 0, signal(9), 5000);
    expect(spawnFailed(pool, 0, 13, 5001).at(0)).toMatchObject({ end: { kind: 'not-executed', errno: 13 } });
  });

  test('knows its live workers, those that are stopping included', () => {
    const pool = servingPool(3);
    ended(pool, 1, exit(1), 50);
    expect(pool.livePids()).toStrictEqual([100, 102]);
    pool.stop();
    expect(pool.livePids()).toStrictEqual([100, 102]);
    ended(pool, 0, signal(15), 60);
    expect(pool.livePids()).toStrictEqual([102]);
    expect(pool.slots.map(({ state }) => state.kind)).toStrictEqual(['exited', 'exited', 'stopping']);
  });

  test('ignores slots that it does not have', () => {
    const pool = servingPool(1);
    expect(ended(pool, 1, exit(1), 50)).toStrictEqual([]);
    expect(ended(pool, -1, exit(1), 50)).toStrictEqual([]);
  });
});

describe('--start-limit', () => {
  const limited = { ...testPolicy, startLimit: { count: 3, withinMs: 10_000 } };

  /** A crash of slot 0, replaced by a worker that is up for long enough to crash again. */
  function crash(pool: Pool, atMs: number): string[] {
    const orders = ended(pool, 0, signal(9), atMs);
    if (kinds(orders).includes('spawn')) spawned(pool, 0, atMs, atMs);
    up(pool, 0, atMs + 1);
    return kinds(orders);
  }

  test('ends the pool at the Nth crash within the time, the other workers too', () => {
    const pool = servingPool(2, limited);
    expect(crash(pool, 2000)).toStrictEqual(['report-end', 'spawn']);
    expect(crash(pool, 4000)).toStrictEqual(['report-end', 'spawn']);
    expect(ended(pool, 0, signal(9), 6000)).toStrictEqual([
      expect.objectContaining({ kind: 'report-end', slot: 0 }),
      { kind: 'start-limit-reached' },
      { kind: 'terminate', slot: 1, pid: 101 },
    ]);
    expect(pool.phase).toBe('stopping');
    expect(ended(pool, 1, signal(15), 6001)).toStrictEqual([{ kind: 'stopped' }]);
  });

  test('ends a pool of one worker at once', () => {
    const pool = servingPool(1, { ...limited, startLimit: { count: 1, withinMs: 1 } });
    expect(crash(pool, 2000)).toStrictEqual(['report-end', 'start-limit-reached', 'stopped']);
    expect(pool.phase).toBe('stopped');
  });

  test('forgets what is as old as the time', () => {
    const pool = servingPool(1, limited);
    crash(pool, 2000);
    crash(pool, 4000);
    expect(crash(pool, 12_000)).toStrictEqual(['report-end', 'spawn']);
    expect(crash(pool, 13_999)).toStrictEqual(['report-end', 'start-limit-reached', 'stopped']);
  });

  test('counts failed starts and failed execs of all slots together', () => {
    const pool = servingPool(3, limited);
    expect(kinds(ended(pool, 0, exit(1), 50))).toStrictEqual(['report-end', 'retry-after']);
    pool.handle(0, { kind: 'retry-due' });
    expect(kinds(spawnFailed(pool, 0, 2, 200))).toStrictEqual(['report-end', 'retry-after']);
    expect(kinds(ended(pool, 1, exit(1), 300))).toStrictEqual([
      'report-end',
      'start-limit-reached',
      'terminate',
    ]);
  });

  test('does not count planned exits', () => {
    const pool = servingPool(1, limited);
    for (const at of [2000, 2100, 2200, 2300, 2400]) {
      expect(kinds(ended(pool, 0, exit(0), at))).toStrictEqual(['report-end', 'spawn']);
      spawned(pool, 0, at, at);
      up(pool, 0, at + 1);
    }
  });

  test('does not count the deaths of the first start', () => {
    const pool = startedPool(4, limited);
    for (const slot of [0, 1, 2]) ended(pool, slot, exit(1), 10);
    expect(kinds(up(pool, 3, 20))).toStrictEqual(['report-up', 'retry-after', 'retry-after', 'retry-after']);
    expect(kinds(ended(pool, 3, exit(1), 30))).toStrictEqual(['report-end', 'retry-after']);
  });

  test('does not count what happens before the start is decided', () => {
    const pool = startedPool(2, { ...testPolicy, startLimit: { count: 1, withinMs: 10_000 } });
    up(pool, 0, 5);
    expect(kinds(ended(pool, 0, exit(1), 50))).toStrictEqual(['report-end', 'retry-after']);
    up(pool, 1, 60);
    expect(kinds(ended(pool, 1, exit(1), 70))).toContain('start-limit-reached');
  });

  test('reached by one of several starts that fail together: the others keep nobody waiting', () => {
    const pool = servingPool(1, { ...testPolicy, startLimit: { count: 1, withinMs: 10_000 } });
    expect(kinds(pool.ask({ kind: 'scale', workers: 3 }))).toStrictEqual(['spawn', 'spawn', 'scaled']);
    expect(kinds(spawnFailed(pool, 1, 2, 20))).toStrictEqual([
      'report-end',
      'start-limit-reached',
      'terminate',
    ]);
    expect(spawnFailed(pool, 2, 2, 20)).toStrictEqual([]);
    expect(kinds(ended(pool, 0, exit(0), 30))).toStrictEqual(['stopped']);
  });

  test('is off by default', () => {
    const pool = servingPool(1);
    for (let at = 2000; at < 200_000; at += 1500)
      expect(crash(pool, at)).toStrictEqual(['report-end', 'spawn']);
  });
});

describe('a stop', () => {
  test('before anything was started is done at once', () => {
    const pool = new Pool(2, testPolicy);
    expect(pool.stop()).toStrictEqual([{ kind: 'stopped' }]);
  });

  test('while starting ends every worker and tells neither up nor failed', () => {
    const pool = startedPool(3);
    up(pool, 0, 5);
    ended(pool, 1, exit(1), 6);
    expect(pool.stop()).toStrictEqual([
      { kind: 'terminate', slot: 0, pid: 100 },
      { kind: 'terminate', slot: 2, pid: 102 },
    ]);
    expect(up(pool, 2, 7)).toStrictEqual([]);
    expect(ended(pool, 0, signal(15), 8)).toStrictEqual([]);
    expect(pool.handle(1, { kind: 'retry-due' })).toStrictEqual([]);
    expect(ended(pool, 2, signal(15), 9)).toStrictEqual([{ kind: 'stopped' }]);
  });

  test('while starting, with every decided worker dead, is a stop and no failed start', () => {
    const pool = startedPool(2);
    ended(pool, 0, exit(1), 6);
    pool.stop();
    expect(ended(pool, 1, exit(1), 7)).toStrictEqual([{ kind: 'stopped' }]);
  });

  test('while serving ends every worker; whatever way they end, no slot is filled again', () => {
    const pool = servingPool(3);
    expect(kinds(pool.stop())).toStrictEqual(['terminate', 'terminate', 'terminate']);
    expect(pool.phase).toBe('stopping');
    expect(ended(pool, 0, exit(0), 5000)).toStrictEqual([]);
    expect(ended(pool, 1, signal(11), 5000)).toStrictEqual([]);
    expect(ended(pool, 2, signal(9), 5000)).toStrictEqual([{ kind: 'stopped' }]);
    expect(pool.phase).toBe('stopped');
  });

  test('with every slot in backoff is done at once, and told once', () => {
    const pool = servingPool(2);
    ended(pool, 0, exit(1), 50);
    ended(pool, 1, exit(1), 50);
    expect(pool.stop()).toStrictEqual([{ kind: 'stopped' }]);
    expect(pool.slots.map(({ state }) => state.kind)).toStrictEqual(['exited', 'exited']);
    expect(pool.handle(0, { kind: 'retry-due' })).toStrictEqual([]);
  });

  test('asked a second time changes nothing', () => {
    const pool = servingPool(1);
    pool.stop();
    expect(pool.stop()).toStrictEqual([]);
    expect(ended(pool, 0, signal(15), 20)).toStrictEqual([{ kind: 'stopped' }]);
    expect(pool.stop()).toStrictEqual([]);
  });

  test('after a failed start changes nothing', () => {
    const pool = startedPool(1);
    ended(pool, 0, exit(1), 5);
    expect(pool.stop()).toStrictEqual([]);
    expect(pool.handle(0, { kind: 'retry-due' })).toStrictEqual([]);
  });

  test('ends a latecomer that was being started, and waits for it', () => {
    const pool = servingPool(2);
    expect(kinds(ended(pool, 0, signal(9), 5000))).toContain('spawn');
    expect(pool.stop()).toStrictEqual([{ kind: 'terminate', slot: 1, pid: 101 }]);
    expect(spawned(pool, 0, 300, 5001)).toStrictEqual([{ kind: 'terminate', slot: 0, pid: 300 }]);
    expect(pool.livePids()).toStrictEqual([300, 101]);
    expect(ended(pool, 1, signal(15), 5002)).toStrictEqual([]);
    expect(ended(pool, 0, signal(15), 5003)).toStrictEqual([{ kind: 'stopped' }]);
  });
});

test('a pool that has stopped takes no notice of anything', () => {
  const pool = servingPool(1);
  pool.stop();
  ended(pool, 0, signal(15), 20);
  const slots = structuredClone(pool.slots);
  expect(up(pool, 0, 30)).toStrictEqual([]);
  expect(ended(pool, 0, exit(1), 30)).toStrictEqual([]);
  expect(spawnFailed(pool, 0, 2, 30)).toStrictEqual([]);
  expect(pool.handle(0, { kind: 'stop' })).toStrictEqual([]);
  expect(pool.slots).toStrictEqual(slots);
});
