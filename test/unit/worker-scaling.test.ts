// The guard that scales a pool, on a fake machine: what a look at the pool's books and workers becomes, what is told of it,
// and what becomes of it when somebody asks for other numbers.
import { expect, test } from 'vitest';
import { Guards } from '../../src/features/guards/guards.ts';
import { WorkerScaling } from '../../src/features/guards/worker-scaling.ts';
import type { Activity } from '../../src/sys/session/session-freeze.ts';
import type { PoolLook } from '../../src/features/guards/guard.ts';
import { startFakePool, type FakePool } from '../helpers/models/index.ts';

interface ScaledPool extends FakePool {
  readonly scaling: WorkerScaling;
  readonly guards: Pick<Guards, 'wake'>;
  queued: number | undefined;
  activity: Activity;
  looks: number;
}

function scale(range: { min: number; max: number }, idleTimeoutMs = 60_000): ScaledPool {
  const pool = startFakePool({ workers: range.min });
  const { machine, clock, supervisor } = pool;
  const scaling = new WorkerScaling({
    config: { range, processors: undefined, idleTimeoutMs, readyTimeoutMs: 60_000 },
    supervisor,
    log: machine.log,
    nowMs: () => clock.nowMs(),
    wake: () => guards.wake(),
  });
  const socket = {} as never;
  const freezer = {
    activity: (): Activity => scaled.activity,
    connections: () => [],
  };
  const guards = new Guards({
    supervisor,
    freezer,
    sessions: undefined,
    socket,
    clock,
    spentMs: () => 0,
    log: machine.log,
    guards: [
      {
        neverReplaces: true,
        isOff: () => scaling.isOff(),
        look: (look) => {
          scaled.looks++;
          scaling.look(withQueue(look, scaled.queued));
        },
      },
    ],
  });
  guards.serving();
  const scaled: ScaledPool = Object.assign(pool, {
    scaling,
    guards,
    queued: 0,
    activity: 'busy' as const,
    looks: 0,
  });
  return scaled;
}

/** No kernel is asked here. */
function withQueue(look: PoolLook, queued: number | undefined): PoolLook {
  const { nowMs, workers, turn, leaving, wanted } = look;
  return {
    nowMs,
    workers,
    turn,
    leaving,
    wanted,
    soon: (ms) => look.soon(ms),
    replace: (worker, reason) => look.replace(worker, reason),
    membersOf: (pid) => look.membersOf(pid),
    activityOf: (pid) => look.activityOf(pid),
    requestsOf: (pid) => look.requestsOf(pid),
    queued: () => queued,
  };
}

function seconds(pool: FakePool, count: number): void {
  for (let second = 0; second < count; second++) {
    for (const pid of pool.machine.live) pool.machine.waiting.add(pid);
    pool.clock.advance(1000);
  }
}

test('grows while connections wait, and ends one worker after the other when they are idle', () => {
  const pool = scale({ min: 1, max: 4 });
  pool.queued = 9;
  seconds(pool, 3);
  expect(pool.machine.live).toStrictEqual([101, 102, 103, 104]);
  expect(pool.scaling.describe().scaling).toMatchObject({
    last: { from: 2, to: 4, reason: '9 connections wait, nobody idle' },
  });
  Object.assign(pool, { queued: 0, activity: 'idle' });
  seconds(pool, 62);
  expect(pool.machine.live).toStrictEqual([101, 102, 103]);
  seconds(pool, 200);
  expect(pool.machine.live).toStrictEqual([101]);
  expect(pool.machine.events.filter(({ event }) => event === 'scaled').map((event) => event)).toMatchObject([
    { from: 1, workers: 2 },
    { from: 2, workers: 4 },
    { from: 4, workers: 3, reason: 'somebody idle for 60 s' },
    { from: 3, workers: 2 },
    { from: 2, workers: 1 },
  ]);
});

test.each(['busy', 'kept'] as const)('workers that are %s are not idle', (activity) => {
  const pool = scale({ min: 1, max: 2 });
  Object.assign(pool, { queued: 1, activity });
  seconds(pool, 3);
  expect(pool.machine.live).toHaveLength(2);
  pool.queued = 0;
  seconds(pool, 200);
  expect(pool.machine.live).toHaveLength(2);
});

test('does not start a second worker before the first one is up, nor any while workers crash at their start', () => {
  const pool = scale({ min: 1, max: 8 });
  pool.queued = 9;
  pool.machine.spawnErrnos = Array.from({ length: 100 }, () => 11);
  for (let second = 0; second < 60; second++) pool.clock.advance(1000);
  expect(pool.supervisor.pool.slots).toHaveLength(2);
});

test('looks at nothing while the number is fixed, and begins to once somebody has set bounds', () => {
  const pool = scale({ min: 2, max: 2 });
  seconds(pool, 10);
  expect(pool.clock.pending).toBe(0);
  expect(pool.scaling.describe()).toStrictEqual({});
  pool.scaling.apply({ range: { min: 1, max: 4 }, workers: 2 });
  pool.queued = 9;
  seconds(pool, 3);
  expect(pool.machine.live).toHaveLength(4);
  pool.scaling.apply({ range: { min: 3, max: 3 }, workers: 3 });
  const { looks } = pool;
  seconds(pool, 20);
  expect(pool.machine.live).toHaveLength(3);
  expect(pool.looks).toBe(looks);
  expect(pool.scaling.describe()).toStrictEqual({
    scaling: { min: 3, max: 3, processors: null, last: null, note: null },
  });
});

test('tells once that it may not have more, and once that it cannot see', () => {
  const pool = scale({ min: 1, max: 2 });
  pool.queued = 5;
  seconds(pool, 30);
  Object.assign(pool, { queued: undefined, activity: 'unknown' });
  seconds(pool, 30);
  const told = pool.machine.events.filter(({ event }) => event !== 'scaled');
  expect(told).toMatchObject([
    { event: 'workers-exhausted', workers: 2, queued: 5 },
    { event: 'warning', message: expect.stringContaining('the kernel tells neither') as string },
  ]);
  expect(pool.scaling.describe().scaling?.note).toMatch(/^the kernel tells neither/);
});

test('leaves the number to the next supervisor', () => {
  const pool = scale({ min: 1, max: 4 });
  pool.queued = 9;
  seconds(pool, 3);
  expect(pool.scaling.remembers()).toStrictEqual({ workers: 4 });
  expect(pool.scaling.gives()).toStrictEqual({ descriptors: [], data: { workers: 4 } });
});
