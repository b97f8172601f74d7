// What the rules of scaling do to a pool under load, on paper: steps, constant load, workers that start slowly, and whatever
// a look may show.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LoadScaling } from '../../src/core/scaling/load-scaling.ts';
import { maximum, randomFrom, runLoad, type ModelLoad } from '../helpers/models/index.ts';

describe('on paper', () => {
  const load = { range: { min: 1, max: 64 }, idleTimeoutMs: 60_000, startMs: 20 } as const;
  const loads = [5, 100, 1000].map((requestMs) => [requestMs] as const);

  test.each(loads)(
    '16 clients with requests of %i ms get 16 workers within a second of being seen',
    (requestMs) => {
      const { changes, lastQueueMs } = runLoad({
        ...load,
        requestMs,
        random: randomFrom(1),
        lastMs: 60_000,
        clients: (atMs) => (atMs < 10_000 ? 0 : 16),
      });
      expect(changes.at(-1)?.workers).toBe(16);
      expect(maximum(changes.map(({ workers }) => workers))).toBe(16);
      expect(lastQueueMs - 10_000).toBeLessThan(2000);
    },
  );

  test.each(loads)(
    'they are kept as long as those clients are there, and end when they have gone (%i ms)',
    (requestMs) => {
      const run = runLoad({
        ...load,
        requestMs,
        random: randomFrom(2),
        lastMs: 1_200_000,
        clients: (atMs) => (atMs > 5000 && atMs < 200_000 ? 16 : 0),
      });
      const during = run.changes.filter(({ atMs }) => atMs > 10_000 && atMs < 200_000);
      expect(during).toStrictEqual([]);
      expect(run.workers).toBe(1);
    },
  );

  test.each(loads)(
    'workers that take 3 s to start are not ordered twice for the same queue (%i ms)',
    (requestMs) => {
      const slow: ModelLoad = { ...load, requestMs, startMs: 3000, random: randomFrom(3), lastMs: 60_000 };
      const closed = runLoad({ ...slow, clients: () => 16 });
      expect(maximum(closed.changes.map(({ workers }) => workers))).toBe(16);
      const open = runLoad({ ...slow, ratePerS: () => (1.2 * 1000) / requestMs });
      expect(maximum(open.changes.map(({ workers }) => workers))).toBeLessThanOrEqual(5);
    },
  );

  test.each(
    [
      [0.8, 5],
      [3.5, 5],
      ...[0.3, 0.8, 2, 3.5, 8].flatMap((work) => [100, 1000].map((requestMs) => [work, requestMs])),
    ].map(([work = 0, requestMs = 0]) => [work, requestMs] as const),
  )('work for %d workers that comes by chance, in pieces of %i ms, moves few', (work, requestMs) => {
    const hours = requestMs === 5 ? 0.2 : 2;
    const run = runLoad({
      ...load,
      requestMs,
      random: randomFrom(4),
      lastMs: hours * 3_600_000,
      ratePerS: () => (work * 1000) / requestMs,
    });
    const settled = run.changes.filter(({ atMs }) => atMs > 300_000);
    expect(settled.length).toBeLessThanOrEqual(hours * 30);
    expect(maximum(settled.map(({ workers }) => workers))).toBeLessThanOrEqual(2 * work + 6);
    expect(run.looks).toBeLessThan(1.1 * hours * 3600);
  });

  test('a queue that nobody can see is answered by one worker at a time', () => {
    const run = runLoad({
      ...load,
      requestMs: 1000,
      random: randomFrom(5),
      lastMs: 60_000,
      isQueueHidden: true,
      clients: () => 16,
    });
    const steps = run.changes.map(({ workers }, index) => workers - (run.changes[index - 1]?.workers ?? 1));
    expect(new Set(steps)).toStrictEqual(new Set([1]));
    expect(run.workers).toBe(17);
  });
});

const anyLook = fc.record({
  pauseMs: fc.integer({ min: 10, max: 5000 }),
  queued: fc.option(fc.nat(100), { nil: undefined }),
  coming: fc.nat(2),
  comingMs: fc.nat(100_000),
  missing: fc.nat(3),
  failing: fc.nat(1),
  idle: fc.constantFrom(true, false, undefined),
  isLastFree: fc.boolean(),
});

test('whatever looks show, the pool stays within its bounds, and moves for a reason', () => {
  fc.assert(
    fc.property(fc.array(anyLook, { maxLength: 400 }), fc.integer({ min: 1, max: 3 }), (looks, min) => {
      const range = { min, max: min + 5 };
      const scaling = new LoadScaling(10_000, 60_000);
      let nowMs = 0;
      let slots = min;
      let shrunkAtMs = Number.NEGATIVE_INFINITY;
      for (const { pauseMs, idle, isLastFree, ...facts } of looks) {
        nowMs += pauseMs;
        const look = { nowMs, slots, ...facts, anyIdle: () => idle, isLastFree: () => isLastFree };
        const { decision, soonMs = 1000 } = scaling.look(look, range);
        expect(soonMs).toBeGreaterThanOrEqual(50);
        if (decision.kind !== 'scale') continue;
        const { workers } = decision;
        expect(workers).toBeGreaterThanOrEqual(range.min);
        expect(workers).toBeLessThanOrEqual(range.max);
        if (workers < slots) {
          expect([workers, facts.queued ?? 0, idle, isLastFree]).toStrictEqual([slots - 1, 0, true, true]);
          expect(nowMs - shrunkAtMs).toBeGreaterThanOrEqual(10_000);
          shrunkAtMs = nowMs;
        } else {
          expect(workers - slots).toBeGreaterThan(0);
          expect(workers - slots).toBeLessThanOrEqual(facts.queued ?? 1);
          expect([idle === true, facts.failing]).toStrictEqual([false, 0]);
        }
        slots = workers;
      }
    }),
  );
});
