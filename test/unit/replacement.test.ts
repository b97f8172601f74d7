// The replacement of one worker for a guard, on a fake machine: new before old, one at a time, without a deadline, and out of
// the way of everything else.
import { describe, expect, test } from 'vitest';
import type { ReplacementWish } from '../../src/core/operations/replacement.ts';
import type { WorkerExit } from '../../src/core/worker-exit.ts';
import type { ReplacementEnd } from '../../src/supervisor/outcome.ts';
import { FakeMachine, startFakePool, type FakePool } from '../helpers/models/index.ts';

const crash: WorkerExit = { kind: 'exited', status: 3 };
const reason = { guard: 'max-age', text: 'it was old' };

/** The journal since the last call; however a worker is asked to end, it is `end PID`. */
function steps({ machine }: FakePool): string[] {
  return machine.takeJournal().map((line) => line.replace(/^(?:SIGTERM|idle \w+) /, 'end '));
}

function comesUp({ machine, clock }: FakePool, pid = machine.spawned.at(-1) ?? 0): void {
  machine.waiting.add(pid);
  clock.advance(50);
}

interface Replaced {
  readonly isBegun: boolean;
  readonly ends: readonly ReplacementEnd[];
}

function replace({ supervisor }: FakePool, slot: number, pid: number): Replaced {
  const ends: ReplacementEnd[] = [];
  const wish: ReplacementWish = { slot, pid, reason };
  return { isBegun: supervisor.replace(wish, (end) => void ends.push(end)), ends };
}

describe('a replacement', () => {
  test('starts the new worker first, and ends the old one when that is up', () => {
    const pool = startFakePool({ workers: 2 });
    const { isBegun, ends } = replace(pool, 1, 102);
    expect(isBegun).toBe(true);
    expect(steps(pool)).toStrictEqual(['spawn 103', 'record 1 tries 103']);
    expect(pool.machine.generations.get(103)).toBe(1);
    comesUp(pool);
    expect(steps(pool)).toStrictEqual(['end 102', 'record 1 is 103', 'log worker-replaced']);
    expect(ends).toStrictEqual([]);
    pool.machine.reap();
    expect(ends).toStrictEqual([{ result: 'replaced', message: '' }]);
    expect(pool.machine.events).toStrictEqual([
      {
        event: 'worker-replaced',
        slot: 1,
        workerPid: 103,
        generation: 1,
        formerPid: 102,
        guard: 'max-age',
        reason: 'it was old',
      },
    ]);
    expect(pool.supervisor.pool.replacement).toBeUndefined();
    pool.clock.advance(10_000);
    expect(pool.clock.pending).toBe(0);
  });

  test('is one at a time, and for a worker that has its slot', () => {
    const pool = startFakePool({ workers: 2 });
    const gone = replace(pool, 0, 102);
    expect(gone).toStrictEqual({ isBegun: true, ends: [{ result: 'moot', message: '' }] });
    expect(replace(pool, 0, 101).isBegun).toBe(true);
    expect(replace(pool, 1, 102).isBegun).toBe(false);
    comesUp(pool);
    expect(replace(pool, 1, 102).isBegun).toBe(false);
    pool.machine.reap();
    expect(replace(pool, 1, 102).isBegun).toBe(true);
  });

  test('waits for the end of workers that are not wanted any more', () => {
    const pool = startFakePool({ workers: 3 });
    pool.supervisor.scale(2);
    pool.machine.takeJournal();
    const { isBegun, ends } = replace(pool, 0, 101);
    expect(isBegun).toBe(true);
    expect(steps(pool)).toStrictEqual([]);
    expect(pool.supervisor.pool.replacement).toMatchObject({ stage: 'waiting' });
    pool.machine.reap();
    expect(steps(pool)).toContain('record 0 tries 104');
    expect(ends).toStrictEqual([]);
  });

  test('never cuts a request: the old worker has no deadline', () => {
    const pool = startFakePool({ stopTimeoutMs: 1000 });
    pool.machine.needIdleStop.add(101);
    pool.machine.busy.add(101);
    const { ends } = replace(pool, 0, 101);
    comesUp(pool);
    pool.clock.advance(3_600_000);
    pool.machine.reap();
    expect(pool.machine.live).toStrictEqual([101, 102]);
    pool.machine.busy.delete(101);
    pool.clock.advance(2000);
    pool.machine.reap();
    expect(pool.machine.live).toStrictEqual([102]);
    expect(ends).toStrictEqual([{ result: 'replaced', message: '' }]);
  });

  test('is not made of a worker that may not be signalled, nor while something else is under way', () => {
    const pool = startFakePool({ workers: 2 });
    pool.supervisor.setHandingOver(true);
    expect(replace(pool, 0, 101).isBegun).toBe(false);
    pool.supervisor.setHandingOver(false);
    pool.supervisor.reload();
    expect(replace(pool, 0, 101).isBegun).toBe(false);
    pool.supervisor.stop('test');
    expect(replace(pool, 0, 101).isBegun).toBe(false);
  });
});

