// The end of a worker whose request is stuck, on a fake machine: what becomes of its slot, and what it does not count for.
import { describe, expect, test } from 'vitest';
import type { PoolEvent } from '../../src/core/text/pool-event.ts';
import { startFakePool, type FakePool } from '../helpers/models/index.ts';

/** As the guard does it, of the only worker. */
function endStuck({ machine, supervisor }: FakePool): number {
  const [pid = 0] = machine.live;
  expect(supervisor.stuck.kill(pid)).toEqual([]);
  machine.reap();
  return pid;
}

function endsIn({ machine }: FakePool): Extract<PoolEvent, { event: 'worker-ended' }>[] {
  return machine.events.filter((event) => event.event === 'worker-ended');
}

describe('a worker whose request is stuck', () => {
  test('is killed, and its slot is filled at once', () => {
    const pool = startFakePool();
    const pid = endStuck(pool);
    const [successor] = pool.machine.live;
    expect(pool.machine.journal).toEqual(
      expect.arrayContaining([`SIGKILL ${pid}`, `spawn ${successor}`, 'log worker-ended']),
    );
    expect(endsIn(pool)).toMatchObject([
      { workerPid: pid, class: 'stuck', delayMs: 0, successorPid: successor },
    ]);
  });

  test('leads to no backoff, however young it was, and not to --start-limit', () => {
    const pool = startFakePool({
      restart: { startLimit: { count: 2, withinMs: 60_000 }, minUptimeMs: 10_000 },
    });
    for (let n = 0; n < 10; n++) {
      endStuck(pool);
      for (const pid of pool.machine.live) pool.machine.waiting.add(pid);
      pool.clock.advance(1001);
    }
    expect(endsIn(pool).map(({ delayMs }) => delayMs)).toEqual(Array.from({ length: 10 }, () => 0));
    expect(pool.supervisor.phase).toBe('serving');
  });

  test('does not heal the backoff of its slot either', () => {
    const pool = startFakePool({ restart: { minUptimeMs: 1_000_000 } });
    const crash = (): number | undefined => {
      const [pid = 0] = pool.machine.live;
      pool.machine.end(pid, { kind: 'exited', status: 1 });
      const { delayMs } = endsIn(pool).at(-1) ?? {};
      pool.clock.advance(delayMs ?? 0);
      for (const one of pool.machine.live) pool.machine.waiting.add(one);
      pool.clock.advance(100);
      return delayMs;
    };
    const before = [crash(), crash()];
    endStuck(pool);
    for (const one of pool.machine.live) pool.machine.waiting.add(one);
    pool.clock.advance(100);
    expect([...before, crash()]).toEqual([90, 180, 360]);
  });

  test('that ends of its stuck signal, with whatever status, was stuck', () => {
    const pool = startFakePool();
    const [pid = 0] = pool.machine.live;
    pool.supervisor.stuck.expect(pid);
    pool.machine.end(pid, { kind: 'exited', status: 2 });
    expect(endsIn(pool)).toMatchObject([{ class: 'stuck', delayMs: 0 }]);
  });

  test('and recovered, ends later as any other', () => {
    const pool = startFakePool();
    const [pid = 0] = pool.machine.live;
    pool.supervisor.stuck.expect(pid);
    pool.supervisor.stuck.recovered(pid);
    pool.machine.end(pid, { kind: 'exited', status: 2 });
    expect(endsIn(pool)).toMatchObject([{ class: 'crash' }]);
  });

  test('does not fail a reload in which its end falls', () => {
    const pool = startFakePool({ workers: 2 });
    const { machine, clock, supervisor } = pool;
    const [, second = 0] = machine.live;
    supervisor.stuck.kill(second);
    supervisor.reload();
    machine.reap();
    for (let n = 0; n < 200; n++) {
      for (const pid of machine.live) machine.waiting.add(pid);
      clock.advance(50);
      machine.reap();
    }
    clock.advance(10_000);
    expect(machine.events.filter(({ event }) => event === 'reload-finished')).toMatchObject([
      { result: 'reloaded' },
    ]);
  });

  test('and that KILL does not end is left behind, and its slot filled without that', () => {
    const pool = startFakePool();
    const { machine, supervisor } = pool;
    machine.workerHabits = { isStuck: true };
    const [first = 0] = machine.live;
    machine.end(first, { kind: 'exited', status: 0 });
    machine.workerHabits = {};
    const [stuck = 0] = machine.live;
    machine.waiting.add(stuck);
    pool.clock.advance(100);
    supervisor.stuck.kill(stuck);
    machine.reap();
    expect(machine.live).toEqual([stuck]);
    supervisor.stuck.leave(stuck);
    expect(machine.live.length).toBe(2);
    expect(supervisor.left).toMatchObject([{ pid: stuck, why: 'stuck' }]);
  });

  test('and that may not be signalled is named', () => {
    const pool = startFakePool();
    const { machine, supervisor } = pool;
    machine.workerHabits = { isForeign: true };
    const [first = 0] = machine.live;
    machine.end(first, { kind: 'exited', status: 0 });
    const [foreign = 0] = machine.live;
    expect(supervisor.stuck.kill(foreign)).toEqual([foreign]);
  });
});

test('a process that is none of the pool is not signalled', () => {
  const pool = startFakePool();
  pool.machine.takeJournal();
  expect(pool.supervisor.stuck.kill(999_999)).toEqual([]);
  expect(pool.machine.takeJournal()).toEqual([]);
});
