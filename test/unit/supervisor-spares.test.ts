// Spares of a supervisor on a fake machine: when they are started, stopped and let go on, in every operation, and that they
// wake nobody while they wait.
import { describe, expect, test } from 'vitest';
import type { WorkerExit } from '../../src/core/worker-exit.ts';
import { livePid } from '../../src/core/pool/slot-state.ts';
import { startFakePool, type FakePool } from '../helpers/models/index.ts';

const exit1: WorkerExit = { kind: 'exited', status: 1 };
const killed: WorkerExit = { kind: 'signaled', signal: 9 };
const settleMs = 5000;
const readyTimeoutMs = 60_000;

/** Its start has succeeded, and its spares are starting: two workers are 101 and 102. */
function serve(options: Parameters<typeof startFakePool>[0] = {}): FakePool {
  const pool = startFakePool({ workers: 2, spares: 1, ...options });
  pool.life.change('answered');
  pool.life.change('announced');
  pool.clock.advance(0);
  return pool;
}

/** The same with spares that are stopped. */
function serveWithReady(options: Parameters<typeof startFakePool>[0] = {}): FakePool {
  const pool = serve(options);
  comeUp(pool);
  pool.machine.takeJournal();
  return pool;
}

/** Everybody waits for connections, and somebody looks. */
function comeUp({ machine, clock }: FakePool): void {
  for (const pid of machine.live) machine.waiting.add(pid);
  clock.advance(60);
}

function slots({ supervisor }: FakePool): (number | undefined)[] {
  return supervisor.pool.slots.map(livePid);
}

function stages({ supervisor }: FakePool): string[] {
  return supervisor.spares?.all.map(({ pid, stage }) => `${pid} ${stage}`) ?? [];
}

function told({ machine }: FakePool, event: string): object[] {
  return machine.events.filter((one) => one.event === event);
}

describe('a pool that has spares', () => {
  test('starts them when whoever waits for the start was told', () => {
    const pool = startFakePool({ workers: 2, spares: 2 });
    pool.clock.advance(10_000);
    expect(pool.machine.spawned).toHaveLength(2);
    pool.life.change('answered');
    pool.life.change('announced');
    expect(pool.machine.spawned, 'not within that').toHaveLength(2);
    pool.clock.advance(0);
    expect(pool.machine.takeJournal()).toStrictEqual([
      'spawn 103',
      'record spare 103',
      'spawn 104',
      'record spare 104',
    ]);
  });

  test('stops each as soon as it is seen to wait, and then nothing wakes it', () => {
    const pool = serve();
    pool.clock.advance(3000);
    expect(stages(pool)).toStrictEqual(['103 starting']);
    comeUp(pool);
    expect(stages(pool)).toStrictEqual(['103 ready']);
    expect(pool.machine.takeJournal().slice(2)).toStrictEqual(['hold 103: signalled', 'log spare-ready']);
    expect(pool.clock.pending).toBe(0);
  });

  test('does not stop one that is at work, and looks less and less often', () => {
    const pool = serve();
    pool.machine.busy.add(103);
    comeUp(pool);
    expect(stages(pool)).toStrictEqual(['103 up']);
    pool.clock.advance(600_000);
    const looks = pool.machine.takeJournal().filter((line) => line.startsWith('hold')).length;
    expect(looks).toBeLessThan(900);
    pool.clock.advance(60_000);
    expect(pool.machine.takeJournal(), 'once a second').toHaveLength(60);
    pool.machine.busy.delete(103);
    pool.clock.advance(1000);
    expect(stages(pool)).toStrictEqual(['103 ready']);
    expect(pool.clock.pending).toBe(0);
  });

  test('starts none where workers that serve may not be looked into, and says so once', () => {
    const pool = startFakePool({ workers: 2, spares: 2 });
    for (const pid of pool.machine.live) pool.machine.hidden.add(pid);
    pool.life.change('answered');
    pool.life.change('announced');
    pool.clock.advance(600_000);
    expect(pool.machine.spawned).toHaveLength(2);
    expect(told(pool, 'warning')).toHaveLength(1);
    expect(pool.clock.pending).toBe(0);
  });

  test('has none where it cannot be seen whether one waits, says so once, and runs on', () => {
    const pool = serve({ spares: 2 });
    for (const pid of [103, 104]) pool.machine.hidden.add(pid);
    pool.clock.advance(settleMs - 1);
    expect(stages(pool)).toStrictEqual(['103 starting', '104 starting']);
    pool.clock.advance(60);
    expect(told(pool, 'warning').slice(0, 1)).toMatchObject([
      { message: 'no spares: it cannot be seen whether a worker waits for connections' },
    ]);
    pool.clock.advance(600_000);
    expect(pool.supervisor.spares?.isPossible).toBe(false);
    expect(pool.machine.spawned).toHaveLength(4);
    pool.machine.end(101, killed);
    expect(slots(pool)).toStrictEqual([105, 102]);
  });

  test('goes by their own word where workers give it', () => {
    const pool = serve({ isNotified: true });
    pool.clock.advance(30_000);
    expect(stages(pool)).toStrictEqual(['103 starting']);
    comeUp(pool);
    expect(stages(pool)).toStrictEqual(['103 ready']);
  });

  test('gives up one that is not up in time', () => {
    const pool = serve();
    pool.clock.advance(readyTimeoutMs);
    expect(stages(pool)).toStrictEqual(['103 ending']);
    expect(told(pool, 'warning')).toMatchObject([
      { message: 'spare PID 103 was not up within --ready-timeout; the next one in 90 ms' },
    ]);
    pool.machine.reap();
    pool.clock.advance(90);
    expect(stages(pool)).toStrictEqual(['104 starting']);
  });

  test('tries one that cannot be executed again later, in a row that grows longer', () => {
    const pool = startFakePool({ workers: 1, spares: 3 });
    pool.machine.spawnErrnos = [2, 2, 2, 0];
    pool.life.change('answered');
    pool.life.change('announced');
    pool.clock.advance(0);
    expect(pool.machine.takeJournal(), 'the others wait, too').toStrictEqual([
      'spawn fails 2',
      'log spare-ended',
    ]);
    expect(told(pool, 'spare-ended')).toMatchObject([{ error: 'exec failed: error text 2', delayMs: 90 }]);
    pool.clock.advance(90 + 180);
    expect(told(pool, 'spare-ended')).toHaveLength(3);
    pool.clock.advance(360);
    expect(stages(pool)).toStrictEqual(['102 starting']);
  });
});

