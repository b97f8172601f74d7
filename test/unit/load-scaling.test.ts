// How many workers the load asks for: look by look as the rules of docs/scaling.md say it.
import { describe, expect, test } from 'vitest';
import { LoadScaling, type LoadAnswer, type LoadLook } from '../../src/core/scaling/load-scaling.ts';

type Seen = Partial<Omit<LoadLook, 'anyIdle' | 'isLastFree'>> & {
  readonly idle?: boolean | undefined;
  readonly isLastFree?: boolean;
};

const range = { min: 1, max: 16 };

/** Looks at a pool of four, of which nobody is idle; `afterMs` the look before. */
class Looks {
  readonly #scaling = new LoadScaling(60_000, 60_000);
  #nowMs = 0;

  at(afterMs: number, seen: Seen): LoadAnswer {
    this.#nowMs += afterMs;
    const { idle, isLastFree = true, ...facts } = seen;
    return this.#scaling.look(
      {
        nowMs: this.#nowMs,
        slots: 4,
        coming: 0,
        comingMs: 0,
        missing: 0,
        failing: 0,
        queued: 0,
        ...facts,
        anyIdle: () => ('idle' in seen ? idle : false),
        isLastFree: () => isLastFree,
      },
      range,
    );
  }

  /** The number that it wants at the last of several looks like that, a second apart. */
  after(times: number, seen: Seen): number | undefined {
    let wanted: number | undefined;
    for (let time = 0; time < times; time++) {
      const { decision } = this.at(1000, seen);
      wanted = decision.kind === 'scale' ? decision.workers : undefined;
    }
    return wanted;
  }
}

const stays = { decision: { kind: 'stay' } };

describe('a pool grows', () => {
  test('when connections wait at two looks and nobody is idle, and looks again soon', () => {
    const looks = new Looks();
    expect(looks.at(1000, { queued: 5 })).toStrictEqual({ ...stays, soonMs: 50 });
    expect(looks.at(50, { queued: 5 })).toStrictEqual({
      decision: { kind: 'scale', workers: 5, reason: '5 connections wait, nobody idle' },
      soonMs: 50,
    });
  });

  test('by twice as many each time, and by no more than wait or may come', () => {
    const looks = new Looks();
    const wanted = [9, 8, 6, 2].map((queued, round) => {
      const slots = [4, 5, 7, 11][round] ?? 0;
      looks.at(1000, { queued, slots });
      const { decision } = looks.at(400, { queued, slots });
      return decision.kind === 'scale' ? decision.workers : decision.kind;
    });
    expect(wanted).toStrictEqual([5, 7, 11, 13]);
    looks.at(1000, { queued: 30, slots: 13 });
    expect(looks.at(400, { queued: 30, slots: 13 }).decision).toMatchObject({ workers: 16 });
  });

  test('from one more again once nobody has waited', () => {
    const looks = new Looks();
    looks.at(1000, { queued: 9 });
    looks.at(50, { queued: 9 });
    looks.at(50, { queued: 0, slots: 5 });
    looks.at(1000, { queued: 9, slots: 5 });
    expect(looks.at(50, { queued: 9, slots: 5 }).decision).toMatchObject({ workers: 6 });
  });

  test('not while somebody is idle, which may be an instant between two requests: it looks again soon, for a while', () => {
    const looks = new Looks();
    const pauses = Array.from({ length: 12 }, () => looks.at(50, { queued: 3, idle: true }).soonMs);
    expect(pauses).toStrictEqual([...Array.from({ length: 10 }, () => 50), undefined, undefined]);
    expect(looks.at(1000, { queued: 3 }).decision.kind).toBe('stay');
    expect(looks.at(50, { queued: 3 }).decision).toMatchObject({ workers: 5 });
  });

  test('not while those that were ordered are not up, but for --ready-timeout', () => {
    const looks = new Looks();
    looks.at(1000, { queued: 9 });
    looks.at(50, { queued: 9 });
    const ordered = { queued: 9, slots: 5, coming: 1 };
    expect(looks.at(50, { ...ordered, comingMs: 50 })).toStrictEqual({ ...stays, soonMs: 50 });
    expect(looks.at(950, { ...ordered, comingMs: 1000 })).toStrictEqual({ ...stays, soonMs: 250 });
    looks.at(59_000, { ...ordered, comingMs: 60_000 });
    expect(looks.at(1000, { ...ordered, comingMs: 61_000 }).decision).toMatchObject({ workers: 7 });
  });

  test('not of a program that fails, nor for connections that a worker is coming back for', () => {
    expect(new Looks().after(100, { queued: 9, failing: 1 })).toBeUndefined();
    expect(new Looks().after(100, { queued: 2, missing: 2 })).toBeUndefined();
    expect(new Looks().after(2, { queued: 3, missing: 2 })).toBe(5);
  });

  test('not while the queue gets shorter fast enough to be gone within a second', () => {
    const looks = new Looks();
    looks.at(1000, { queued: 60 });
    expect(looks.at(100, { queued: 50 }).decision.kind).toBe('stay');
    expect(looks.at(100, { queued: 48 }).decision.kind).toBe('scale');
  });

  test('without a queue to go by: one at a time, each time that nobody was idle for two seconds', () => {
    const looks = new Looks();
    expect(looks.after(2, { queued: undefined })).toBeUndefined();
    expect(looks.after(1, { queued: undefined })).toBe(5);
    // The first of these is told that there is none.
    expect(looks.after(3, { queued: undefined, slots: 5 })).toBeUndefined();
    expect(looks.after(1, { queued: undefined, slots: 5 })).toBe(6);
    expect(looks.after(30, { queued: undefined, slots: 16 })).toBeUndefined();
  });

  test('where workers may not be looked into: by the queue alone', () => {
    expect(new Looks().after(2, { queued: 3, idle: undefined })).toBe(5);
  });
});

