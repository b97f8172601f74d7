// Reload, restart, scaling and handover on a fake machine: what is asked of it step by step, who is told how it ended, what
// is logged, and a stop in the middle of each.
import { describe, expect, test } from 'vitest';
import type { WorkerExit } from '../../src/core/worker-exit.ts';
import type { OperationEnd } from '../../src/supervisor/outcome.ts';
import { createFakePool, FakeMachine, startFakePool, type FakePool } from '../helpers/models/index.ts';

const exit0: WorkerExit = { kind: 'exited', status: 0 };
const exit3: WorkerExit = { kind: 'exited', status: 3 };
const settleMs = 5000;
const readyTimeoutMs = 60_000;

/** The journal since the last call; however a worker is asked to end, it is `end PID`. */
function steps({ machine }: FakePool): string[] {
  return machine.takeJournal().map((line) => line.replace(/^(?:SIGTERM|idle \w+) /, 'end '));
}

/** The newest worker waits for connections, and somebody looks. */
function comesUp({ machine, clock }: FakePool): void {
  machine.waiting.add(newest(machine));
  clock.advance(50);
}

function newest(machine: FakePool['machine']): number {
  return machine.spawned.at(-1) ?? 0;
}

/** Each new worker comes up, each old one ends, the watch after the last step passes. */
function completeReload(pool: FakePool): void {
  const { generation } = pool.supervisor.pool;
  for (let slot = 0; slot < pool.supervisor.pool.slots.length; slot++) {
    comesUp(pool);
    pool.machine.reap();
  }
  pool.clock.advance(settleMs);
  expect(pool.supervisor.pool.generation).toBe(generation + 1);
}

function listen(): { readonly ends: OperationEnd[]; readonly listener: (end: OperationEnd) => void } {
  const ends: OperationEnd[] = [];
  return { ends, listener: (end) => void ends.push(end) };
}

/** The last event, and whether the reload's result says the same. */
function reasonOf({ machine, supervisor }: FakePool): string {
  const event = machine.events.findLast((candidate) => candidate.event === 'reload-finished');
  expect(event).toMatchObject({ reason: supervisor.lastReload?.message });
  return `${event?.result}: ${event?.reason}`;
}

