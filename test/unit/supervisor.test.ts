// The supervisor on a fake machine: restarts, leftovers, deadlines, stops in every phase, and no wake-up while idle.
import { describe, expect, test } from 'vitest';
import type { WorkerExit } from '../../src/core/worker-exit.ts';
import { createFakePool, FakeMachine, startFakePool, type FakePool } from '../helpers/models/index.ts';

const exit0: WorkerExit = { kind: 'exited', status: 0 };
const exit1: WorkerExit = { kind: 'exited', status: 1 };
const segfault: WorkerExit = { kind: 'signaled', signal: 11 };

/** The only live worker. */
function workerOf({ machine }: FakePool): number {
  const [pid, ...others] = machine.live;
  if (pid === undefined || others.length > 0) throw new Error(`live workers: ${machine.live.join(' ')}`);
  return pid;
}

/** Lets the pool look at its sessions and say that it has stopped. */
function settle({ machine, clock }: Pick<FakePool, 'machine' | 'clock'>): void {
  machine.reap();
  clock.advance(0);
}

function warnings({ machine }: FakePool): string[] {
  return machine.events.flatMap((event) => (event.event === 'warning' ? [event.message] : []));
}

describe('a start', () => {
  test('is up as soon as every worker waits for connections', () => {
    const { supervisor, machine, clock, outcomes, firstEnds } = createFakePool({ workers: 3 });
    supervisor.start();
    expect(machine.spawned).toStrictEqual([101, 102, 103]);
    machine.waiting.add(101).add(102);
    clock.advance(50);
    expect(outcomes).toStrictEqual([]);
    machine.waiting.add(103);
    clock.advance(5);
    expect(outcomes).toStrictEqual(['up']);
    expect(firstEnds).toStrictEqual([undefined, undefined, undefined]);
    expect(supervisor.phase).toBe('serving');
  });

  test('is up after 100 ms with workers that are never seen waiting', () => {
    const { supervisor, clock, outcomes } = createFakePool({ workers: 2 });
    supervisor.start();
    clock.advance(99);
    expect(outcomes).toStrictEqual([]);
    clock.advance(6);
    expect(outcomes).toStrictEqual(['up']);
  });

  test('tells its records of every worker', () => {
    const { supervisor, machine } = createFakePool({ workers: 2 });
    supervisor.start();
    expect(machine.takeJournal()).toStrictEqual([
      'spawn 101',
      'record 0 started 101',
      'spawn 102',
      'record 1 started 102',
    ]);
  });

  test('whose worker cannot be spawned for something unexpected is up with the others, and tries again later', () => {
    const { supervisor, machine, clock, outcomes, firstEnds } = createFakePool({ workers: 2 });
    machine.spawnErrnos = [-1];
    supervisor.start();
    clock.advance(110);
    expect(outcomes).toStrictEqual(['up']);
    expect(firstEnds).toStrictEqual([{ kind: 'not-executed', errno: 5 }, undefined]);
    expect(machine.events).toMatchObject([
      { event: 'warning', message: 'a worker could not be started: spawn: spawn threw' },
    ]);
    clock.advance(200);
    expect(machine.live).toHaveLength(2);
  });

  test('with some dead workers is up, names them, and logs nothing: the command prints them', () => {
    const { supervisor, machine, clock, outcomes, firstEnds } = createFakePool({ workers: 2 });
    supervisor.start();
    machine.end(101, exit1);
    expect(machine.spawned).toHaveLength(2);
    clock.advance(110);
    expect(outcomes).toStrictEqual(['up']);
    expect(firstEnds).toStrictEqual([exit1, undefined]);
    expect(machine.events).toStrictEqual([]);
    clock.advance(200);
    expect(machine.spawned).toHaveLength(3);
  });

  test('that finds no program fails with its errno', () => {
    const pool = createFakePool({ workers: 2 });
    pool.machine.spawnErrnos = [2, 2];
    pool.supervisor.start();
    settle(pool);
    expect(pool.outcomes).toStrictEqual(['start failed']);
    expect(pool.firstEnds).toStrictEqual([
      { kind: 'not-executed', errno: 2 },
      { kind: 'not-executed', errno: 2 },
    ]);
    expect(pool.clock.pending).toBe(0);
  });

  test('that fails tries no second time and leaves no timer', () => {
    const pool = createFakePool();
    pool.supervisor.start();
    pool.machine.end(workerOf(pool), exit1);
    pool.clock.advance(60_000);
    expect(pool.machine.spawned).toHaveLength(1);
    expect(pool.outcomes).toStrictEqual(['start failed']);
    expect(pool.clock.pending).toBe(0);
  });

  test('that fails waits until the sessions are empty', () => {
    const pool = createFakePool({ stopTimeoutMs: 3000 });
    pool.supervisor.start();
    const worker = workerOf(pool);
    const child = pool.machine.fork(worker, { ignoresTerm: true });
    pool.machine.takeJournal();
    pool.machine.end(worker, exit1);
    pool.clock.advance(0);
    expect(pool.machine.takeJournal()).toContain(`SIGTERM ${child}`);
    pool.clock.advance(2999);
    expect(pool.outcomes).toStrictEqual([]);
    pool.clock.advance(11);
    expect(pool.machine.journal).toContain(`SIGKILL ${child}`);
    expect(pool.outcomes).toStrictEqual(['start failed']);
    expect(pool.machine.processCount).toBe(0);
    expect(pool.clock.pending).toBe(0);
  });

  test('leaves the deaths of its first workers to the command, the last one too', () => {
    const failed = createFakePool({ workers: 2 });
    failed.supervisor.start();
    failed.machine.end(101, exit1);
    failed.machine.end(102, exit1);
    expect(failed.machine.events).toStrictEqual([]);
    const up = createFakePool({ workers: 2 });
    up.supervisor.start();
    up.machine.waiting.add(101);
    up.clock.advance(1);
    up.machine.end(102, exit1);
    expect(up.outcomes).toStrictEqual(['up']);
    expect(up.machine.events).toStrictEqual([]);
  });

  test('that fails ends at once when what was left obeys TERM', () => {
    const pool = createFakePool({ workers: 2 });
    pool.supervisor.start();
    for (const worker of pool.machine.live) {
      pool.machine.fork(worker);
      pool.machine.end(worker, exit1);
    }
    pool.clock.advance(0);
    expect(pool.outcomes).toStrictEqual(['start failed']);
    expect(pool.machine.processCount).toBe(0);
  });
});