describe('a worker that has ended', () => {
  test('is followed by the spare, which is up at once, and by the start of the next one', () => {
    const pool = serveWithReady();
    pool.machine.end(101, killed);
    expect(slots(pool)).toStrictEqual([103, 102]);
    expect(pool.supervisor.pool.slots[0]?.state.kind).toBe('running');
    expect(pool.machine.takeJournal()).toStrictEqual([
      'record 0 ended',
      'wake 103',
      'record 0 started 103',
      'log worker-ended',
      'log spare-taken',
      'spawn 104',
      'record spare 104',
    ]);
    expect(told(pool, 'worker-ended')).toMatchObject([{ workerPid: 101, successorPid: 103 }]);
  });

  test('is followed by a spare that is up still, or starting, where none is ready', () => {
    const pool = serve({ spares: 2 });
    pool.machine.busy.add(104);
    pool.machine.waiting.add(104);
    pool.clock.advance(60);
    expect(stages(pool)).toStrictEqual(['103 starting', '104 up']);
    pool.machine.end(101, killed);
    pool.machine.end(102, killed);
    expect(slots(pool)).toStrictEqual([104, 103]);
    expect(pool.supervisor.pool.slots.map(({ state }) => state.kind)).toStrictEqual(['running', 'starting']);
  });

  test('is followed by a new process where every spare is used up', () => {
    const pool = serveWithReady();
    pool.machine.end(101, killed);
    pool.machine.end(102, killed);
    pool.machine.end(103, killed);
    expect(slots(pool)).toStrictEqual([undefined, 104]);
    pool.clock.advance(100);
    expect(slots(pool), 'a life of a worker begins when it is woken').toStrictEqual([105, 104]);
  });

  test('is not followed by one that will end as soon as it goes on', () => {
    const pool = serveWithReady({ spares: 2 });
    pool.machine.doomed.add(103);
    pool.machine.end(101, killed);
    expect(slots(pool)).toStrictEqual([104, 102]);
    pool.machine.reap();
    expect(told(pool, 'spare-ended'), 'it was expected').toStrictEqual([]);
    expect(stages(pool)).toStrictEqual(['105 starting', '106 starting']);
  });
});