describe('a reload', () => {
  test('takes slot after slot: the new worker first, then the end of the old one', () => {
    const pool = startFakePool({ workers: 2 });
    pool.supervisor.reload();
    expect(steps(pool)).toStrictEqual(['log reload-started', 'spawn 103', 'record 0 tries 103']);
    pool.clock.advance(2000);
    expect(steps(pool)).toStrictEqual([]);
    comesUp(pool);
    expect(steps(pool)).toStrictEqual(['end 101', 'record 0 is 103', 'log worker-replaced']);
    pool.machine.reap();
    expect(steps(pool)).toStrictEqual(['record 0 ended', 'spawn 104', 'record 1 tries 104']);
    comesUp(pool);
    expect(steps(pool)).toStrictEqual(['end 102', 'record 1 is 104', 'log worker-replaced']);
    pool.machine.reap();
    expect(steps(pool)).toStrictEqual(['record 1 ended']);
    pool.clock.advance(settleMs - 1);
    expect(steps(pool)).toStrictEqual([]);
    pool.clock.advance(1);
    expect(steps(pool)).toStrictEqual(['log reload-finished']);
    expect(pool.machine.live).toStrictEqual([103, 104]);
    expect(pool.clock.pending).toBe(0);
  });

  test('logs its beginning, each replacement, and its end without a reason', () => {
    const pool = startFakePool();
    pool.supervisor.reload();
    completeReload(pool);
    expect(pool.machine.events).toStrictEqual([
      { event: 'reload-started', generation: 2 },
      { event: 'worker-replaced', slot: 0, workerPid: 102, generation: 2 },
      { event: 'reload-finished', result: 'reloaded', generation: 2, serving: 2 },
    ]);
  });

  test('starts new workers from the new release, and lets go of the old one at the end only', () => {
    const pool = startFakePool({ workers: 2 });
    pool.supervisor.reload();
    comesUp(pool);
    expect(pool.machine.kept).toBeUndefined();
    pool.machine.reap();
    comesUp(pool);
    pool.machine.reap();
    pool.clock.advance(settleMs);
    expect([103, 104].map((pid) => pool.machine.generations.get(pid))).toStrictEqual([2, 2]);
    expect(pool.machine.kept).toStrictEqual([2]);
    pool.machine.end(103, exit3);
    expect(pool.machine.generations.get(105)).toBe(2);
  });

  test('that failed lets go of the new release once its last worker has ended', () => {
    const pool = startFakePool();
    pool.supervisor.reload();
    pool.clock.advance(readyTimeoutMs);
    expect(pool.supervisor.lastReload).toMatchObject({ result: 'timed-out' });
    expect(pool.machine.kept).toStrictEqual([1, 2]);
    pool.machine.reap();
    expect(pool.machine.live).toStrictEqual([101]);
    expect(pool.machine.kept).toStrictEqual([1]);
  });

  test('tells who asked, and those who asked during it the result of the next one', () => {
    const pool = startFakePool();
    const [first, second, third] = [listen(), listen(), listen()];
    pool.supervisor.reload(first.listener);
    pool.supervisor.reload(second.listener);
    pool.supervisor.reload();
    pool.supervisor.reload(third.listener);
    completeReload(pool);
    const reloaded = { kind: 'reload', result: 'reloaded', message: '' };
    expect(first.ends).toStrictEqual([{ ...reloaded, generation: 2, serving: 2 }]);
    expect([...second.ends, ...third.ends]).toStrictEqual([]);
    completeReload(pool);
    expect(second.ends).toStrictEqual([{ ...reloaded, generation: 3, serving: 3 }]);
    expect(third.ends).toStrictEqual([{ ...reloaded, generation: 3, serving: 3 }]);
    expect(first.ends).toHaveLength(1);
    expect(pool.supervisor.pool.operation).toBeUndefined();
  });

  test('tells who wants it early when all workers are new, and goes on: it may be rolled back', () => {
    const pool = startFakePool({ workers: 2 });
    const [early, patient] = [listen(), listen()];
    pool.supervisor.reload(early.listener, true);
    comesUp(pool);
    pool.machine.reap();
    expect(early.ends).toStrictEqual([]);
    pool.supervisor.reload(patient.listener, true);
    comesUp(pool);
    pool.machine.reap();
    expect(pool.supervisor.pool.reload?.stage).toBe('settling');
    expect(early.ends).toStrictEqual([{ kind: 'reload-watched', generation: 2, watchedMs: settleMs }]);
    expect(patient.ends).toStrictEqual([]);
    pool.machine.end(103, exit3);
    expect(pool.supervisor.pool.reload?.stage).toBe('reverting');
    expect(early.ends).toHaveLength(1);
  });

  test('tells who wants it early of its failure, when it has failed before', () => {
    const pool = startFakePool();
    const { ends, listener } = listen();
    pool.supervisor.reload(listener, true);
    pool.clock.advance(readyTimeoutMs);
    expect(ends).toMatchObject([{ kind: 'reload', result: 'timed-out' }]);
  });

  test('asked for during the start begins when the pool is up, and tells who asked', () => {
    const pool = createFakePool();
    const { ends, listener } = listen();
    pool.supervisor.start();
    pool.supervisor.reload(listener);
    expect(pool.machine.events).toStrictEqual([]);
    comesUp(pool);
    expect(pool.outcomes).toStrictEqual(['up']);
    completeReload(pool);
    expect(ends).toMatchObject([{ result: 'reloaded', generation: 2 }]);
  });

  test('asked for during a start that fails is told that nothing runs', () => {
    const pool = createFakePool();
    const { ends, listener } = listen();
    pool.supervisor.start();
    pool.supervisor.reload(listener);
    pool.machine.end(101, exit3);
    expect(ends).toStrictEqual([{ kind: 'stopped' }]);
  });

  test('says since when it is under way, and afterwards when and how it ended', () => {
    const pool = startFakePool();
    const startMs = pool.clock.nowMs();
    pool.supervisor.reload();
    pool.clock.advance(700);
    expect(pool.supervisor.operationSinceMs).toBe(startMs);
    completeReload(pool);
    expect(pool.supervisor.operationSinceMs).toBeUndefined();
    const atMs = pool.clock.nowMs();
    expect(pool.supervisor.lastReload).toStrictEqual({ result: 'reloaded', atMs, message: '', words: [] });
  });

  test('counts neither its replacements nor their ends as restarts of a slot, but whoever ended unasked', () => {
    const pool = startFakePool();
    pool.supervisor.reload();
    completeReload(pool);
    expect(pool.supervisor.facts.slot(0)).toStrictEqual({ restarts: 0, lastExit: undefined });
    pool.machine.end(102, exit3);
    expect(pool.supervisor.facts.slot(0)).toStrictEqual({ restarts: 1, lastExit: exit3 });
  });

  test('does not wait for an old worker that not even KILL ends', () => {
    const pool = startFakePool();
    pool.supervisor.reload();
    pool.machine.busy.add(101);
    comesUp(pool);
    // It never is idle, and nobody hears of its end.
    pool.clock.advance(11_900);
    expect(pool.supervisor.pool.reload?.stage).toBe('replacing');
    pool.clock.advance(100);
    expect(pool.supervisor.pool.reload?.stage).toBe('settling');
    pool.clock.advance(settleMs);
    const reason = 'PID 101 is left behind (does not end on KILL)';
    expect(pool.supervisor.lastReload).toMatchObject({ result: 'partly', message: reason });
    pool.machine.reap();
    expect(pool.machine.live).toStrictEqual([102]);
    expect(pool.supervisor.left).toStrictEqual([]);
    pool.clock.advance(2000);
    expect(pool.clock.pending).toBe(0);
  });

  test('of workers that may not be signalled is done in part, and names every process of theirs', () => {
    const machine = new FakeMachine();
    machine.workerHabits = { isForeign: true };
    const pool = startFakePool({ machine, workers: 2 });
    const child = machine.fork(101, { isForeign: true });
    expect(pool.supervisor.unendable).toMatch(/^worker PID 101 102 may not be signalled: /);
    machine.workerHabits = {};
    const { ends, listener } = listen();
    pool.supervisor.reload(listener);
    comesUp(pool);
    pool.clock.advance(10_000);
    comesUp(pool);
    pool.clock.advance(10_000);
    pool.clock.advance(settleMs);
    const pids = [101, child, 102];
    const left = pids.map((pid) => ({ pid, why: 'refused' }));
    expect(ends).toMatchObject([{ kind: 'reload', result: 'partly', serving: 2, left }]);
    expect(pool.supervisor.unendable).toBeUndefined();
    expect(pool.clock.pending).toBe(0);
  });

  test('that fails names the new worker that it could not end', () => {
    const pool = startFakePool();
    pool.machine.workerHabits = { isForeign: true };
    const { ends, listener } = listen();
    pool.supervisor.reload(listener);
    pool.clock.advance(readyTimeoutMs);
    const left = [{ pid: 102, why: 'refused' }];
    expect(ends).toMatchObject([{ kind: 'reload', result: 'timed-out', serving: 1, left }]);
  });

  test('replaces an old worker that crashes meanwhile by the old release', () => {
    const pool = startFakePool({ workers: 2 });
    pool.supervisor.reload();
    pool.machine.end(102, exit3);
    expect(pool.machine.generations.get(104)).toBe(1);
    expect(pool.machine.events.at(-1)).toMatchObject({ event: 'worker-ended', workerPid: 102, delayMs: 0 });
  });

  test('takes slots that back off first, and calls their retry off', () => {
    const pool = startFakePool({ workers: 2 }, 500);
    pool.machine.end(102, exit3);
    steps(pool);
    pool.supervisor.reload();
    expect(steps(pool)).toStrictEqual(['log reload-started', 'spawn 103', 'record 1 tries 103']);
    comesUp(pool);
    pool.clock.advance(30_000);
    expect(pool.machine.spawned).toStrictEqual([101, 102, 103, 104]);
    expect(pool.machine.generations.get(104)).toBe(2);
  });
});