describe('a worker that ends', () => {
  test('by a crash is replaced at once, before anything is written', () => {
    const pool = startFakePool();
    pool.machine.end(workerOf(pool), segfault);
    expect(pool.machine.takeJournal()).toStrictEqual([
      'record 0 ended',
      'spawn 102',
      'record 0 started 102',
      'log worker-ended',
    ]);
    expect(pool.machine.events).toStrictEqual([
      {
        event: 'worker-ended',
        slot: 0,
        workerPid: 101,
        end: segfault,
        signalName: 'SIGSEGV',
        uptimeMs: 2001,
        class: 'crash',
        delayMs: 0,
        successorPid: 102,
      },
    ]);
  });

  test('and is replaced later is followed by a line about its successor', () => {
    const pool = startFakePool();
    pool.machine.end(workerOf(pool), exit1);
    expect(pool.machine.events.at(-1)).toMatchObject({ delayMs: 0, successorPid: 102 });
    pool.machine.end(102, exit1);
    expect(pool.machine.events.at(-1)).not.toHaveProperty('successorPid');
    pool.clock.advance(100);
    expect(pool.machine.events.at(-1)).toStrictEqual({ event: 'worker-started', slot: 0, workerPid: 103 });
    expect(pool.machine.events).toHaveLength(3);
  });

  test('and whose successor cannot be started is followed by the reason, not by a PID', () => {
    const pool = startFakePool();
    pool.machine.spawnErrnos = [2];
    pool.machine.end(workerOf(pool), exit1);
    const [ended, failed] = pool.machine.events;
    expect(ended).not.toHaveProperty('successorPid');
    expect(failed).toMatchObject({ event: 'exec-failed', delayMs: 90 });
  });

  test('with status 0 is replaced at once, the eleventh within a second later', () => {
    const pool = startFakePool();
    for (let count = 0; count < 10; count++) {
      pool.machine.end(workerOf(pool), exit0);
      pool.machine.waiting.add(workerOf(pool));
      pool.clock.advance(10);
    }
    expect(pool.machine.spawned).toHaveLength(11);
    pool.machine.end(workerOf(pool), exit0);
    expect(pool.machine.live).toStrictEqual([]);
    expect(pool.machine.events.at(-1)).toMatchObject({ class: 'planned', delayMs: 900 });
    pool.clock.advance(899);
    expect(pool.machine.live).toStrictEqual([]);
    pool.clock.advance(1);
    expect(pool.machine.live).toHaveLength(1);
  });

  test('too early is tried again after a delay that doubles', () => {
    const pool = startFakePool();
    pool.machine.randomNumber = 0.999_999;
    pool.machine.end(workerOf(pool), segfault);
    for (const delayMs of [100, 200, 400, 800]) {
      pool.machine.end(workerOf(pool), exit1);
      expect(pool.machine.events.at(-1)).toMatchObject({ class: 'failed-start', delayMs });
      pool.clock.advance(delayMs - 1);
      expect(pool.machine.live).toStrictEqual([]);
      pool.clock.advance(1);
      expect(pool.machine.live).toHaveLength(1);
    }
  });

  test('does not disturb the other slots', () => {
    const pool = startFakePool({ workers: 3 });
    pool.machine.end(102, segfault);
    expect(pool.machine.live).toStrictEqual([101, 103, 104]);
    expect(pool.machine.journal).toContain('record 1 started 104');
  });

  test('twice counts once, and a child that is none of ours not at all', () => {
    const pool = startFakePool();
    pool.machine.end(workerOf(pool), segfault);
    pool.machine.takeJournal();
    pool.supervisor.childEnded(101, exit1);
    pool.supervisor.childEnded(4711, exit0);
    expect(pool.machine.takeJournal()).toStrictEqual([]);
    expect(pool.machine.live).toStrictEqual([102]);
  });
});

