// When starting workers are up: by waiting for connections or by age, and how often somebody looks.
import { beforeEach, describe, expect, test } from 'vitest';
import { memberRule, seenRule, UpWatch, type StartingWorker } from '../../src/supervisor/up-watch.ts';
import { FakeMachine } from '../helpers/models/index.ts';

let machine: FakeMachine;
let starting: StartingWorker[];
let ups: string[];
let watch: UpWatch;

beforeEach(() => {
  machine = new FakeMachine();
  starting = [];
  ups = [];
  watch = new UpWatch(
    machine.clock,
    machine.readiness,
    () => starting,
    ({ slot }, atMs, isSeen) => {
      ups.push(`${slot} at ${Math.round(atMs - startMs)}${isSeen ? '' : ' unseen'}`);
      starting = starting.filter((worker) => worker.slot !== slot);
    },
  );
});

const startMs = new FakeMachine().clock.nowMs();

function spawn(slot: number): void {
  starting = [...starting, { slot, pid: 100 + slot, startedAtMs: machine.clock.nowMs(), ...memberRule }];
  watch.wake();
}

test('a worker is up as soon as it is seen waiting for connections', () => {
  spawn(0);
  machine.clock.advance(40);
  expect(ups).toStrictEqual([]);
  machine.waiting.add(100);
  machine.clock.advance(5);
  expect(ups).toHaveLength(1);
});

test('a worker that waits at once is up after the first look, a millisecond later', () => {
  spawn(0);
  machine.waiting.add(100);
  machine.clock.advance(1);
  expect(ups).toStrictEqual(['0 at 1']);
});

test('a worker that never waits is up once it has lived 100 ms, and not before', () => {
  spawn(0);
  machine.clock.advance(99);
  expect(ups).toStrictEqual([]);
  machine.clock.advance(6);
  expect(ups).toHaveLength(1);
});

test.each([
  ['plainly does not serve is up unseen', 'no', '0 at 100 unseen'],
  ['serves at that moment is seen', 'yes', '0 at 100'],
  ['may not be looked at counts as seen', 'unknown', '0 at 100'],
])('a worker that is old enough is looked at once more: one that %s', (_name, evidence, expected) => {
  spawn(0);
  if (evidence === 'yes') machine.waiting.add(100);
  if (evidence === 'unknown') machine.hidden.add(100);
  machine.clock.stall(100);
  machine.clock.advance(0);
  expect(ups).toStrictEqual([expected]);
  expect(machine.looks).toBe(1);
});

test('a worker that may not be looked at is up at the first look where its like recycle themselves', () => {
  starting = [0, 1, 2].map((slot) => ({
    slot,
    pid: 100 + slot,
    startedAtMs: machine.clock.nowMs(),
    ...memberRule,
    trustsHidden: slot > 0,
  }));
  machine.hidden.add(100).add(101).add(102);
  machine.unnoticedDead.add(102);
  watch.wake();
  machine.clock.advance(5);
  expect(ups).toStrictEqual(['1 at 1']);
});

test('evidence counts only from the age on that the rule asks for', () => {
  starting = [{ slot: 0, pid: 100, startedAtMs: machine.clock.nowMs(), ...memberRule, notBeforeMs: 60 }];
  machine.waiting.add(100);
  watch.wake();
  machine.clock.advance(59);
  expect(ups).toStrictEqual([]);
  machine.clock.advance(10);
  expect(ups).toStrictEqual([expect.stringMatching(/^0 at 6\d$/)]);
});

test('a worker that only counts when it is seen is never up by its age', () => {
  starting = [{ slot: 0, pid: 100, startedAtMs: machine.clock.nowMs(), ...seenRule }];
  watch.wake();
  machine.clock.advance(900);
  expect(ups).toStrictEqual([]);
  machine.waiting.add(100);
  machine.clock.advance(50);
  expect(ups).toStrictEqual([expect.stringMatching(/^0 at 9\d\d$/)]);
});

test('workers are looked at side by side, each judged by its own age', () => {
  spawn(0);
  machine.clock.advance(60);
  spawn(1);
  spawn(2);
  machine.clock.advance(2);
  machine.waiting.add(102);
  machine.clock.advance(5);
  expect(ups.map((line) => line[0])).toStrictEqual(['2']);
  machine.clock.advance(40);
  expect(ups.map((line) => line[0])).toStrictEqual(['2', '0']);
  machine.clock.advance(60);
  expect(ups.map((line) => line[0])).toStrictEqual(['2', '0', '1']);
});

describe('the looks', () => {
  test('stop when none is starting, and leave no timer behind', () => {
    spawn(0);
    expect(machine.clock.pending).toBe(1);
    machine.waiting.add(100);
    machine.clock.advance(1);
    expect(machine.clock.pending).toBe(0);
  });

  test('stop when the last starting worker has died', () => {
    spawn(0);
    machine.clock.advance(20);
    starting = [];
    machine.clock.advance(5);
    expect(machine.clock.pending).toBe(0);
    expect(ups).toStrictEqual([]);
  });

  test('begin again with the next spawn', () => {
    spawn(0);
    machine.clock.advance(200);
    spawn(1);
    machine.waiting.add(101);
    machine.clock.advance(1);
    expect(ups.at(-1)).toBe('1 at 201');
  });

  test('are one series, however many workers are started', () => {
    for (let slot = 0; slot < 8; slot++) spawn(slot);
    expect(machine.clock.pending).toBe(1);
    machine.clock.advance(10);
    spawn(8);
    expect(machine.clock.pending).toBe(1);
  });

  test('are every millisecond at first, and a few dozen in all', () => {
    spawn(0);
    machine.clock.advance(6);
    expect(machine.looks).toBeGreaterThanOrEqual(5);
    expect(machine.looks).toBeLessThanOrEqual(6);
    machine.clock.advance(200);
    expect(machine.looks).toBeLessThanOrEqual(40);
  });

  test('never pause longer than 5 ms', () => {
    spawn(0);
    for (let ms = 0; ms < 90; ms += 5) {
      const before = machine.looks;
      machine.clock.advance(5);
      expect(machine.looks).toBeGreaterThan(before);
    }
  });

  test('go on when being up makes somebody spawn the next worker', () => {
    const chain = new UpWatch(
      machine.clock,
      machine.readiness,
      () => starting,
      ({ slot = 0 }) => {
        ups.push(`${slot}`);
        starting =
          slot === 2 ? [] : [{ slot: slot + 1, pid: 0, startedAtMs: machine.clock.nowMs(), ...memberRule }];
        chain.wake();
      },
    );
    starting = [{ slot: 0, pid: 0, startedAtMs: machine.clock.nowMs(), ...memberRule }];
    chain.wake();
    machine.clock.advance(150);
    expect(ups).toStrictEqual(['0']);
    expect(machine.clock.pending, 'still one series').toBe(1);
    machine.clock.advance(250);
    expect(ups).toStrictEqual(['0', '1', '2']);
    expect(machine.clock.pending).toBe(0);
  });
});

test('a worker that is dead already is not up by its age: its end is about to be told', () => {
  starting = [{ slot: 0, pid: 7, startedAtMs: machine.clock.nowMs(), ...memberRule }];
  machine.unnoticedDead.add(7);
  watch.wake();
  machine.clock.advance(500);
  expect(ups).toStrictEqual([]);
});