describe('a new worker', () => {
  test('that plainly does not wait is never up by its age, and late at --ready-timeout', () => {
    const pool = startFakePool();
    pool.supervisor.reload();
    pool.clock.advance(readyTimeoutMs - 1);
    expect(pool.machine.events).toHaveLength(1);
    steps(pool);
    pool.clock.advance(1);
    expect(steps(pool)).toStrictEqual(['end 102', 'log reload-finished']);
    expect(reasonOf(pool)).toBe('timed-out: the new worker of slot 0 was not up within --ready-timeout');
    pool.machine.reap();
    pool.clock.advance(2000);
    expect(pool.machine.live).toStrictEqual([101]);
    expect(pool.clock.pending).toBe(0);
  });

  test('that nobody may look into is up after --settle, not before', () => {
    const pool = startFakePool();
    pool.supervisor.reload();
    pool.machine.hidden.add(102);
    pool.clock.advance(settleMs - 1);
    expect(pool.machine.events).toHaveLength(1);
    pool.clock.advance(51);
    expect(pool.machine.events.at(-1)).toMatchObject({ event: 'worker-replaced', workerPid: 102 });
  });

  test('that nobody may look into is not up when it is dead', () => {
    const pool = startFakePool();
    pool.supervisor.reload();
    pool.machine.hidden.add(102);
    pool.machine.unnoticedDead.add(102);
    pool.clock.advance(2 * settleMs);
    expect(pool.machine.events).toHaveLength(1);
  });

  test('that must say itself that it is ready is not up by its age where nobody may look', () => {
    const pool = startFakePool({ isNotified: true });
    pool.supervisor.reload();
    pool.machine.hidden.add(102);
    pool.clock.advance(readyTimeoutMs);
    expect(pool.supervisor.lastReload).toMatchObject({ result: 'timed-out' });
  });

  test('that was up in time is not late afterwards, however long the old one takes', () => {
    const pool = startFakePool({ stopTimeoutMs: 2 * readyTimeoutMs });
    pool.supervisor.reload();
    pool.machine.busy.add(101);
    comesUp(pool);
    pool.clock.advance(readyTimeoutMs + 1);
    pool.machine.end(101, exit0);
    pool.clock.advance(settleMs);
    expect(pool.supervisor.lastReload).toMatchObject({ result: 'reloaded' });
  });

  test('that ends is not replaced, and its end is the reason', () => {
    const pool = startFakePool();
    const { ends, listener } = listen();
    pool.supervisor.reload(listener);
    pool.machine.end(102, exit3);
    const message = 'the new worker of slot 0 (PID 102) exited with 3';
    expect(ends).toStrictEqual([
      { kind: 'reload', result: 'rolled-back', generation: 2, serving: 1, message },
    ]);
    expect(pool.machine.events.map(({ event }) => event)).toStrictEqual([
      'reload-started',
      'reload-finished',
    ]);
    expect(pool.machine.live).toStrictEqual([101]);
    expect(pool.machine.kept).toStrictEqual([1]);
  });
});