describe('a replacement whose new worker', () => {
  test.each<[string, string, (pool: FakePool) => void]>([
    ['ends', 'the new worker of slot 0 (PID 102) exited with 3', (pool) => pool.machine.end(102, crash)],
    [
      'is not up in time',
      'the new worker of slot 0 was not up within --ready-timeout',
      (pool) => pool.clock.advance(60_000),
    ],
  ])('%s leaves the old one in service', (_what, message, fail) => {
    const pool = startFakePool();
    const { ends } = replace(pool, 0, 101);
    fail(pool);
    pool.machine.reap();
    expect(ends).toStrictEqual([{ result: 'failed', message }]);
    expect(pool.machine.live).toStrictEqual([101]);
    expect(pool.supervisor.pool.replacement).toBeUndefined();
    pool.clock.advance(10_000);
    expect(pool.clock.pending).toBe(0);
  });

  test('cannot be executed leaves the old one in service', () => {
    const pool = startFakePool();
    pool.machine.spawnErrnos = [2];
    const { ends } = replace(pool, 0, 101);
    expect(ends).toStrictEqual([{ result: 'failed', message: "exec of '/srv/app' failed: error text 2" }]);
    expect(pool.machine.live).toStrictEqual([101]);
    expect(pool.clock.pending).toBe(0);
  });

  test('is awaited when the old one crashes meanwhile, and fills its slot', () => {
    const pool = startFakePool();
    const { ends } = replace(pool, 0, 101);
    pool.machine.end(101, crash);
    expect(pool.machine.live).toStrictEqual([102]);
    comesUp(pool);
    expect(ends).toStrictEqual([{ result: 'replaced', message: '' }]);
    expect(pool.supervisor.pool.slots[0]?.state).toMatchObject({ kind: 'running', pid: 102 });
  });

  test('ends after the old one has crashed: the slot is filled all the same', () => {
    const pool = startFakePool();
    const { ends } = replace(pool, 0, 101);
    pool.machine.end(101, crash);
    pool.machine.end(102, crash);
    expect(ends).toMatchObject([{ result: 'failed' }]);
    expect(pool.machine.live).toStrictEqual([103]);
    expect(pool.supervisor.pool.slots[0]?.state).toMatchObject({ kind: 'starting', pid: 103 });
  });
});