describe('a process that is on the roster as a trial', () => {
  function startTrial(pool: FakePool): { readonly pid: number; readonly ends: WorkerExit[] } {
    const [pid, ends] = [900, new Array<WorkerExit>()];
    const onEnd = (exit: WorkerExit): void => void ends.push(exit);
    pool.supervisor.roster.add({ role: 'trial', pid, generation: 2, startedAtMs: 0, onEnd });
    return { pid, ends };
  }

  test('is none of the pool, and whoever started it hears of its end once', () => {
    const pool = startFakePool();
    const { pid, ends } = startTrial(pool);
    const { roster } = pool.supervisor;
    expect([roster.pids, roster.generations, roster.get(pid)]).toStrictEqual([[101], [1], undefined]);
    pool.supervisor.childEnded(pid, segfault);
    pool.supervisor.childEnded(pid, segfault);
    expect(ends).toStrictEqual([segfault]);
    expect(pool.machine.takeJournal()).toStrictEqual([]);
    expect(pool.machine.live).toStrictEqual([101]);
  });

  test('is named as left behind from when it was given up until it is gone after all', () => {
    const pool = startFakePool();
    const { pid, ends } = startTrial(pool);
    expect(pool.supervisor.left).toStrictEqual([]);
    pool.supervisor.roster.leaveTrial(pid, 'stuck');
    expect(pool.supervisor.left).toStrictEqual([{ pid, why: 'stuck' }]);
    pool.supervisor.childEnded(pid, exit1);
    expect(ends).toStrictEqual([exit1]);
    expect(pool.supervisor.left).toStrictEqual([]);
  });

  test('is not what a stop waits for, and is named at its end where it may not be signalled', () => {
    const pool = startFakePool();
    const { pid } = startTrial(pool);
    pool.supervisor.roster.leaveTrial(pid, 'refused');
    pool.supervisor.stop('SIGTERM');
    settle(pool);
    expect(warnings(pool)).toStrictEqual([
      `PID ${pid} is left behind (may not be signalled: Operation not permitted)`,
    ]);
    expect(pool.outcomes.at(-1)).toBe('stopped 1');
  });
});

describe('workers that end with 0 again and again', () => {
  /** Lets so many workers live for `ageMs` each, one after the other; the classes of their ends. */
  function live(pool: FakePool, count: number, ageMs: number, isHidden = false): unknown[] {
    return Array.from({ length: count }, () => {
      while (pool.machine.live.length === 0) pool.clock.advance(10);
      const worker = workerOf(pool);
      if (isHidden) pool.machine.hidden.add(worker);
      pool.clock.advance(ageMs);
      pool.machine.end(worker, exit0);
      const end = pool.machine.events.findLast(({ event }) => event === 'worker-ended');
      return end && 'class' in end ? end.class : undefined;
    });
  }
  const times = (count: number, end: string): string[] => Array.from({ length: count }, () => end);

  test('after 110 ms and are never seen to serve soon wait between their lives', () => {
    const pool = startFakePool({ workers: 4 });
    pool.machine.live.forEach((worker) => pool.machine.end(worker, segfault));
    const untilMs = pool.clock.nowMs() + 60_000;
    while (pool.clock.nowMs() < untilMs) {
      const workers = pool.machine.live;
      pool.clock.advance(110);
      workers.forEach((worker) => pool.machine.end(worker, exit0));
    }
    expect(pool.machine.spawned.length).toBeLessThanOrEqual(4 * (1 + 1 + 5 + 9));
  });

  test('are watched for a second once one was missed: who starts slowly and serves is planned', () => {
    const pool = startFakePool();
    pool.machine.end(workerOf(pool), exit0);
    pool.machine.waiting.clear();
    expect(live(pool, 1, 400)).toStrictEqual(['planned']);
    for (let turn = 0; turn < 150; turn++) {
      const worker = workerOf(pool);
      pool.clock.advance(300);
      pool.machine.waiting.add(worker);
      pool.clock.advance(10);
      const { looks } = pool.machine;
      pool.clock.advance(40);
      expect(pool.machine.looks).toBe(looks);
      expect(live(pool, 1, 50)).toStrictEqual(['planned']);
    }
  });

  test('are watched only until they are a second old', () => {
    const pool = startFakePool();
    pool.machine.waiting.clear();
    pool.machine.end(workerOf(pool), segfault);
    live(pool, 1, 500);
    pool.clock.advance(1200);
    expect(pool.clock.pending).toBe(0);
  });

  test('are planned however young and often, where nobody may look and they recycle themselves', () => {
    const pool = startFakePool();
    pool.machine.end(workerOf(pool), exit0);
    expect(live(pool, 1, 150, true)).toStrictEqual(['planned']);
    expect(live(pool, 150, 30, true)).toStrictEqual(times(150, 'planned'));
  });

  test('are not up before they say so where they are to say so themselves', () => {
    const pool = startFakePool({ isNotified: true });
    pool.machine.end(workerOf(pool), exit0);
    pool.machine.hidden.add(workerOf(pool));
    pool.clock.advance(60_000);
    expect(pool.supervisor.pool.slots[0]).toMatchObject({
      state: { kind: 'starting' },
      memory: { recycles: true },
    });
  });

  test('fail where nobody may look and none was ever up', () => {
    const pool = startFakePool();
    pool.machine.end(workerOf(pool), segfault);
    expect(live(pool, 3, 30, true)).toStrictEqual(times(3, 'failed-start'));
  });
});