describe('the reason of a reload that failed', () => {
  test.each([
    [exit3, 'exited with 3'],
    [{ kind: 'signaled', signal: 11 } as const, 'was killed by SIGSEGV'],
    [{ kind: 'signaled', signal: 64 } as const, 'was killed by signal 64'],
  ])('after %o', (exit, text) => {
    const pool = startFakePool({ workers: 2 });
    pool.supervisor.reload();
    pool.machine.end(newest(pool.machine), exit);
    expect(reasonOf(pool)).toBe(`rolled-back: the new worker of slot 0 (PID 103) ${text}`);
  });

  test('names the file that could not be executed', () => {
    const pool = startFakePool();
    pool.machine.spawnErrnos = [13];
    pool.supervisor.reload();
    expect(reasonOf(pool)).toBe("rolled-back: exec of '/srv/2/app' failed: error text 13");
    expect(pool.clock.pending).toBe(0);
  });

  test('is what the trial was refused for', () => {
    const pool = startFakePool({ isTriedFirst: true });
    pool.supervisor.reload();
    pool.machine.trialsRun[0]?.done({ reason: 'it answered with HTTP', isLate: false });
    expect(reasonOf(pool)).toBe('rolled-back: it answered with HTTP');
  });

  test('goes with the words of the trial, not with those of an earlier one', () => {
    const pool = startFakePool({ isTriedFirst: true });
    pool.supervisor.reload();
    pool.machine.trialsRun[0]?.done({ reason: 'it ended', isLate: false, words: ['no module'] });
    expect(pool.machine.events.at(-1)).toMatchObject({
      serving: 1,
      reason: 'it ended',
      words: ['no module'],
    });
    expect(pool.supervisor.lastReload?.words).toStrictEqual(['no module']);
    pool.supervisor.reload();
    pool.machine.trialsRun[1]?.done();
    pool.machine.end(102, exit3);
    expect(pool.machine.events.at(-1)).not.toHaveProperty('words');
    expect(pool.supervisor.lastReload?.words).toStrictEqual([]);
  });

  test('is the first thing that went wrong, also when the way back fails too', () => {
    const pool = startFakePool({ workers: 2 });
    pool.supervisor.reload();
    comesUp(pool);
    pool.machine.reap();
    comesUp(pool);
    pool.machine.reap();
    // The new worker of slot 1 dies, and the old release is gone.
    pool.machine.spawnErrnos = [2, 2];
    pool.machine.end(104, exit3);
    expect(reasonOf(pool)).toBe('partly: the new worker of slot 1 (PID 104) exited with 3');
  });
});

describe('a reload with a trial', () => {
  test('replaces nobody before it has passed', () => {
    const pool = startFakePool({ isTriedFirst: true });
    pool.supervisor.reload();
    pool.clock.advance(2 * readyTimeoutMs);
    expect(steps(pool)).toStrictEqual(['log reload-started']);
    expect(pool.machine.trialsRun).toMatchObject([{ generation: 2 }]);
    pool.machine.trialsRun[0]?.done(undefined);
    expect(steps(pool)).toStrictEqual(['spawn 102', 'record 0 tries 102']);
    completeReload(pool);
  });

  test('says whether workers in service are seen waiting', () => {
    const pool = startFakePool({ isTriedFirst: true });
    pool.supervisor.reload();
    expect(pool.machine.trialsRun[0]?.looksWork()).toBe(true);
    pool.machine.waiting.clear();
    expect(pool.machine.trialsRun[0]?.looksWork()).toBe(false);
  });

  test('that fails lets go of the release and leaves no timer', () => {
    const pool = startFakePool({ isTriedFirst: true });
    pool.supervisor.reload();
    pool.machine.trialsRun[0]?.done({ reason: 'no answer', isLate: false });
    expect(pool.machine.kept).toStrictEqual([1]);
    expect(pool.machine.spawned).toStrictEqual([101]);
    expect(pool.clock.pending).toBe(0);
  });

  test('is cancelled by a stop, and a verdict that comes all the same changes nothing', () => {
    const pool = startFakePool({ isTriedFirst: true });
    pool.supervisor.reload();
    pool.supervisor.stop('SIGTERM');
    expect(pool.machine.trialsCancelled).toBe(1);
    pool.machine.takeJournal();
    pool.machine.trialsRun[0]?.done(undefined);
    expect(pool.machine.takeJournal()).toStrictEqual([]);
  });

  test('heeds each verdict once', () => {
    const pool = startFakePool({ isTriedFirst: true });
    pool.supervisor.reload();
    pool.machine.trialsRun[0]?.done(undefined);
    pool.machine.trialsRun[0]?.done({ reason: 'too late', isLate: false });
    expect(pool.machine.events).toHaveLength(1);
    expect(pool.supervisor.pool.reload?.stage).toBe('trying');
  });
});

