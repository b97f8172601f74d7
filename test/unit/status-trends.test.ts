// What `status --watch` tells of the last minute: counters, queue, shares; pools that are replaced; the lines and their order.
import { describe, expect, test } from 'vitest';
import { renderLine } from '../../src/ctl/print/line.ts';
import type { MeasuredPool, MeasuredWorker } from '../../src/ctl/status/status-table.ts';
import { blockLines, frameLines, furthestAbove, type FrameLook } from '../../src/ctl/watch/frame.ts';
import { trendLines } from '../../src/ctl/watch/trend-lines.ts';
import { Trends, type Trend } from '../../src/ctl/watch/trends.ts';
import { examplePool, exampleWorker } from '../helpers/models/index.ts';

const mega = 1024 * 1024;

function makePool(changes: Partial<MeasuredPool> = {}): MeasuredPool {
  const quiet = {
    operation: null,
    lastReload: null,
    counts: { restarts: { crash: 0, planned: 0 }, reloads: {} },
  };
  return { ...examplePool(), ...quiet, workers: [makeWorker()], ...changes };
}

function makeWorker(changes: Partial<MeasuredWorker> = {}): MeasuredWorker {
  return { ...exampleWorker(), rssBytes: 20 * mega, cpuPercent: 1.5, ...changes };
}

/** Looks a second from each other; the last trend. */
function watchAll(pools: readonly MeasuredPool[], everyMs = 1000): Trend | undefined {
  const trends = new Trends();
  let last: Trend | undefined;
  for (const [at, pool] of pools.entries()) last = trends.look([pool], 5000 + at * everyMs).get(pool);
  return last;
}

const counting = (crash: number, planned = 0): Partial<MeasuredPool> => ({
  counts: { restarts: { crash, planned }, reloads: {} },
});
const queueing = (length: number): MeasuredPool => makePool({ queue: { length, backlog: 1024 } });

describe('a trend', () => {
  test('there is none of one look', () => {
    expect(watchAll([makePool()])).toBeUndefined();
  });

  test('counts restarts by reason, and those of slots', () => {
    const before = makePool({ ...counting(1, 5), workers: [makeWorker({ restarts: 6 })] });
    const now = makePool({ ...counting(3, 6), workers: [makeWorker({ restarts: 9 })] });
    const trend = watchAll([before, now]);
    expect(trend).toMatchObject({ spanMs: 1000, restarts: { crash: 2, planned: 1 } });
    expect([...(trend?.restartsOfSlots ?? [])]).toEqual([[0, 3]]);
  });

  test('goes a minute back, and to the look before where that is longer ago', () => {
    const pools = Array.from({ length: 100 }, (_, at) => makePool(counting(at)));
    expect(watchAll(pools)).toMatchObject({ spanMs: 60_000, restarts: { crash: 60 } });
    expect(watchAll(pools, 90_000)).toMatchObject({ spanMs: 90_000, restarts: { crash: 1 } });
  });

  test('begins anew with another supervisor, and with counters that fell', () => {
    expect(watchAll([makePool(counting(9)), makePool({ ...counting(9), pid: 502 })])).toBeUndefined();
    expect(watchAll([makePool(counting(9)), makePool(counting(2))])).toBeUndefined();
    const trend = watchAll([makePool(counting(9)), makePool(counting(2)), makePool(counting(3))]);
    expect(trend).toMatchObject({ spanMs: 1000, restarts: { crash: 1 } });
  });

  test('is forgotten when the pool is not there for a look', () => {
    const trends = new Trends();
    const pool = makePool();
    trends.look([pool], 0);
    trends.look([], 1000);
    expect(trends.look([pool], 2000).get(pool)).toBeUndefined();
  });

  test.each([
    [[0, 0, 4, 8, 12], { most: 12, direction: 'rising' }],
    [[12, 9, 5, 0, 0], { most: 12, direction: 'falling' }],
    [[3, 4, 3, 4, 3], { most: 4, direction: 'steady' }],
    [[0, 0, 0, 0], { most: 0, direction: 'steady' }],
    [[2, 3], { most: 3, direction: undefined }],
  ])('of a queue of %j is %o', (lengths, queue) => {
    expect(watchAll(lengths.map(queueing))?.queue).toEqual(queue);
  });

  test('of a queue that the kernel does not tell, and of counters that a supervisor has not, is none', () => {
    const pool = makePool({ queue: null });
    const { counts: _none, ...older } = makePool();
    expect(watchAll([pool, pool])?.queue).toBeUndefined();
    expect(watchAll([older, older])?.restarts).toBeUndefined();
  });

  test('has the shares of the workers that were up, memory and its change, and the processor of the last look', () => {
    const one = makePool({
      idle: 4,
      busy: 0,
      workers: [makeWorker(), makeWorker({ slot: 1, rssBytes: null })],
    });
    const two = makePool({
      idle: 0,
      busy: 4,
      kept: 1,
      workers: [makeWorker({ rssBytes: 26 * mega, cpuPercent: 80 }), makeWorker({ slot: 1, cpuPercent: 40 })],
    });
    expect(watchAll([one, two])).toMatchObject({
      share: { busy: 37, kept: 13, idle: 50 },
      cpuPercent: 120,
      rssBytes: 46 * mega,
      rssChange: 26 * mega,
    });
    const none = makePool({ idle: 0, busy: 0, workers: [makeWorker({ rssBytes: null, cpuPercent: null })] });
    expect(watchAll([none, none])).toMatchObject({
      share: undefined,
      rssChange: undefined,
      cpuPercent: undefined,
    });
  });
});