describe('a pool shrinks', () => {
  test('by one each time that every look has shown somebody idle for --idle-timeout', () => {
    const looks = new Looks();
    expect(looks.after(60, { idle: true })).toBeUndefined();
    expect(looks.after(1, { idle: true })).toBe(3);
    expect(looks.after(59, { idle: true, slots: 3 })).toBeUndefined();
    expect(looks.after(1, { idle: true, slots: 3 })).toBe(2);
  });

  test('never below MIN', () => {
    expect(new Looks().after(200, { idle: true, slots: 1 })).toBeUndefined();
  });

  test.each([
    ['nobody was idle', { idle: false }],
    ['a connection waited', { idle: true, queued: 1 }],
    ['nobody could be looked into', { idle: undefined }],
  ])('not when at one look %s', (_what, seen) => {
    const looks = new Looks();
    looks.after(59, { idle: true });
    looks.at(1000, seen);
    expect(looks.after(60, { idle: true })).toBeUndefined();
    expect(looks.after(1, { idle: true })).toBe(3);
  });

  test('when the last worker is free, not before', () => {
    const looks = new Looks();
    expect(looks.after(100, { idle: true, isLastFree: false })).toBeUndefined();
    expect(looks.after(1, { idle: true })).toBe(3);
  });

  test('later after it had to grow again soon: twice as late each time, eight times at most', () => {
    const looks = new Looks();
    const waits = Array.from({ length: 6 }, () => {
      let seconds = 0;
      while (looks.after(1, { idle: true }) === undefined) seconds++;
      looks.at(1000, { queued: 2, slots: 3 });
      looks.at(50, { queued: 2, slots: 3 });
      return Math.round(seconds / 60);
    });
    expect(waits).toStrictEqual([1, 2, 4, 8, 8, 8]);
  });

  test('as soon as ever once a shrink has lasted', () => {
    const looks = new Looks();
    expect(looks.after(61, { idle: true })).toBe(3);
    looks.at(1000, { queued: 2, slots: 3 });
    looks.at(50, { queued: 2, slots: 3 });
    expect(looks.after(121, { idle: true })).toBe(3);
    expect(looks.after(120, { idle: true, slots: 3 })).toBe(2);
    expect(looks.after(60, { idle: true, slots: 2 })).toBe(1);
  });
});

describe('somebody is told', () => {
  const kinds = (looks: Looks, times: number, seen: Seen): string[] =>
    Array.from({ length: times }, () => looks.at(1000, seen).decision.kind).filter((kind) => kind !== 'stay');

  test('once an episode that the pool is at MAX and connections wait still', () => {
    const looks = new Looks();
    expect(kinds(looks, 3, { queued: 7, slots: 16 })).toStrictEqual([]);
    expect(looks.at(1000, { queued: 7, slots: 16 }).decision).toStrictEqual({ kind: 'at-max', queued: 7 });
    expect(kinds(looks, 50, { queued: 7, slots: 16 })).toStrictEqual([]);
    kinds(looks, 30, { idle: true, slots: 16 });
    expect(kinds(looks, 50, { queued: 7, slots: 16 })).toStrictEqual([]);
    kinds(looks, 61, { idle: true, slots: 16 });
    expect(kinds(looks, 50, { queued: 7, slots: 16 })).toStrictEqual(['at-max']);
  });

  test.each([
    ['queue', { queued: undefined, idle: true, slots: 1 }],
    ['workers', { idle: undefined }],
    ['both', { queued: undefined, idle: undefined }],
  ] as const)('once what it cannot see: %s', (to, seen) => {
    const looks = new Looks();
    const told = Array.from({ length: 100 }, () => looks.at(1000, seen).decision);
    expect(told.filter(({ kind }) => kind !== 'stay')).toStrictEqual([{ kind: 'blind', to }]);
  });

  test('not of workers that cannot be judged for a moment', () => {
    const looks = new Looks();
    for (let round = 0; round < 20; round++) {
      expect(kinds(looks, 4, { idle: undefined })).toStrictEqual([]);
      looks.at(1000, { idle: true });
    }
  });
});