describe('a program that cannot be executed any more', () => {
  test('is logged with path and errno, tried again, and used once it is back', () => {
    const pool = startFakePool();
    pool.machine.spawnErrnos = [2, 13];
    pool.machine.end(workerOf(pool), segfault);
    expect(pool.machine.events.at(0)).toMatchObject({ event: 'worker-ended', class: 'crash' });
    expect(pool.machine.events.filter(({ event }) => event === 'exec-failed')).toStrictEqual([
      { event: 'exec-failed', slot: 0, path: '/srv/app', errno: 2, error: 'error text 2', delayMs: 90 },
    ]);
    pool.clock.advance(90);
    expect(pool.machine.events.at(-1)).toMatchObject({ event: 'exec-failed', errno: 13, delayMs: 180 });
    pool.clock.advance(180);
    expect(pool.machine.live).toHaveLength(1);
  });

  test.each([11, 12])('is not blamed for errno %s, which is of fork', (errno) => {
    const pool = startFakePool();
    pool.machine.spawnErrnos = [errno];
    pool.machine.end(workerOf(pool), segfault);
    expect(pool.machine.events.at(-1)).toStrictEqual({
      event: 'spawn-failed',
      slot: 0,
      errno,
      error: `error text ${errno}`,
      delayMs: 90,
    });
  });

  test('reports what happened in the order in which it happened', () => {
    const pool = startFakePool();
    pool.machine.spawnErrnos = [2];
    pool.machine.end(workerOf(pool), segfault);
    expect(pool.machine.events.map(({ event }) => event)).toStrictEqual(['worker-ended', 'exec-failed']);
  });

  test('is no busy loop: an hour of it costs a few hundred attempts', () => {
    const pool = startFakePool();
    pool.machine.spawnErrnos = Array.from({ length: 10_000 }, () => 2);
    pool.machine.end(workerOf(pool), segfault);
    pool.clock.advance(3_600_000);
    const attempts = pool.machine.journal.filter((line) => line === 'spawn fails 2').length;
    expect(attempts).toBeGreaterThan(120);
    expect(attempts).toBeLessThan(150);
  });
});

describe('what a dead worker left of its session', () => {
  test('gets TERM behind the replacement, and KILL at the deadline', () => {
    const pool = startFakePool({ stopTimeoutMs: 3000 });
    const worker = workerOf(pool);
    const child = pool.machine.fork(worker, { ignoresTerm: true });
    pool.machine.end(worker, segfault);
    expect(pool.machine.takeJournal().slice(1)).toStrictEqual([
      'spawn 103',
      'record 0 started 103',
      'log worker-ended',
      `SIGTERM ${child}`,
      'log session-left',
    ]);
    pool.machine.waiting.add(103);
    pool.clock.advance(2999);
    expect(pool.machine.takeJournal()).toStrictEqual([]);
    pool.clock.advance(501);
    expect(pool.machine.takeJournal()).toStrictEqual([`SIGKILL ${child}`, 'log killed']);
    expect(pool.machine.live).toStrictEqual([103]);
  });

  test('is ended by a stop as well, and the pool waits for it', () => {
    const pool = startFakePool();
    const worker = workerOf(pool);
    const child = pool.machine.fork(worker, { ignoresTerm: true });
    pool.machine.end(worker, segfault);
    expect(pool.machine.takeJournal()).toContain(`SIGTERM ${child}`);
    pool.supervisor.stop('SIGTERM');
    expect(pool.machine.takeJournal()).toContain(`guard 103 ${worker}`);
    settle(pool);
    pool.clock.advance(8000);
    expect(pool.outcomes).toStrictEqual(['up']);
    pool.clock.advance(1010);
    expect(pool.machine.events.at(-1)).toStrictEqual({
      event: 'killed',
      reason: '--stop-timeout',
      pids: [child],
    });
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 0']);
    expect(pool.clock.pending).toBe(0);
  });
});