const trend: Trend = {
  spanMs: 60_000,
  restarts: { crash: 2, planned: 1 },
  restartsOfSlots: new Map([[1, 3]]),
  queue: { most: 12, direction: 'rising' },
  cpuPercent: 145.21,
  rssBytes: 81 * mega,
  rssChange: 3 * mega,
  share: { busy: 75, kept: 0, idle: 25 },
};
const plain = (lines: ReturnType<typeof trendLines>): string[] =>
  lines.map((line) => renderLine(line, false));

test('its lines have as many parts as there is room for', () => {
  const long =
    '  CPU 145.2%, in 60s: RSS 81M +3M, 3 restarts (2 crash 1 planned), queue up to 12 rising, 75% busy 25% idle';
  expect(plain(trendLines(trend, 120))).toEqual([long]);
  expect(plain(trendLines(trend, 80))).toEqual([
    '  CPU 145.2%, in 60s: RSS 81M +3M, 3 restarts (2 crash 1 planned)',
    '  queue up to 12 rising, 75% busy 25% idle',
  ]);
  const quiet = { ...trend, restarts: {}, queue: { most: 0, direction: 'steady' }, rssChange: -5 } as const;
  expect(plain(trendLines({ ...quiet, spanMs: 7040 }, 80))).toEqual([
    '  CPU 145.2%, in 7s: RSS 81M, no restarts, queue empty, 75% busy 25% idle',
  ]);
  expect(trendLines(undefined, 80)).toEqual([]);
});

describe('a frame', () => {
  const calm = makePool({ name: 'calm', workers: [makeWorker({ cpuPercent: 1 })] });
  const hot = makePool({
    name: 'hot',
    workers: [
      makeWorker({ cpuPercent: 5, rssBytes: mega }),
      makeWorker({ slot: 1, cpuPercent: 90, rssBytes: 2 * mega }),
    ],
  });
  const frame = {
    measured: { pools: [calm, hot], dead: [] },
    trends: new Map([[hot, trend]]),
    silent: [],
    problems: [],
  };
  const look: FrameLook = {
    columns: 100,
    rows: 40,
    intervalMs: 1000,
    time: '00:00:00',
    order: 'slot',
    above: 0,
  };
  const draw = (changes: Partial<FrameLook> = {}): string[] =>
    plain(frameLines(frame, { ...look, ...changes }));
  const outline = (order: FrameLook['order']): string[] =>
    draw({ order }).flatMap((line) => /^(?:calm|hot)|^ {5}\d/.exec(line)?.[0].trim() ?? []);

  test('has pools and workers in the order that was chosen', () => {
    expect(outline('slot')).toEqual(['calm', '0', 'hot', '0', '1']);
    expect(outline('CPU')).toEqual(['hot', '1', '0', 'calm', '0']);
    expect(outline('memory')).toEqual(['calm', '0', 'hot', '1', '0']);
    expect(outline('restarts')).toEqual(['hot', '1', '0', 'calm', '0']);
  });

  test('tells restarts of the last minute beside all of them', () => {
    expect(draw().filter((line) => line.includes(' 3 +3 '))).toHaveLength(1);
  });

  test.each([
    [0, /^\.\. 7 more lines$/],
    [2, /^\.\. 2 above, 5 more lines$/],
    [99, /^\.\. 7 above$/],
  ])('of which %d lines were moved up counts what has no room', (above, last) => {
    const lines = draw({ rows: 6, above });
    expect(lines).toHaveLength(6);
    expect(lines.at(-1)).toMatch(last);
    expect(furthestAbove(frame, { ...look, rows: 6 })).toBe(7);
    expect(furthestAbove(frame, look)).toBe(0);
  });

  test('never is larger than the terminal', () => {
    for (const rows of [1, 2, 3, 7, 12, 13]) {
      for (const columns of [2, 20, 79]) {
        const lines = draw({ rows, columns, above: rows });
        expect(lines.length).toBeLessThanOrEqual(rows);
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
      }
    }
  });

  test('is not cut in a block', () => {
    expect(plain(blockLines(frame, 80))[0]).toMatch(/^calm on /);
    expect(plain(blockLines(frame, 80)).some((line) => line.startsWith('..'))).toBe(false);
  });
});
