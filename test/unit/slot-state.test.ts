// The life of a slot: one test for each cell of the table, state by event, those where nothing happens included.
import { describe, expect, test } from 'vitest';
import { freshMemory, type RestartMemory } from '../../src/core/pool/restart-policy.ts';
import * as slotState from '../../src/core/pool/slot-state.ts';
import { testPolicy } from '../helpers/models/index.ts';

const memory: RestartMemory = { ...freshMemory, failures: 2, plannedAtMs: [900], recycles: true };

const states = {
  exited: { kind: 'exited' },
  starting: { kind: 'starting', pid: 100, startedAtMs: 1000 },
  running: { kind: 'running', pid: 100, startedAtMs: 1000, upAtMs: 1010, isSeen: true },
  stopping: { kind: 'stopping', pid: 100 },
  backoff: { kind: 'backoff', retryAtMs: 5000 },
} as const satisfies Record<slotState.SlotState['kind'], slotState.SlotState>;

const events = {
  spawned: { kind: 'spawned', pid: 200, atMs: 3000 },
  'spawn-failed': { kind: 'spawn-failed', atMs: 3000, random: 0 },
  up: { kind: 'up', atMs: 3000, isSeen: true },
  ended: { kind: 'ended', exit: { kind: 'exited', status: 1 }, atMs: 3000, random: 0 },
  'retry-due': { kind: 'retry-due' },
  stop: { kind: 'stop' },
} as const satisfies Record<slotState.SlotEvent['kind'], slotState.SlotEvent>;

function step(state: slotState.SlotState, orders: slotState.SlotOrder[] = []): slotState.Step {
  return { slot: { state, memory }, orders };
}

/** Nothing happens: the event is late or does not concern this state. */
const stay = 'stays as it is';
const begins = step({ kind: 'starting', pid: 200, startedAtMs: 3000 });
const stops = step({ kind: 'stopping', pid: 100 }, [{ kind: 'terminate', pid: 100 }]);
const rests = step({ kind: 'exited' });
const failed: slotState.Step = {
  slot: { state: { kind: 'backoff', retryAtMs: 3360 }, memory: { ...memory, failures: 3 } },
  orders: [{ kind: 'retry-after', delayMs: 360 }],
  end: { class: 'failed-start', delayMs: 360, wasUp: false, wasSeen: false },
};
const crashed: slotState.Step = {
  ...step({ kind: 'exited' }, [{ kind: 'spawn' }]),
  end: { class: 'crash', delayMs: 0, wasUp: true, wasSeen: true },
};

const cells: Record<
  slotState.SlotState['kind'],
  Record<slotState.SlotEvent['kind'], readonly [string, slotState.Step] | typeof stay>
> = {
  exited: {
    spawned: ['has a starting worker', begins],
    'spawn-failed': ['backs off', failed],
    up: stay,
    ended: stay,
    'retry-due': stay,
    stop: stay,
  },
  starting: {
    spawned: stay,
    'spawn-failed': stay,
    up: ['is running', step({ kind: 'running', pid: 100, startedAtMs: 1000, upAtMs: 3000, isSeen: true })],
    ended: ['backs off', failed],
    'retry-due': stay,
    stop: ['ends its worker', stops],
  },
  running: {
    spawned: stay,
    'spawn-failed': stay,
    up: stay,
    ended: ['is filled again', crashed],
    'retry-due': stay,
    stop: ['ends its worker', stops],
  },
  stopping: {
    spawned: stay,
    'spawn-failed': stay,
    up: stay,
    ended: ['is empty for good', rests],
    'retry-due': stay,
    stop: stay,
  },
  backoff: {
    spawned: [
      'ends the worker that nobody wants any more',
      step({ kind: 'stopping', pid: 200 }, [{ kind: 'terminate', pid: 200 }]),
    ],
    'spawn-failed': stay,
    up: stay,
    ended: stay,
    'retry-due': ['tries again', step({ kind: 'exited' }, [{ kind: 'spawn' }])],
    stop: ['is empty for good', rests],
  },
};

const rows = Object.entries(cells).flatMap(([state, row]) =>
  Object.entries(row).map(([event, cell]) => ({
    state: states[state as slotState.SlotState['kind']],
    event: events[event as slotState.SlotEvent['kind']],
    says: cell === stay ? stay : cell[0],
    expected: cell === stay ? step(states[state as slotState.SlotState['kind']]) : cell[1],
  })),
);

test.each(rows)('$state.kind: after $event.kind the slot $says', ({ state, event, expected }) => {
  expect(slotState.advance({ state, memory }, event, testPolicy)).toStrictEqual(expected);
});