describe('a stop', () => {
  test('asks every worker to end, and is done when all are reaped', () => {
    const pool = startFakePool({ workers: 2 });
    pool.supervisor.stop('SIGTERM');
    expect(pool.machine.takeJournal()).toStrictEqual(['log stopping', 'guard 101 102', 'SIGTERM 101 102']);
    expect(pool.machine.events).toStrictEqual([{ event: 'stopping', reason: 'SIGTERM' }]);
    pool.clock.advance(5000);
    expect(pool.outcomes).toStrictEqual(['up']);
    settle(pool);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 0']);
    expect(pool.supervisor.phase).toBe('stopped');
    expect(pool.machine.processCount).toBe(0);
    expect(pool.clock.pending).toBe(0);
  });

  test('has a guard until nobody is left', () => {
    const pool = startFakePool();
    pool.supervisor.stop('SIGTERM');
    pool.machine.takeJournal();
    pool.machine.reap();
    expect(pool.machine.takeJournal()).not.toContain('guard ends');
    pool.clock.advance(0);
    expect(pool.machine.takeJournal()).toContain('guard ends');
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 0']);
  });

  test('that drains the pool has a guard that leaves the workers to the new supervisor', () => {
    const pool = startFakePool({ workers: 2 });
    pool.supervisor.drain({ pid: 77, startTime: '5' });
    expect(pool.machine.takeJournal()[0]).toBe('guard 101 102 unless 77');
  });

  test('kills at the stop timeout, not before, and is a success all the same', () => {
    const pool = startFakePool({
      workers: 2,
      machine: Object.assign(new FakeMachine(), { workerHabits: { ignoresTerm: true } }),
    });
    pool.supervisor.stop('SIGTERM');
    // They tidy up.
    pool.machine.waiting.clear();
    pool.machine.takeJournal();
    pool.clock.advance(8999);
    expect(pool.machine.takeJournal()).toStrictEqual([]);
    pool.clock.advance(1);
    expect(pool.machine.takeJournal()).toStrictEqual(['SIGKILL 101 102', 'log killed']);
    expect(pool.machine.events.at(-1)).toStrictEqual({
      event: 'killed',
      reason: '--stop-timeout',
      pids: [101, 102],
    });
    settle(pool);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 0']);
    expect(pool.clock.pending).toBe(0);
  });

  test('asked a second time kills at once, a third time nothing more', () => {
    const pool = startFakePool({
      machine: Object.assign(new FakeMachine(), { workerHabits: { ignoresTerm: true } }),
    });
    pool.supervisor.stop('SIGTERM');
    pool.clock.advance(10);
    pool.machine.takeJournal();
    pool.supervisor.stop('SIGINT');
    expect(pool.machine.takeJournal()).toStrictEqual(['SIGKILL 101', 'log killed']);
    expect(pool.machine.events.at(-1)).toMatchObject({ reason: 'second signal' });
    pool.supervisor.stop('SIGINT');
    expect(pool.machine.takeJournal()).toStrictEqual([]);
    settle(pool);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 0']);
    expect(pool.clock.pending).toBe(0);
  });

  test('cancels the backoff timers', () => {
    const pool = startFakePool({ workers: 2 }, 500);
    pool.machine.end(101, exit1);
    pool.clock.advance(50);
    pool.supervisor.stop('SIGTERM');
    expect(pool.clock.pending, 'the stop timeout, and the look at the one that has its TERM').toBe(2);
    pool.clock.advance(1000);
    expect(pool.machine.spawned).toStrictEqual([101, 102]);
    settle(pool);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 0']);
  });

  test('with every slot in backoff is done at once', () => {
    const pool = startFakePool({}, 500);
    pool.machine.end(101, exit1);
    pool.supervisor.stop('SIGTERM');
    pool.clock.advance(0);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 0']);
    expect(pool.clock.pending).toBe(0);
  });

  test('ends the children of its workers too, those that outlive their worker', () => {
    const pool = startFakePool();
    const worker = workerOf(pool);
    const child = pool.machine.fork(worker, { ignoresTerm: true });
    pool.supervisor.stop('SIGTERM');
    settle(pool);
    expect(pool.outcomes).toStrictEqual(['up']);
    pool.clock.advance(9000);
    expect(pool.machine.journal).toContain(`SIGKILL ${child}`);
    pool.clock.advance(10);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 0']);
    expect(pool.machine.processCount).toBe(0);
  });

  test('asks a child once more that was born after the first TERM', () => {
    const pool = startFakePool();
    const worker = workerOf(pool);
    pool.supervisor.stop('SIGTERM');
    const child = pool.machine.fork(worker);
    settle(pool);
    expect(pool.machine.journal).toContain(`SIGTERM ${child}`);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 0']);
  });

  test('gives up a child that not even KILL ends, two seconds later', () => {
    const pool = startFakePool();
    pool.machine.fork(workerOf(pool), { isStuck: true });
    pool.supervisor.stop('SIGTERM');
    settle(pool);
    pool.clock.advance(9000 + 1990);
    expect(pool.outcomes).toStrictEqual(['up']);
    pool.clock.advance(20);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 1']);
    expect(pool.clock.pending).toBe(0);
  });

  test('ends without a worker that not even KILL ends, and names it', () => {
    const machine = new FakeMachine();
    machine.workerHabits = { isStuck: true };
    const pool = startFakePool({ machine, workers: 2 });
    pool.supervisor.stop('SIGTERM');
    pool.clock.advance(9000 + 1990);
    expect(pool.outcomes).toStrictEqual(['up']);
    pool.clock.advance(20);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 1']);
    expect(machine.events.at(-1)).toStrictEqual({
      event: 'warning',
      message: 'PID 101 102 are left behind (does not end on KILL)',
    });
    expect(pool.clock.pending).toBe(0);
  });

  test('claims no KILL of a process that may not be signalled', () => {
    const pool = startFakePool();
    const child = pool.machine.fork(workerOf(pool), { isForeign: true });
    pool.supervisor.stop('SIGTERM');
    settle(pool);
    pool.clock.advance(9000);
    expect(pool.machine.events.filter(({ event }) => event === 'killed')).toStrictEqual([]);
    expect(warnings(pool)).toStrictEqual([
      `may not end PID ${child}, left of a worker: Operation not permitted`,
      `PID ${child} is left behind (may not be signalled: Operation not permitted)`,
    ]);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 1']);
    expect(pool.clock.pending).toBe(0);
  });

  test('claims no KILL of a worker that may not be signalled', () => {
    const machine = new FakeMachine();
    machine.workerHabits = { isForeign: true };
    const pool = startFakePool({ machine });
    const worker = workerOf(pool);
    pool.supervisor.stop('SIGTERM');
    pool.clock.advance(9000);
    expect(pool.machine.events.filter(({ event }) => event === 'killed')).toStrictEqual([]);
    expect(warnings(pool)).toStrictEqual([
      `worker PID ${worker}: its connections cannot be seen, so it is ended at --stop-timeout`,
      `may not end PID ${worker}, a worker: Operation not permitted`,
      `PID ${worker} is left behind (may not be signalled: Operation not permitted)`,
    ]);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 1']);
    expect(pool.clock.pending).toBe(0);
  });

  test('sends no TERM any more once it has killed', () => {
    const pool = startFakePool();
    pool.machine.fork(workerOf(pool), { isStuck: true });
    pool.supervisor.stop('SIGTERM');
    pool.supervisor.stop('SIGTERM');
    pool.machine.takeJournal();
    settle(pool);
    expect(pool.machine.takeJournal()).toStrictEqual([
      'record 0 ended',
      'guard knows that 101 has left somebody',
      'SIGKILL 102',
    ]);
  });

  test('is not over before a look has shown that nobody is left', () => {
    const pool = startFakePool();
    pool.machine.fork(workerOf(pool));
    pool.machine.isBlind = true;
    pool.supervisor.stop('SIGTERM');
    settle(pool);
    pool.clock.advance(5000);
    expect(pool.outcomes).toStrictEqual(['up']);
    pool.machine.isBlind = false;
    pool.clock.advance(100);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 0']);
    expect(pool.clock.pending).toBe(0);
  });

  test('that never sees who is left ends after its deadline, and says so', () => {
    const pool = startFakePool();
    pool.machine.fork(workerOf(pool));
    pool.machine.isBlind = true;
    pool.supervisor.stop('SIGTERM');
    settle(pool);
    pool.clock.advance(11_020);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 0']);
    expect(pool.machine.events.at(-1)).toMatchObject({
      message: 'it cannot be seen whether workers have left processes behind',
    });
    expect(pool.clock.pending).toBe(0);
  });

  test('during the start ends the workers and is neither up nor failed', () => {
    const pool = createFakePool({ workers: 3 });
    pool.supervisor.start();
    pool.machine.end(103, exit1);
    pool.machine.waiting.add(101);
    pool.clock.advance(3);
    pool.machine.takeJournal();
    pool.supervisor.stop('SIGINT');
    // 103 has left nothing.
    expect(pool.machine.takeJournal()).toStrictEqual(['log stopping', 'guard 101 102', 'SIGTERM 101 102']);
    settle(pool);
    expect(pool.outcomes).toStrictEqual(['stopped 0']);
    pool.clock.advance(60_000);
    expect(pool.machine.spawned).toHaveLength(3);
    expect(pool.outcomes).toStrictEqual(['stopped 0']);
    expect(pool.clock.pending).toBe(0);
  });

  test('asked for by the one who is told that the pool is up leaves no timer armed', () => {
    const pool = createFakePool({ workers: 2 });
    pool.onUp = () => pool.supervisor.stop('the command was ended');
    pool.supervisor.start();
    pool.machine.end(101, exit1);
    pool.clock.advance(110);
    settle(pool);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 0']);
    expect(pool.clock.pending).toBe(0);
    expect(pool.machine.spawned).toHaveLength(2);
  });

  test('while a failed start clears up is the first one: it does not kill at once', () => {
    const pool = createFakePool();
    pool.supervisor.start();
    const worker = workerOf(pool);
    pool.machine.fork(worker, { ignoresTerm: true });
    pool.machine.end(worker, exit1);
    pool.clock.advance(10);
    pool.machine.takeJournal();
    pool.supervisor.stop('SIGTERM');
    expect(pool.machine.journal.filter((line) => line.startsWith('SIGKILL'))).toStrictEqual([]);
  });

  test('is not undone by a worker that ends late', () => {
    const pool = startFakePool({ workers: 2 });
    pool.supervisor.stop('SIGTERM');
    settle(pool);
    pool.machine.takeJournal();
    pool.supervisor.childEnded(101, exit1);
    pool.supervisor.childEnded(102, segfault);
    pool.clock.advance(60_000);
    expect(pool.machine.takeJournal()).toStrictEqual([]);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 0']);
  });

  test('reaps a worker that ends with its own status after the TERM, without replacing it', () => {
    const pool = startFakePool({
      machine: Object.assign(new FakeMachine(), { workerHabits: { ignoresTerm: true } }),
    });
    pool.supervisor.stop('SIGTERM');
    pool.machine.end(101, exit0);
    pool.clock.advance(0);
    expect(pool.machine.spawned).toStrictEqual([101]);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 0']);
  });
});

