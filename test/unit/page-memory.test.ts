// The page of the status socket without a browser: what it keeps of what it is told, and what it makes of that.
import { expect, test } from 'vitest';
import { CpuShares } from '../../src/features/status-socket/page/cpu-shares.ts';
import { joinEvents, joinLooks, stretchesOf } from '../../src/features/status-socket/page/history.ts';
import { counts, roundUp } from '../../src/features/status-socket/page/words.ts';
import { poolFacts } from '../../src/features/status-socket/page/views/pool-facts.ts';
import { describeForPage } from '../../src/features/status-socket/page-data.ts';
import { exampleFigures } from '../helpers/models/index.ts';

const seen = { page: 'x', looks: [], figures: {}, inside: { release: '/srv/app', events: [] } };

test('the page keeps what the supervisor before has told, once', () => {
  const before = joinLooks(
    [],
    [
      [9000, 1, 1, 1],
      [5000, 2, 1, 1],
    ],
    10_000,
  );
  const after = joinLooks(before, [[2000, 0, 0, 1]], 20_000);
  expect(after.map(({ atMs }) => atMs)).toEqual([1000, 5000, 18_000]);
  expect(joinLooks(after, [[1, 0, 0, 1]], 610_000).map(({ atMs }) => atMs)).toEqual([18_000, 609_999]);
  const events = [{ agoMs: 5, severity: 'notice', text: 'stopped' }] as const;
  const inside = { release: '', events, message: '', words: [] };
  const known = joinEvents([], { pid: 1, inside }, 10);
  expect(joinEvents(known, { pid: 1, inside }, 12)).toHaveLength(1);
  expect(joinEvents(known, { pid: 2, inside }, 12).map(({ pid }) => pid)).toEqual([1, 2]);
});

test('the page makes nothing up where nobody has looked', () => {
  const looks = joinLooks(
    [],
    [
      [60_000, 1, 1, 1],
      [58_000, 2, 1, 1],
      [1000, 3, 1, 1],
    ],
    100_000,
  );
  expect(stretchesOf(looks, 100_000).map(({ fromMs, toMs }) => [fromMs, toMs])).toEqual([
    [40_000, 42_000],
    [42_000, 46_000],
    [99_000, 100_000],
  ]);
});

test('the page knows the share of a processor from the second answer on', () => {
  const shares = new CpuShares();
  expect([0, 2000, 2100].map((nowMs) => shares.note('a', nowMs / 4, nowMs))).toEqual([undefined, 25, 25]);
  // Another process of that number, or another supervisor.
  expect(shares.note('a', 0, 4000)).toBe(0);
});

test.each([
  [0, 2],
  [3, 4],
  [4, 4],
  [5, 10],
  [11, 20],
  [41, 100],
  [1024, 2000],
])('%i fits below %i', (value, top) => {
  expect(roundUp(value)).toBe(top);
});

test('the page has facts about what there is, and no line about what there is not', () => {
  const none = { workers: undefined, supervisor: undefined };
  const data = describeForPage(exampleFigures(), seen);
  expect(Object.fromEntries(poolFacts(data, none))).toMatchObject({
    Release: 'generation 2, /srv/app',
    Outdated: '1 worker of an older release',
    Restarts: '2 crash',
    Replaced: '4 max-age',
    Requests: '5 slow, 2 stuck',
    Workers: '4 wanted',
    Spares: '1 of 2 ready',
    CPU: '',
  });
  const bare = { ...data, spares: null, inside: null, restarts: {} };
  expect(Object.fromEntries(poolFacts(bare, none))).toMatchObject({
    Release: 'generation 2',
    Spares: '',
    Restarts: 'none',
  });
  expect(counts({ crash: 0 })).toBe('');
});