describe('the way back', () => {
  test('replaces new workers by old ones in the same way, and keeps the old release', () => {
    const pool = startFakePool({ workers: 3 });
    pool.supervisor.reload();
    comesUp(pool);
    pool.machine.reap();
    comesUp(pool);
    pool.machine.reap();
    steps(pool);
    // 104 and 105 are new, 106 is the candidate of slot 2; the worker of slot 0 ends.
    pool.machine.end(104, exit3);
    expect(steps(pool)).toStrictEqual([
      'record 0 ended',
      'end 106',
      'spawn 107',
      'record 0 started 107',
      'log worker-ended',
      'spawn 108',
      'record 1 tries 108',
    ]);
    expect([107, 108].map((pid) => pool.machine.generations.get(pid))).toStrictEqual([1, 1]);
    pool.machine.reap();
    comesUp(pool);
    expect(steps(pool).slice(1)).toStrictEqual(['end 105', 'record 1 is 108', 'log worker-replaced']);
    pool.machine.reap();
    expect(steps(pool)).toStrictEqual(['record 1 ended', 'log reload-finished']);
    expect(pool.machine.kept).toStrictEqual([1]);
    expect(pool.machine.live).toStrictEqual([103, 107, 108]);
    pool.machine.waiting.add(107);
    pool.clock.advance(2000);
    expect(pool.clock.pending).toBe(0);
  });

  test('tries the slot of the only worker at once, and the reload is over when it is up', () => {
    const pool = startFakePool();
    pool.supervisor.reload();
    comesUp(pool);
    pool.machine.reap();
    pool.clock.advance(700);
    pool.machine.end(102, exit3);
    expect(pool.machine.generations.get(103)).toBe(1);
    expect(pool.supervisor.lastReload).toBeUndefined();
    comesUp(pool);
    expect(pool.supervisor.lastReload).toMatchObject({ result: 'rolled-back' });
    expect(pool.supervisor.pool.operation).toBeUndefined();
    pool.clock.advance(settleMs);
    expect(pool.machine.events.filter(({ event }) => event === 'reload-finished')).toHaveLength(1);
  });

  test('is partly done when the only worker is lost and the old program is gone too: the new one is tried again', () => {
    const pool = startFakePool();
    pool.supervisor.reload();
    comesUp(pool);
    pool.machine.reap();
    pool.machine.spawnErrnos = [2];
    pool.machine.end(102, exit3);
    expect(pool.supervisor.lastReload).toMatchObject({ result: 'partly' });
    expect(pool.machine.generations.get(newest(pool.machine))).toBe(2);
    expect(pool.machine.live).toHaveLength(1);
  });

  test('ends with both generations in service when the old program is gone too, and keeps both', () => {
    const pool = startFakePool({ workers: 3 });
    pool.supervisor.reload();
    comesUp(pool);
    pool.machine.reap();
    pool.machine.spawnErrnos = [2];
    // 104 is new and in slot 0, 105 is the candidate of slot 1, and the old program is gone.
    pool.machine.end(105, exit3);
    expect(pool.supervisor.lastReload).toMatchObject({ result: 'partly' });
    expect(pool.supervisor.pool.generation).toBe(2);
    expect(pool.machine.live).toStrictEqual([102, 103, 104]);
    expect(pool.machine.kept?.toSorted()).toStrictEqual([1, 2]);
    // Whatever is started from now on comes from the program that still is there.
    pool.machine.end(102, exit3);
    expect(pool.machine.generations.get(newest(pool.machine))).toBe(2);
  });

  test('names the file of the release that could not be executed, whichever is tried next', () => {
    const pool = startFakePool({ workers: 2 });
    pool.machine.end(101, exit0);
    pool.supervisor.reload();
    pool.machine.waiting.add(103);
    comesUp(pool);
    pool.machine.reap();
    // A new worker recycles, as the old ones did, but its file is gone: its slot gets the old release back.
    pool.machine.spawnErrnos = [2];
    pool.machine.end(104, exit0);
    const failure = pool.machine.events.find(({ event }) => event === 'exec-failed');
    expect(failure).toMatchObject({ slot: 0, path: '/srv/2/app' });
    expect(pool.machine.generations.get(newest(pool.machine))).toBe(1);
  });

  test('is over when an old worker is late, too', () => {
    const pool = startFakePool({ workers: 2 });
    pool.supervisor.reload();
    comesUp(pool);
    pool.machine.reap();
    pool.machine.end(newest(pool.machine), exit3);
    pool.clock.advance(readyTimeoutMs);
    expect(pool.supervisor.lastReload).toMatchObject({ result: 'partly' });
    pool.machine.reap();
    expect(pool.machine.live).toStrictEqual([102, 103]);
  });
});