describe('out of the way of a replacement', () => {
  test('a reload begins at once: the new worker that is not up yet is ended', () => {
    const pool = startFakePool();
    const { ends } = replace(pool, 0, 101);
    pool.machine.takeJournal();
    pool.supervisor.reload();
    expect(ends).toStrictEqual([{ result: 'interrupted', message: '' }]);
    expect(steps(pool)).toStrictEqual(['end 102', 'log reload-started', 'spawn 103', 'record 0 tries 103']);
    expect(pool.supervisor.pool.operation).toBe('reload');
  });

  test('a restart begins at once, and an old worker without a deadline gets one', () => {
    const pool = startFakePool({ stopTimeoutMs: 1000 });
    pool.machine.needIdleStop.add(101);
    pool.machine.busy.add(101);
    const { ends } = replace(pool, 0, 101);
    comesUp(pool);
    expect(pool.supervisor.restart()).toBe(true);
    expect(ends).toStrictEqual([{ result: 'replaced', message: '' }]);
    pool.clock.advance(2000);
    pool.machine.reap();
    expect(pool.machine.live).toStrictEqual([103]);
    expect(pool.machine.generations.get(103)).toBe(2);
  });

  test('a handover begins at once', () => {
    const pool = startFakePool();
    const { ends } = replace(pool, 0, 101);
    pool.supervisor.setHandingOver(true);
    expect(ends).toStrictEqual([{ result: 'interrupted', message: '' }]);
    pool.machine.reap();
    expect(pool.machine.live).toStrictEqual([101]);
    expect(pool.supervisor.pool.operation).toBe('handover');
  });

  test('the pool is scaled meanwhile, and its slot may be taken away', () => {
    const pool = startFakePool({ workers: 2 });
    const { ends } = replace(pool, 1, 102);
    pool.supervisor.scale(3);
    expect(pool.machine.live).toStrictEqual([101, 102, 103, 104]);
    pool.supervisor.scale(1);
    expect(pool.supervisor.pool.slots).toHaveLength(1);
    comesUp(pool, 103);
    expect(ends).toStrictEqual([{ result: 'moot', message: '' }]);
    pool.machine.reap();
    expect(pool.machine.live).toStrictEqual([101]);
  });

  test('a stop ends both workers', () => {
    const pool = startFakePool();
    replace(pool, 0, 101);
    pool.supervisor.stop('test');
    pool.machine.reap();
    expect(pool.machine.live).toStrictEqual([]);
    pool.clock.advance(10_000);
    expect(pool.outcomes).toContain('stopped 0');
  });
});

describe('an old worker that does not end', () => {
  /** Its successor is up, and it was told to end. */
  function replacing(
    options: Parameters<typeof startFakePool>[0],
    prepare: (pool: FakePool) => unknown,
  ): FakePool {
    const pool = startFakePool({ stopTimeoutMs: 1000, ...options });
    prepare(pool);
    replace(pool, 0, 101);
    comesUp(pool);
    return pool;
  }

  test('since its request takes long is looked at ever less often, once a second in the end', () => {
    const pool = replacing({}, ({ machine }) => {
      machine.needIdleStop.add(101);
      machine.busy.add(101);
    });
    pool.clock.advance(1000);
    expect(pool.machine.idleWay).toBe('replace');
    pool.clock.advance(60_000);
    // It is followed no more: its request is a long one, which that would make longer.
    expect(pool.machine.idleWay).toBe('replace-quietly');
    const looks = pool.machine.idleLooks;
    pool.clock.advance(60_000);
    expect(pool.machine.idleLooks - looks).toBeGreaterThanOrEqual(59);
    expect(pool.machine.idleLooks - looks).toBeLessThanOrEqual(61);
  });

  test('on the signal of --stop-signal is killed when it is idle, after --stop-timeout', () => {
    const machine = new FakeMachine();
    machine.workerHabits = { ignoresTerm: true };
    const pool = replacing({ stopMethod: 'SIGQUIT', machine }, () => machine.busy.add(101));
    pool.clock.advance(60_000);
    pool.machine.reap();
    expect(pool.machine.live).toStrictEqual([101, 102]);
    pool.machine.busy.delete(101);
    pool.clock.advance(2000);
    pool.machine.reap();
    expect(pool.machine.live).toStrictEqual([102]);
    expect(pool.supervisor.pool.replacement).toBeUndefined();
  });

  test('and may not be looked at has the time of --stop-timeout, as in a reload', () => {
    const pool = replacing({}, ({ machine }) => {
      machine.needIdleStop.add(101);
      machine.hidden.add(101);
    });
    pool.clock.advance(3000);
    pool.machine.reap();
    expect(pool.machine.live).toStrictEqual([102]);
    expect(pool.machine.events.map(({ event }) => event)).toContain('warning');
  });

  test('in a stop of the pool has the deadline of the stop', () => {
    const pool = replacing({}, ({ machine }) => {
      machine.needIdleStop.add(101);
      machine.busy.add(101);
    });
    pool.supervisor.stop('test');
    pool.clock.advance(1100);
    pool.machine.reap();
    expect(pool.machine.live).toStrictEqual([]);
  });
});