describe('the end of a worker', () => {
  const exit0 = { kind: 'exited', status: 0 } as const;

  test('that exits 0 once up is planned, and the slot is filled at once', () => {
    const result = slotState.advance(
      { state: states.running, memory },
      { ...events.ended, exit: exit0, atMs: 1020 },
      testPolicy,
    );
    expect(result).toStrictEqual({
      slot: { state: { kind: 'exited' }, memory: { ...memory, plannedAtMs: [900, 1020] } },
      orders: [{ kind: 'spawn' }],
      end: { class: 'planned', delayMs: 0, wasUp: true, wasSeen: true },
    });
  });

  test('that exits 0 before it was up is a failed start', () => {
    const result = slotState.advance(
      { state: states.starting, memory: { ...freshMemory, failures: 2, plannedAtMs: [] } },
      { ...events.ended, exit: exit0, atMs: 1099 },
      testPolicy,
    );
    expect(result.end).toStrictEqual({ class: 'failed-start', delayMs: 360, wasUp: false, wasSeen: false });
    expect(result.orders).toStrictEqual([{ kind: 'retry-after', delayMs: 360 }]);
    expect(result.slot.state).toStrictEqual({ kind: 'backoff', retryAtMs: 1459 });
  });

  test('that exits 0 before anybody saw it up is planned in a slot that recycles its workers', () => {
    const result = slotState.advance(
      { state: states.starting, memory },
      { ...events.ended, exit: exit0 },
      testPolicy,
    );
    expect(result.end).toStrictEqual({ class: 'planned', delayMs: 0, wasUp: false, wasSeen: false });
    expect(result.orders).toStrictEqual([{ kind: 'spawn' }]);
  });

  test('that nobody saw up is a failed start, however late it is noticed', () => {
    const event = { ...events.ended, exit: exit0, atMs: 11_100 };
    const result = slotState.advance(
      { state: states.starting, memory: { ...freshMemory, failures: 2, plannedAtMs: [] } },
      event,
      testPolicy,
    );
    expect(result.end).toMatchObject({ class: 'failed-start', wasUp: false, wasSeen: false });
    expect(result.slot.memory.failures).toBe(memory.failures + 1);
  });

  test('that was seen up counts them from then on', () => {
    const at = (atMs: number): number =>
      slotState.advance({ state: states.running, memory }, { ...events.ended, atMs }, testPolicy).slot.memory
        .failures;
    expect([at(11_009), at(11_010)]).toStrictEqual([2, 0]);
  });

  test('with more planned exits than a second allows waits in backoff', () => {
    const busy = { ...freshMemory, plannedAtMs: Array.from({ length: 10 }, () => 1000) };
    const result = slotState.advance(
      { state: states.running, memory: busy },
      { ...events.ended, exit: exit0, atMs: 1020 },
      testPolicy,
    );
    expect(result.slot.state).toStrictEqual({ kind: 'backoff', retryAtMs: 2000 });
    expect(result.orders).toStrictEqual([{ kind: 'retry-after', delayMs: 980 }]);
    expect(result.end).toStrictEqual({ class: 'planned', delayMs: 980, wasUp: true, wasSeen: true });
  });
});

test.each([
  [false, false, false],
  [false, true, true],
  [true, false, true],
])('a running worker that was seen: %s, then: %s, is seen: %s', (before, now, after) => {
  const state = { ...states.running, isSeen: before };
  const expected = step({ ...state, isSeen: after });
  expect(slotState.advance({ state, memory }, { ...events.up, isSeen: now }, testPolicy)).toStrictEqual(
    expected,
  );
});

test('a worker that is up by its age alone was up, and nobody saw it', () => {
  const up = slotState.advance(
    { state: states.starting, memory },
    { ...events.up, isSeen: false },
    testPolicy,
  );
  expect(up.slot.state).toStrictEqual({ ...states.running, upAtMs: 3000, isSeen: false });
  const end = slotState.advance(up.slot, { ...events.ended, atMs: 3100 }, testPolicy).end;
  expect(end).toMatchObject({ wasUp: true, wasSeen: false });
});

test('a worker that could not be started ends no row of brief lives', () => {
  const brief = { ...freshMemory, unseen: 3, briefCrashes: 2 };
  const failure = slotState.advance(
    { state: states.exited, memory: brief },
    events['spawn-failed'],
    testPolicy,
  );
  expect(failure.slot.memory).toStrictEqual({ ...brief, failures: 1 });
});

test('a new slot is empty and remembers nothing', () => {
  expect(slotState.emptySlot).toStrictEqual({ state: { kind: 'exited' }, memory: freshMemory });
});

test.each([
  [states.exited, undefined],
  [states.starting, 100],
  [states.running, 100],
  [states.stopping, 100],
  [states.backoff, undefined],
])('$kind: the live worker is %s', (state, pid) => {
  expect(slotState.livePid({ state, memory })).toBe(pid);
});