describe('the beginning of a stop is told once', () => {
  test('at the first signal, not at the second', () => {
    const pool = startFakePool({ workers: 2 });
    expect(pool.stoppings).toBe(0);
    pool.supervisor.stop('SIGTERM');
    expect(pool.stoppings).toBe(1);
    pool.supervisor.stop('SIGTERM');
    settle(pool);
    expect(pool.stoppings).toBe(1);
  });

  test('when the start has failed', () => {
    const pool = createFakePool();
    pool.supervisor.start();
    pool.machine.end(workerOf(pool), exit1);
    pool.clock.advance(0);
    expect(pool.stoppings).toBe(1);
  });

  test('when --start-limit is reached', () => {
    const pool = startFakePool({ restart: { startLimit: { count: 1, withinMs: 1000 } } });
    pool.machine.end(workerOf(pool), segfault);
    pool.clock.advance(0);
    expect(pool.stoppings).toBe(1);
  });
});

describe('--start-limit', () => {
  const restart = { startLimit: { count: 2, withinMs: 10_000 } };

  test('ends the other workers, says why, and the status is 75', () => {
    const pool = startFakePool({ workers: 2, restart });
    pool.machine.end(101, segfault);
    pool.machine.takeJournal();
    pool.machine.end(103, segfault);
    expect(pool.machine.events.at(-1)).toStrictEqual({
      event: 'start-limit-reached',
      count: 2,
      withinMs: 10_000,
    });
    expect(pool.machine.takeJournal()).toContain('SIGTERM 102');
    settle(pool);
    expect(pool.machine.spawned).toHaveLength(3);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 75']);
    pool.clock.advance(10);
    expect(pool.clock.pending).toBe(0);
  });

  test('clears up the session of the worker that reached it', () => {
    const pool = startFakePool({ restart: { startLimit: { count: 1, withinMs: 1000 } } });
    const worker = workerOf(pool);
    const child = pool.machine.fork(worker);
    pool.machine.end(worker, segfault);
    pool.clock.advance(0);
    expect(pool.machine.journal).toContain(`SIGTERM ${child}`);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 75']);
    expect(pool.machine.processCount).toBe(0);
  });

  test('ends a pool whose program cannot be executed', () => {
    const pool = startFakePool({ restart: { startLimit: { count: 3, withinMs: 10_000 } } });
    pool.machine.spawnErrnos = [2, 2, 2, 2];
    pool.machine.end(workerOf(pool), segfault);
    pool.clock.advance(1000);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 75']);
    expect(pool.clock.pending).toBe(0);
  });

  test('is no signal: the first one that comes while the workers end does not kill them', () => {
    const pool = startFakePool({ workers: 2, restart: { startLimit: { count: 1, withinMs: 1000 } } });
    pool.machine.end(101, segfault);
    pool.machine.takeJournal();
    pool.supervisor.stop('SIGTERM');
    expect(pool.machine.journal.filter((line) => line.startsWith('SIGKILL'))).toStrictEqual([]);
  });

  test('kills at the stop timeout what does not end', () => {
    const pool = startFakePool({
      workers: 2,
      restart: { startLimit: { count: 1, withinMs: 1000 } },
      machine: Object.assign(new FakeMachine(), { workerHabits: { ignoresTerm: true } }),
    });
    pool.machine.end(101, segfault);
    pool.clock.advance(9000);
    expect(pool.machine.journal).toContain('SIGKILL 102');
    settle(pool);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 75']);
  });
});