describe('a spare', () => {
  test('that is killed is followed by another one, after a delay', () => {
    const pool = serveWithReady();
    pool.clock.advance(20_000);
    pool.machine.end(103, killed);
    expect(pool.machine.takeJournal()).toStrictEqual(['record spare 103 ended', 'log spare-ended']);
    expect(told(pool, 'spare-ended')).toMatchObject([
      { workerPid: 103, uptimeMs: 22_060 - 2000, delayMs: 90 },
    ]);
    pool.clock.advance(89);
    expect(stages(pool)).toStrictEqual([]);
    pool.clock.advance(1);
    expect(stages(pool)).toStrictEqual(['104 starting']);
    expect(slots(pool)).toStrictEqual([101, 102]);
  });

  test('that always crashes makes no storm, and costs no slot anything', () => {
    const pool = serve({ restart: { maxDelayMs: 1000 } });
    for (let look = 0; look < 10_000; look++) {
      const [pid] = pool.supervisor.spares?.all.map((spare) => spare.pid) ?? [];
      if (pid !== undefined) pool.machine.end(pid, exit1);
      pool.clock.advance(10);
    }
    expect(pool.machine.spawned.length).toBeLessThan(120);
    expect(slots(pool)).toStrictEqual([101, 102]);
  });

  test('that somebody lets go on is stopped again', () => {
    const pool = serveWithReady();
    pool.machine.held.delete(103);
    pool.supervisor.spares?.lookAgain();
    expect(stages(pool)).toStrictEqual(['103 up']);
    pool.clock.advance(2);
    expect(stages(pool)).toStrictEqual(['103 ready']);
    expect(pool.clock.pending).toBe(0);
  });
});

describe('a socket that was bound anew', () => {
  test('has spares of its own: those that wait on the one before end', () => {
    const pool = serveWithReady({ spares: 2 });
    pool.machine.end(101, killed);
    pool.supervisor.spares?.discard();
    expect(stages(pool)).toStrictEqual(['104 ending', '105 ending', '106 starting', '107 starting']);
    pool.machine.reap();
    expect(pool.machine.live).toStrictEqual([102, 103, 106, 107]);
  });
});

describe('more workers', () => {
  test('are spares as far as there are any', () => {
    const pool = serveWithReady();
    pool.supervisor.scale(4);
    expect(slots(pool)).toStrictEqual([101, 102, 103, 104]);
    expect(pool.supervisor.pool.slots.map(({ state }) => state.kind)).toStrictEqual([
      'running',
      'running',
      'running',
      'starting',
    ]);
    expect(stages(pool)).toStrictEqual(['105 starting']);
  });
});

describe('a worker that a guard replaces', () => {
  test('has the spare as its successor', () => {
    const pool = serveWithReady();
    const reason = { guard: 'max-age', text: 'it was old' };
    pool.supervisor.replace({ slot: 1, pid: 102, reason }, () => undefined);
    expect(slots(pool)).toStrictEqual([101, 103]);
    pool.machine.reap();
    expect(stages(pool)).toStrictEqual(['104 starting']);
    expect(pool.machine.live).toStrictEqual([101, 103, 104]);
  });
});

describe('a reload', () => {
  test('keeps the old ones while the new release is on trial, and uses them for old workers', () => {
    const pool = serveWithReady({ isTriedFirst: true });
    pool.supervisor.reload();
    expect(stages(pool)).toStrictEqual(['103 ready']);
    pool.machine.end(101, killed);
    expect(slots(pool)).toStrictEqual([103, 102]);
    comeUp(pool);
    pool.machine.trialsRun[0]?.done();
    expect(stages(pool)).toStrictEqual(['104 ending', '106 starting']);
    expect(pool.machine.generations.get(106)).toBe(2);
  });

  test('begins with a spare of the new generation, and gives each further slot the one that has started meanwhile', () => {
    const pool = serveWithReady({ workers: 3 });
    pool.supervisor.reload();
    expect(stages(pool), '105 is the candidate').toStrictEqual(['104 ending', '106 starting']);
    pool.machine.reap();
    comeUp(pool);
    expect(slots(pool)).toStrictEqual([105, 102, 103]);
    pool.machine.reap();
    expect(slots(pool)).toStrictEqual([105, 106, 103]);
    pool.machine.reap();
    comeUp(pool);
    pool.machine.reap();
    expect(slots(pool)).toStrictEqual([105, 106, 107]);
    pool.clock.advance(settleMs);
    expect(pool.supervisor.pool.generation).toBe(2);
    comeUp(pool);
    expect(stages(pool)).toStrictEqual(['108 ready']);
    expect(pool.clock.pending).toBe(0);
  });

  test('never gives a slot of one generation a spare of the other', () => {
    const pool = serveWithReady({ spares: 2, workers: 3 });
    pool.supervisor.reload();
    comeUp(pool);
    // An old worker that crashes during the reload is replaced by its own generation.
    pool.machine.end(103, killed);
    const generations = slots(pool).map((pid) => pool.machine.generations.get(pid ?? 0));
    expect(generations).toStrictEqual([2, 1, 1]);
  });

  test('that turns round ends those of the new generation, and starts those of the old one again', () => {
    const pool = serveWithReady();
    pool.supervisor.reload();
    pool.machine.reap();
    pool.machine.end(104, exit1);
    expect(pool.supervisor.lastReload?.result).toBe('rolled-back');
    pool.machine.reap();
    comeUp(pool);
    const [spare] = pool.supervisor.spares?.all ?? [];
    expect(spare).toMatchObject({ generation: 1, stage: 'ready' });
    expect(pool.machine.live).toStrictEqual([101, 102, spare?.pid]);
  });
});

