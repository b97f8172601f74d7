// Spares as a plan: how many are started when, which one a slot gets, and how long nothing is after a failure.
import { beforeEach, describe, expect, test } from 'vitest';
import { Spares, type SpareGoal, type SpareOrder } from '../../src/core/pool/spares.ts';
import { testPolicy } from '../helpers/models/index.ts';

const first: SpareGoal = { generation: 1, mayStart: true };
let spares: Spares;
let nextPid: number;

beforeEach(() => {
  spares = new Spares(2, testPolicy);
  nextPid = 101;
});

const at = (atMs: number): { readonly atMs: number; readonly random: number } => ({ atMs, random: 1 });

/** What is to be done; what is to be started is. */
function align(goal: SpareGoal | undefined = first, nowMs = 0): string[] {
  return spares.plan(goal, nowMs).map((order) => carryOut(order, nowMs));
}

function carryOut(order: SpareOrder, nowMs: number): string {
  if (order.kind === 'end') return `end ${order.pid}`;
  if (order.kind === 'wait') return `wait until ${order.untilMs}`;
  spares.started(nextPid, order.generation, nowMs);
  return `start ${nextPid++}`;
}

function makeReady(pid: number, atMs = 10): void {
  spares.up(pid, atMs);
  spares.held(pid);
}

/** PID and stage of each. */
function all(): string[] {
  return spares.all.map(({ pid, stage }) => `${pid} ${stage}`);
}

describe('as many as are wanted', () => {
  test('are started together, and nobody more', () => {
    expect(align()).toStrictEqual(['start 101', 'start 102']);
    expect(align()).toStrictEqual([]);
    makeReady(101);
    expect(align()).toStrictEqual([]);
    expect(all()).toStrictEqual(['101 ready', '102 starting']);
  });

  test('are there again after one was taken', () => {
    align();
    makeReady(101);
    expect(spares.next(1)?.pid).toBe(101);
    spares.take(101);
    expect(align()).toStrictEqual(['start 103']);
  });

  test('are left, but not made up, where nothing may be started', () => {
    align();
    makeReady(101);
    spares.take(102);
    expect(align({ ...first, mayStart: false })).toStrictEqual([]);
    expect(all()).toStrictEqual(['101 ready']);
  });

  test('end where there is no use for them, each once', () => {
    align();
    makeReady(101);
    expect(spares.plan(undefined, 0)).toStrictEqual([
      { kind: 'end', pid: 101 },
      { kind: 'end', pid: 102 },
    ]);
    expect(spares.plan(undefined, 0)).toStrictEqual([]);
    expect(spares.ended(101, at(0)), 'it was told to').toBeUndefined();
    expect(all()).toStrictEqual(['102 ending']);
  });

  test('end with their generation, and those of the new one do not wait for that', () => {
    align();
    expect(align({ generation: 2, mayStart: true })).toStrictEqual([
      'end 101',
      'end 102',
      'start 103',
      'start 104',
    ]);
  });

  test('are none where it cannot be seen whether one waits', () => {
    align();
    spares.giveUp(1);
    expect(align()).toStrictEqual(['end 101', 'end 102']);
    spares.ended(101, at(0));
    spares.ended(102, at(0));
    expect(align()).toStrictEqual([]);
    expect(spares.isPossible).toBe(false);
    expect(align({ generation: 2, mayStart: true }), 'another program, maybe').toHaveLength(2);
    expect(spares.isPossible).toBe(true);
  });
});

describe('a slot gets', () => {
  beforeEach(() => {
    spares = new Spares(3, testPolicy);
    align();
  });

  test('one that is ready, else one that is up, else the one that has been starting for longest', () => {
    spares.up(102, 10);
    makeReady(103);
    const order = [1, 2, 3].map(() => {
      const pid = spares.next(1)?.pid ?? 0;
      spares.take(pid);
      return pid;
    });
    expect(order).toStrictEqual([103, 102, 101]);
    expect(spares.next(1)).toBeUndefined();
  });

  test('none of another generation', () => {
    makeReady(101);
    expect(spares.next(2)).toBeUndefined();
  });

  test('none that is to end, or is spoilt', () => {
    for (const pid of [101, 102, 103]) makeReady(pid);
    spares.spoilt(101);
    spares.spoilt(102);
    expect(spares.next(1)?.pid).toBe(103);
    expect(spares.plan(undefined, 0)).toStrictEqual([{ kind: 'end', pid: 103 }]);
    expect(spares.next(1)).toBeUndefined();
  });
});

describe('one that somebody lets go on', () => {
  test('is up again, and may be stopped again', () => {
    align();
    makeReady(101);
    spares.released(101);
    expect(all()).toStrictEqual(['101 up', '102 starting']);
    spares.held(101);
    expect(all()).toStrictEqual(['101 ready', '102 starting']);
  });

  test('is none of these before it was ready', () => {
    align();
    spares.released(101);
    spares.held(102);
    expect(all()).toStrictEqual(['101 starting', '102 starting']);
  });
});

describe('after a failure', () => {
  /** Ends the newest one, which lived for so long; what is done then, and when its delay is over. */
  function fail(nowMs: number): { readonly delayMs: number | undefined; readonly next: string[] } {
    const delayMs = spares.ended(nextPid - 1, at(nowMs));
    expect(align(first, nowMs + (delayMs ?? 0) - 1)).toStrictEqual([`wait until ${nowMs + (delayMs ?? 0)}`]);
    return { delayMs, next: align(first, nowMs + (delayMs ?? 0)) };
  }

  beforeEach(() => {
    spares = new Spares(1, testPolicy);
    align();
  });

  test('each end that nobody asked for delays the next one for longer', () => {
    expect(fail(0)).toStrictEqual({ delayMs: 100, next: ['start 102'] });
    expect(fail(1000)).toStrictEqual({ delayMs: 200, next: ['start 103'] });
    expect(fail(2000)).toStrictEqual({ delayMs: 400, next: ['start 104'] });
  });

  test('so does one that was ready for a moment: memory may be short', () => {
    makeReady(101, 10);
    expect(fail(3000).delayMs).toBe(100);
    makeReady(102, 3200);
    expect(fail(6000).delayMs).toBe(200);
  });

  test('one that was up for 10 s makes all of it forgotten', () => {
    fail(0);
    fail(1000);
    makeReady(103, 1300);
    expect(fail(11_300).delayMs).toBe(100);
  });

  test('one that cannot be executed counts the same', () => {
    spares.ended(101, at(0));
    expect(spares.failed(at(200))).toBe(200);
    expect(spares.retryAtMs).toBe(400);
  });

  test('one that is not up in time counts the same, and ends', () => {
    expect(spares.late(101, at(60_000))).toBe(100);
    expect(all()).toStrictEqual(['101 ending']);
    expect(spares.ended(101, at(60_010))).toBeUndefined();
  });

  test('they are tried one at a time until one is ready', () => {
    spares = new Spares(3, testPolicy);
    align();
    for (const pid of [102, 103, 104]) spares.ended(pid, at(0));
    expect(align(first, 1000)).toStrictEqual(['start 105']);
    expect(align(first, 1000)).toStrictEqual([]);
    makeReady(105, 1010);
    expect(align(first, 1020)).toStrictEqual(['start 106', 'start 107']);
  });
});