describe('an idle pool arms no timer', () => {
  test('once all workers run', () => {
    expect(startFakePool({ workers: 8 }).clock.pending).toBe(0);
  });

  test('once a crashed worker was replaced and its session looked at', () => {
    const pool = startFakePool({ workers: 2 });
    const worker = pool.machine.live[0] ?? 0;
    pool.machine.fork(worker);
    pool.machine.end(worker, segfault);
    expect(pool.clock.pending).toBeGreaterThan(0);
    pool.clock.advance(1000);
    expect(pool.clock.pending).toBe(0);
  });

  test('once a slot came back from its backoff', () => {
    const pool = startFakePool({ workers: 2 }, 500);
    pool.machine.end(101, exit1);
    pool.clock.advance(2000);
    expect(pool.machine.live).toHaveLength(2);
    expect(pool.clock.pending).toBe(0);
  });

  test('once leftovers that ignored TERM were killed', () => {
    const pool = startFakePool();
    const worker = workerOf(pool);
    pool.machine.fork(worker, { ignoresTerm: true });
    pool.machine.end(worker, segfault);
    pool.clock.advance(1000 + 9000 + 1000);
    expect(pool.machine.processCount).toBe(1);
    expect(pool.clock.pending).toBe(0);
  });
});

describe('exit 0 of a worker that nobody saw serve', () => {
  const classes = ({ machine }: FakePool): string[] =>
    machine.events.flatMap((event) => (event.event === 'worker-ended' ? [event.class] : []));

  test('is planned where another slot was seen to recycle, not where one only was up by its age', () => {
    for (const [isSeen, expected] of [
      [true, ['planned', 'crash', 'planned']],
      [false, ['planned', 'crash', 'failed-start']],
    ] as const) {
      const pool = createFakePool({ workers: 2 });
      pool.supervisor.start();
      if (isSeen) pool.machine.waiting.add(101).add(102);
      pool.clock.advance(150);
      pool.machine.end(101, exit0);
      pool.clock.advance(1000);
      pool.machine.end(102, segfault);
      pool.machine.end(104, exit0);
      expect(classes(pool)).toStrictEqual(expected);
    }
  });

  test('has its successor watched on for a second, but not the first worker', () => {
    const pool = createFakePool();
    pool.supervisor.start();
    pool.clock.advance(150);
    const looks = pool.machine.looks;
    pool.clock.advance(300);
    expect(pool.machine.looks).toBe(looks);
    expect(pool.clock.pending).toBe(0);
    pool.machine.end(101, exit0);
    pool.clock.advance(400);
    pool.machine.waiting.add(102);
    pool.clock.advance(10);
    expect(pool.supervisor.pool.slots[0]?.state).toMatchObject({ pid: 102, isSeen: true });
    pool.machine.end(102, exit0);
    expect(pool.supervisor.pool.slots[0]?.memory).toMatchObject({ unseen: 0, recycles: true });
    pool.clock.advance(1100);
    expect(pool.clock.pending).toBe(0);
  });
});

test('an adopted worker that not even KILL ends is let go of', () => {
  const pool = startFakePool();
  const pid = pool.machine.fork(900, { isStuck: true });
  pool.supervisor.endAdopted([{ pid, startTime: '1' }]);
  pool.clock.advance(20_000);
  expect(pool.machine.journal).toContain(`record adopted ${pid} ended`);
  expect(pool.clock.pending).toBe(0);
});