describe('a stop during a reload', () => {
  const stages: [string, (pool: FakePool) => void][] = [
    ['probing', () => undefined],
    ['trying', (pool) => pool.machine.trialsRun[0]?.done(undefined)],
    ['replacing', (pool) => comesUp(pool)],
    ['settling', (pool) => (pool.machine.reap(), comesUp(pool), pool.machine.reap())],
    ['reverting', (pool) => pool.machine.end(newest(pool.machine), exit3)],
    ['restoring', (pool) => comesUp(pool)],
  ];

  test.each(stages.map(([stage], index) => [stage, index] as const))('in stage %s', (stage, index) => {
    const pool = startFakePool({ workers: 2, isTriedFirst: true });
    const [asked, waits] = [listen(), listen()];
    pool.supervisor.reload(asked.listener);
    pool.supervisor.reload(waits.listener);
    for (const [, reach] of stages.slice(0, index + 1)) reach(pool);
    expect(pool.supervisor.pool.reload?.stage).toBe(stage);
    const spawned = pool.machine.spawned.length;
    pool.supervisor.stop('SIGTERM');
    expect(asked.ends).toStrictEqual([{ kind: 'stopped' }]);
    expect(waits.ends).toStrictEqual([{ kind: 'stopped' }]);
    pool.machine.reap();
    pool.clock.advance(0);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 0']);
    expect(pool.machine.processCount).toBe(0);
    pool.clock.advance(2 * readyTimeoutMs);
    expect(pool.machine.spawned).toHaveLength(spawned);
    expect(pool.machine.events.map(({ event }) => event)).not.toContain('reload-finished');
    expect(pool.clock.pending).toBe(0);
  });

  test('asked for twice kills workers of both generations, the candidate too', () => {
    const pool = startFakePool({ workers: 2 });
    pool.machine.workerHabits = { ignoresTerm: true };
    pool.supervisor.reload();
    comesUp(pool);
    pool.machine.reap();
    pool.machine.busy.add(102);
    pool.supervisor.stop('SIGTERM');
    pool.machine.takeJournal();
    pool.supervisor.stop('SIGTERM');
    expect(pool.machine.takeJournal()).toStrictEqual([
      'SIGKILL 102 103 104',
      'log killed',
      'log request-cut',
    ]);
    pool.machine.reap();
    pool.clock.advance(0);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 0']);
  });

  test('reloads nothing afterwards, and tells whoever still asks', () => {
    const pool = startFakePool();
    pool.supervisor.stop('SIGTERM');
    const { ends, listener } = listen();
    pool.supervisor.reload(listener);
    pool.supervisor.reload();
    expect(ends).toStrictEqual([{ kind: 'stopped' }]);
    expect(pool.machine.spawned).toStrictEqual([101]);
  });

  test('by the one who is told of its end starts nothing for the next one', () => {
    const pool = startFakePool();
    pool.supervisor.reload(() => pool.supervisor.stop('the client is content'));
    const { ends, listener } = listen();
    pool.supervisor.reload(listener);
    comesUp(pool);
    pool.machine.reap();
    pool.clock.advance(settleMs);
    expect(ends).toStrictEqual([{ kind: 'stopped' }]);
    expect(pool.machine.spawned).toStrictEqual([101, 102]);
    expect(pool.machine.events.at(-1)).toMatchObject({ event: 'stopping' });
    pool.machine.reap();
    pool.clock.advance(10);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 0']);
    expect(pool.clock.pending).toBe(0);
  });

  test('by the one who is told that the pool is up starts no reload that was asked for', () => {
    const pool = createFakePool();
    pool.onUp = () => pool.supervisor.stop('the command was ended');
    pool.supervisor.start();
    pool.supervisor.reload();
    comesUp(pool);
    expect(pool.machine.spawned).toStrictEqual([101]);
    expect(pool.machine.events.map(({ event }) => event)).toStrictEqual(['stopping']);
  });

  test('by --start-limit tells who waits', () => {
    const pool = startFakePool({ workers: 2, restart: { startLimit: { count: 1, withinMs: 1000 } } });
    const { ends, listener } = listen();
    pool.supervisor.reload(listener);
    pool.machine.end(102, exit3);
    expect(ends).toStrictEqual([{ kind: 'stopped' }]);
    pool.machine.reap();
    pool.clock.advance(0);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 75']);
  });
});

