// Reading a state file: what we wrote comes back, anything else is nothing.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findPoolState, formatPoolState, parsePoolState, type PoolState } from '../../src/core/pool-state.ts';

const state: PoolState = {
  version: 1,
  phase: 'serving',
  name: 'php-cgi',
  address: '127.0.0.1:9000',
  pid: 4711,
  startTime: '123456',
  sockets: ['9001', '9002'],
  socketFile: '0:25:77',
  pidNamespace: '4026531836',
  workerUid: 33,
  control: 'app.ctl',
  stopTimeoutMs: 9000,
  pidFile: '/run/app.pid',
  workers: [
    { slot: 0, pid: 4712, startTime: '123457' },
    { slot: 2, pid: 4713, startTime: '123458' },
  ],
};

const parseWith = (changes: object): PoolState | undefined =>
  parsePoolState(JSON.stringify({ ...state, ...changes }));

test('what was written comes back', () => {
  expect(parsePoolState(JSON.stringify(state))).toStrictEqual(state);
});

test('of two states the one with the higher number counts, wherever it is', () => {
  const [older, newer] = [formatPoolState({ ...state, pid: 1 }, 9), formatPoolState(state, 10)];
  for (const text of [`${older}\n\n\n${newer}\n`, `\n${newer}\n${older}`]) {
    expect(parsePoolState(text)).toStrictEqual(state);
    expect(findPoolState(text)).toStrictEqual({
      state,
      sequence: 10,
      offset: text.indexOf(newer),
      length: newer.length,
    });
  }
});

test('a state that was written by half over another is none, and the one beside it counts', () => {
  const [old, beside] = [formatPoolState(state, 7), formatPoolState({ ...state, pid: 1 }, 8)];
  const next = formatPoolState({ ...state, name: 'php-fpm' }, 9);
  expect(next).toHaveLength(old.length);
  // The last byte is the same in both.
  for (let length = 1; length < next.length - 1; length++) {
    const torn = `${next.slice(0, length)}${old.slice(length)}`;
    expect(parsePoolState(`\n${torn}\n\n${beside}\n`)?.pid).toBe(1);
  }
});

test('what features remember comes back unjudged, and is nothing where it is no object', () => {
  const memories = { output: [1, { a: null }], newer: 'x' };
  expect(parseWith({ memories })?.memories).toEqual(memories);
  for (const bad of [null, 7, 'x', [1]]) expect(parseWith({ memories: bad })).toStrictEqual(state);
});

test.each(['starting', 'serving', 'stopping'])('the phase %s is known', (phase) => {
  expect(parseWith({ phase })?.phase).toBe(phase);
});

test('a pool without a PID file and without workers is one', () => {
  expect(parseWith({ pidFile: undefined, workers: [] })).toStrictEqual({
    ...Object.fromEntries(Object.entries(state).filter(([key]) => key !== 'pidFile')),
    workers: [],
  });
});

test('a supervisor that is PID 1 of its container is one', () => {
  expect(parseWith({ pid: 1 })?.pid).toBe(1);
});

describe('nothing comes from', () => {
  test.each([
    '',
    ' ',
    '{',
    'null',
    '[]',
    '42',
    '"text"',
    'true',
    '{}',
    JSON.stringify(state).slice(0, -1),
    `${JSON.stringify(state)}x`,
  ])('%j', (text) => {
    expect(parsePoolState(text)).toBeUndefined();
  });

  test.each([
    { version: 0 },
    { version: 2 },
    { version: '1' },
    { phase: 'stopped' },
    { phase: undefined },
    { name: 7 },
    { address: null },
    { pid: 0 },
    { pid: -1 },
    { pid: 3.5 },
    { pid: '4711' },
    { startTime: 123456 },
    { stopTimeoutMs: '9000' },
    { stopTimeoutMs: null },
    { pidFile: 5 },
    { sockets: undefined },
    { sockets: '9001' },
    { sockets: [9001] },
    { sockets: ['9001', ''] },
    { sockets: ['9001]'] },
    { workers: undefined },
    { workers: {} },
    { workers: [null] },
    { workers: [7] },
    { workers: [{ slot: 0, pid: 0, startTime: '1' }] },
    { workers: [{ slot: 0, pid: 1, startTime: '1' }] },
    { workers: [{ slot: 0, pid: 4712, startTime: 1 }] },
    { workers: [{ slot: '0', pid: 4712, startTime: '1' }] },
    { workers: [{ slot: null, pid: 4712, startTime: '1' }] },
  ])('a state with %j', (changes) => {
    expect(parseWith(changes)).toBeUndefined();
  });

  test('a text that was cut off anywhere', () => {
    const text = JSON.stringify(state);
    for (let length = 0; length < text.length; length++) {
      expect(parsePoolState(text.slice(0, length))).toBeUndefined();
    }
  });

  test('random JSON, and it never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        expect(parsePoolState(text)).toBeUndefined();
      }),
    );
  });
});