describe('a restart', () => {
  test('ends them with the old workers, waits for them, and starts new ones when it is over', () => {
    const pool = serveWithReady();
    pool.supervisor.restart();
    expect(stages(pool)).toStrictEqual(['103 ending']);
    pool.machine.takeJournal();
    pool.machine.reap();
    expect(pool.machine.takeJournal().filter((line) => line.startsWith('spawn'))).toStrictEqual([
      'spawn 104',
      'spawn 105',
    ]);
    expect(stages(pool)).toStrictEqual([]);
    comeUp(pool);
    expect(pool.supervisor.pool.operation).toBeUndefined();
    expect(stages(pool)).toStrictEqual(['106 starting']);
  });

  test('starts no new worker before the last spare is gone', () => {
    const pool = serve();
    pool.machine.needIdleStop.add(103);
    pool.machine.busy.add(103);
    comeUp(pool);
    pool.supervisor.restart();
    pool.machine.reap();
    expect(pool.machine.live).toStrictEqual([103]);
    pool.machine.busy.delete(103);
    pool.clock.advance(50);
    pool.machine.reap();
    expect(slots(pool)).toStrictEqual([104, 105]);
  });
});

describe('a handover', () => {
  test('leaves them, fills slots with them, and starts no other one', () => {
    const pool = serveWithReady();
    pool.supervisor.setHandingOver(true);
    pool.machine.end(101, killed);
    expect(slots(pool)).toStrictEqual([103, 102]);
    expect(stages(pool)).toStrictEqual([]);
    pool.supervisor.setHandingOver(false);
    expect(stages(pool)).toStrictEqual(['104 starting']);
  });

  test('that is done ends them', () => {
    const pool = serveWithReady();
    pool.supervisor.setHandingOver(true);
    pool.supervisor.drain({ pid: 900, startTime: '1' });
    expect(stages(pool)).toStrictEqual(['103 ending']);
    pool.machine.reap();
    pool.clock.advance(0);
    expect(pool.outcomes.at(-1)).toBe('stopped 0');
    expect(pool.machine.processCount).toBe(0);
  });
});

describe('a stop', () => {
  test('ends those that are stopped, and all others, and has a guard for them', () => {
    const pool = serveWithReady({ spares: 2 });
    pool.machine.end(101, killed);
    pool.machine.takeJournal();
    pool.supervisor.stop('TERM');
    expect(pool.machine.takeJournal().find((line) => line.startsWith('guard'))).toBe('guard 102 103 104 105');
    pool.machine.reap();
    pool.clock.advance(0);
    expect(pool.outcomes.at(-1)).toBe('stopped 0');
    expect(pool.machine.processCount).toBe(0);
    // The look at those that were starting.
    pool.clock.advance(50);
    expect(pool.clock.pending).toBe(0);
  });

  test('waits for a spare that is at work', () => {
    const pool = serve();
    pool.machine.needIdleStop.add(103);
    pool.machine.busy.add(103);
    comeUp(pool);
    pool.supervisor.stop('TERM');
    pool.machine.reap();
    pool.clock.advance(1000);
    expect(pool.outcomes.at(-1)).toBe('up');
    pool.machine.busy.delete(103);
    pool.clock.advance(100);
    pool.machine.reap();
    pool.clock.advance(0);
    expect(pool.outcomes.at(-1)).toBe('stopped 0');
  });

  test('leaves one that nothing ends, and says so', () => {
    const pool = serve();
    pool.machine.workerHabits = { isStuck: true };
    pool.machine.end(103, exit1);
    pool.clock.advance(100);
    pool.supervisor.stop('TERM');
    pool.machine.reap();
    pool.clock.advance(20_000);
    expect(pool.outcomes.at(-1)).toBe('stopped 1');
    expect(pool.supervisor.left).toStrictEqual([{ pid: 104, why: 'stuck' }]);
  });
});