describe('a restart', () => {
  test('ends all workers, resets the socket, and starts all of a new generation', () => {
    const pool = startFakePool({ workers: 2 });
    const { ends, listener } = listen();
    expect(pool.supervisor.restart(listener)).toBe(true);
    expect(steps(pool)).toStrictEqual(['end 101 102', 'log restart-started']);
    pool.machine.reap();
    expect(steps(pool)).toStrictEqual([
      'record 0 ended',
      'record 1 ended',
      'reset socket',
      'spawn 103',
      'record 0 started 103',
      'spawn 104',
      'record 1 started 104',
    ]);
    expect([103, 104].map((pid) => pool.machine.generations.get(pid))).toStrictEqual([2, 2]);
    pool.machine.waiting.add(103).add(104);
    expect(ends).toStrictEqual([]);
    pool.clock.advance(5);
    expect(ends).toStrictEqual([{ kind: 'restart', isUp: true, generation: 2 }]);
    expect(pool.machine.events).toStrictEqual([
      { event: 'restart-started', generation: 2 },
      { event: 'restart-finished', generation: 2, isUp: true },
    ]);
    expect(pool.machine.kept).toStrictEqual([2]);
    pool.clock.advance(2000);
    expect(pool.clock.pending).toBe(0);
  });

  test('whose workers do not come up says so, and its slots are tried again', () => {
    const pool = startFakePool({ workers: 2 });
    const { ends, listener } = listen();
    pool.supervisor.restart(listener);
    pool.machine.spawnErrnos = [0, 2];
    pool.machine.reap();
    pool.clock.advance(110);
    expect(ends).toStrictEqual([{ kind: 'restart', isUp: false, generation: 2 }]);
    expect(pool.machine.events.find(({ event }) => event === 'exec-failed')).toMatchObject({
      slot: 1,
      path: '/srv/2/app',
    });
    expect(pool.machine.live).toHaveLength(2);
  });

  test('is refused during a start, a reload, a restart, a handover and a stop', () => {
    const starting = createFakePool();
    starting.supervisor.start();
    expect(starting.supervisor.restart()).toBe(false);
    const pool = startFakePool();
    pool.supervisor.reload();
    expect(pool.supervisor.restart()).toBe(false);
    completeReload(pool);
    pool.supervisor.setHandingOver(true);
    expect(pool.supervisor.restart()).toBe(false);
    pool.supervisor.setHandingOver(false);
    expect(pool.supervisor.restart()).toBe(true);
    expect(pool.supervisor.restart()).toBe(false);
    pool.supervisor.stop('SIGTERM');
    expect(pool.supervisor.restart()).toBe(false);
  });

  test('that a stop overtakes starts nothing, and tells who asked', () => {
    const pool = startFakePool({ workers: 2 });
    const { ends, listener } = listen();
    pool.supervisor.restart(listener);
    pool.supervisor.stop('SIGTERM');
    expect(ends).toStrictEqual([{ kind: 'stopped' }]);
    pool.machine.reap();
    pool.clock.advance(60_000);
    expect(pool.machine.spawned).toStrictEqual([101, 102]);
    expect(pool.outcomes).toStrictEqual(['up', 'stopped 0']);
  });

  test('lets a reload wait that is asked for meanwhile', () => {
    const pool = startFakePool();
    pool.supervisor.restart();
    pool.supervisor.reload();
    pool.machine.reap();
    expect(pool.machine.events.map(({ event }) => event)).toStrictEqual(['restart-started']);
    comesUp(pool);
    completeReload(pool);
    expect(pool.supervisor.pool.generation).toBe(3);
  });
});

describe('scaling', () => {
  test('starts workers, ends those of the highest slots, and logs both', () => {
    const pool = startFakePool();
    pool.supervisor.scale(3);
    expect(steps(pool)).toStrictEqual([
      'spawn 102',
      'record 1 started 102',
      'spawn 103',
      'record 2 started 103',
      'log scaled',
    ]);
    pool.clock.advance(200);
    pool.supervisor.scale(1);
    expect(steps(pool)).toStrictEqual(['end 103 102', 'log scaled']);
    pool.machine.reap();
    expect(pool.machine.live).toStrictEqual([101]);
    expect(pool.machine.events).toStrictEqual([
      { event: 'scaled', workers: 3, from: 1 },
      { event: 'scaled', workers: 1, from: 3 },
    ]);
  });

  test('a worker of a slot that was added is up by its age after --settle, a later one there after 100 ms', () => {
    const pool = startFakePool();
    const kinds = (): string[] => pool.supervisor.pool.slots.map(({ state }) => state.kind);
    pool.supervisor.scale(2);
    pool.clock.advance(4900);
    expect(kinds()).toStrictEqual(['running', 'starting']);
    pool.clock.advance(200);
    expect(kinds()).toStrictEqual(['running', 'running']);
    pool.machine.end(102, { kind: 'signaled', signal: 9 });
    expect(kinds()).toStrictEqual(['running', 'starting']);
    pool.clock.advance(150);
    expect(kinds()).toStrictEqual(['running', 'running']);
  });

  test('a slot that a reload gave a worker that is up is an added one no more', () => {
    const pool = startFakePool();
    const kinds = (): string[] => pool.supervisor.pool.slots.map(({ state }) => state.kind);
    pool.supervisor.scale(2);
    pool.supervisor.reload();
    completeReload(pool);
    expect(kinds()).toStrictEqual(['running', 'running']);
    const last = pool.supervisor.pool.slots[1]?.state;
    pool.machine.end(last && 'pid' in last ? last.pid : 0, { kind: 'signaled', signal: 9 });
    pool.clock.advance(150);
    expect(kinds()).toStrictEqual(['running', 'running']);
  });

  test('a slot that is taken away and added again is a new one', () => {
    const pool = startFakePool();
    const kinds = (): string[] => pool.supervisor.pool.slots.map(({ state }) => state.kind);
    pool.supervisor.scale(2);
    pool.clock.advance(5100);
    pool.supervisor.scale(1);
    pool.machine.reap();
    pool.supervisor.scale(2);
    pool.clock.advance(4900);
    expect(kinds()).toStrictEqual(['running', 'starting']);
  });

  test('goes not below one worker', () => {
    const pool = startFakePool({ workers: 2 });
    pool.supervisor.scale(0);
    expect(pool.supervisor.pool.wanted).toBe(1);
    pool.supervisor.scale(-5);
    expect(pool.supervisor.pool.wanted).toBe(1);
  });

  test('during a reload waits for its end', () => {
    const pool = startFakePool();
    pool.supervisor.reload();
    pool.supervisor.scale(2);
    expect(pool.machine.live).toHaveLength(2);
    completeReload(pool);
    expect(pool.machine.live).toHaveLength(2);
    expect(pool.machine.generations.get(103)).toBe(2);
  });

  test('down calls the retry of a slot off', () => {
    const pool = startFakePool({ workers: 2 }, 500);
    pool.machine.end(102, exit3);
    pool.supervisor.scale(1);
    pool.clock.advance(30_000);
    expect(pool.machine.spawned).toStrictEqual([101, 102]);
    expect(pool.clock.pending).toBe(0);
  });

  test('by the one who is told that the pool stops starts nothing', () => {
    const pool = startFakePool();
    pool.supervisor.reload(() => pool.supervisor.scale(5));
    pool.supervisor.stop('SIGTERM');
    expect(pool.machine.spawned).toStrictEqual([101, 102]);
  });
});

describe('a handover', () => {
  test('holds reloads and scaling back until it is called off, and says since when', () => {
    const pool = startFakePool();
    const { ends, listener } = listen();
    const sinceMs = pool.clock.nowMs();
    pool.supervisor.setHandingOver(true);
    pool.clock.advance(300);
    expect(pool.supervisor.operationSinceMs).toBe(sinceMs);
    pool.supervisor.reload(listener);
    pool.supervisor.scale(2);
    expect(steps(pool)).toStrictEqual([]);
    pool.machine.end(101, exit3);
    expect(pool.machine.live).toStrictEqual([102]);
    steps(pool);
    pool.machine.waiting.add(102);
    pool.clock.advance(200);
    pool.supervisor.setHandingOver(false);
    expect(steps(pool)).toStrictEqual(['log reload-started', 'spawn 103', 'record 0 tries 103']);
    completeReload(pool);
    expect(steps(pool).slice(-4)).toStrictEqual([
      'spawn 104',
      'record 1 started 104',
      'log reload-finished',
      'log scaled',
    ]);
    expect(pool.machine.generations.get(104)).toBe(2);
    expect(ends).toMatchObject([{ result: 'reloaded', generation: 2 }]);
  });

  test('that begins during a reload takes the result from nobody', () => {
    const pool = startFakePool();
    const { ends, listener } = listen();
    pool.supervisor.reload(listener);
    pool.supervisor.setHandingOver(true);
    completeReload(pool);
    expect(ends).toMatchObject([{ result: 'reloaded' }]);
    expect(pool.supervisor.pool.operation).toBe('handover');
    expect(pool.supervisor.operationSinceMs).toBeDefined();
  });
});

test('a release that is not up on trial in time is a time-out', () => {
  const pool = startFakePool({ isTriedFirst: true });
  pool.supervisor.reload();
  pool.machine.trialsRun[0]?.done({ reason: 'not up', isLate: true });
  expect(pool.machine.events.at(-1)).toMatchObject({
    event: 'reload-finished',
    result: 'timed-out',
    reason: 'not up',
  });
});
