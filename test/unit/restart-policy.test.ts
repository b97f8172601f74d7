// When a worker that ended by itself is started again: the three classes, backoff, and planned exits.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as restartPolicy from '../../src/core/pool/restart-policy.ts';
import type { WorkerExit } from '../../src/core/worker-exit.ts';
import { testPolicy } from '../helpers/models/index.ts';

const exit0: WorkerExit = { kind: 'exited', status: 0 };
const exit1: WorkerExit = { kind: 'exited', status: 1 };
const killed: WorkerExit = { kind: 'signaled', signal: 9 };
/** A signal whose number could be mistaken for a status. */
const strange: WorkerExit = { kind: 'signaled', signal: 0 };

describe('the class of an end', () => {
  const neverUp: restartPolicy.Life = { startedAtMs: 1000, upAtMs: undefined, isSeen: false };
  const upSoon: restartPolicy.Life = { startedAtMs: 1000, upAtMs: 1010, isSeen: true };

  test.each<[string, WorkerExit, restartPolicy.Life, number, restartPolicy.EndClass]>([
    ['exit 0 once up is planned', exit0, upSoon, 50_000, 'planned'],
    ['exit 0 once up is planned, however young the worker', exit0, upSoon, 1011, 'planned'],
    ['exit 0 before it was up is a failed start', exit0, neverUp, 1050, 'failed-start'],
    ['exit 0 before it was up is a failed start, however old it is', exit0, neverUp, 50_000, 'failed-start'],
    ['exit 1 at the minimal uptime is a crash', exit1, upSoon, 2000, 'crash'],
    ['exit 1 just before the minimal uptime is a failed start', exit1, upSoon, 1999, 'failed-start'],
    ['exit 1 before it was up is a failed start, however old it is', exit1, neverUp, 50_000, 'failed-start'],
    ['a signal after the minimal uptime is a crash', killed, upSoon, 2000, 'crash'],
    ['a signal before it is a failed start', killed, upSoon, 1500, 'failed-start'],
    ['only an exit can be planned', strange, upSoon, 2000, 'crash'],
  ])('%s', (_name, exit, life, endedAtMs, expected) => {
    expect(restartPolicy.classifyEnd(exit, life, endedAtMs, testPolicy, restartPolicy.freshMemory)).toBe(
      expected,
    );
  });

  /** The classes of so many lives in a row, each of them `ageMs` long. */
  function classesOf(
    count: number,
    upAtMs: number | undefined,
    ageMs: number,
    start: restartPolicy.RestartMemory,
  ): string[] {
    let memory = start;
    const life = { startedAtMs: 1000, upAtMs, isSeen: false };
    return Array.from({ length: count }, () => {
      const end = restartPolicy.classifyEnd(exit0, life, 1000 + ageMs, testPolicy, memory);
      memory = restartPolicy.decideRestart(end, life, 1000 + ageMs, memory, testPolicy, 0).memory;
      return end;
    });
  }
  const times = (count: number, end: restartPolicy.EndClass): restartPolicy.EndClass[] =>
    Array.from({ length: count }, () => end);

  test('exit 0 of a brief life that was up by its age alone is believed five times in a row', () => {
    expect(classesOf(8, 1100, 110, restartPolicy.freshMemory)).toStrictEqual([
      ...times(5, 'planned'),
      ...times(3, 'failed-start'),
    ]);
    expect(classesOf(8, 1100, 999, restartPolicy.freshMemory).at(-1)).toBe('failed-start');
  });

  test('exit 0 of one that was up by its age alone and lived for a second is planned for ever', () => {
    expect(classesOf(100, 1100, 1000, restartPolicy.freshMemory)).toStrictEqual(times(100, 'planned'));
  });

  test('exit 0 that nobody saw is believed 100 times in a row where workers recycle, up or not', () => {
    const recycles = { ...restartPolicy.freshMemory, recycles: true };
    const expected = [...times(100, 'planned'), ...times(2, 'failed-start')];
    expect(classesOf(102, undefined, 50, recycles)).toStrictEqual(expected);
    expect(classesOf(102, 1100, 150, recycles)).toStrictEqual(expected);
  });

  test.each([
    ['was seen, brief as it is', { ...upSoon }, 1050],
    ['lived for a second', { startedAtMs: 1000, upAtMs: 1100, isSeen: false }, 2000],
  ] as const)(
    'exit 0 is planned however long the row of unseen lives is, of one that %s',
    (_name, life, at) => {
      const memory = { ...restartPolicy.freshMemory, unseen: 1000, recycles: true };
      expect(restartPolicy.classifyEnd(exit0, life, at, testPolicy, memory)).toBe('planned');
    },
  );

  test.each([
    ['one that is seen and recycles itself', 'planned', { ...upSoon }, 1050],
    ['one that is seen and fails', 'failed-start', { ...upSoon }, 1050],
    ['one that lived for a second', 'crash', { startedAtMs: 1000, upAtMs: 1100, isSeen: false }, 2000],
  ] as const)('the row of unseen lives ends with %s', (_name, end, life, endedAtMs) => {
    const memory = { ...restartPolicy.freshMemory, unseen: 5 };
    expect(restartPolicy.decideRestart(end, life, endedAtMs, memory, testPolicy, 0).memory.unseen).toBe(0);
  });

  test('an unseen worker that fails neither ends the row nor prolongs it', () => {
    const memory = { ...restartPolicy.freshMemory, unseen: 3 };
    expect(
      restartPolicy.decideRestart('failed-start', neverUp, 1050, memory, testPolicy, 0).memory.unseen,
    ).toBe(3);
  });

  test('what one slot recycled ends the row in another', () => {
    const memory = { ...restartPolicy.freshMemory, failures: 2, unseen: 3 };
    expect(restartPolicy.noteRecycling(memory)).toStrictEqual({
      ...restartPolicy.freshMemory,
      failures: 2,
      recycles: true,
    });
  });

  test('the uptime counts from the start, not from being up', () => {
    const late = { startedAtMs: 0, upAtMs: 900, isSeen: true };
    expect(restartPolicy.classifyEnd(exit1, late, 1000, testPolicy, restartPolicy.freshMemory)).toBe('crash');
  });

  test('--min-uptime moves the border', () => {
    const patient = { ...testPolicy, minUptimeMs: 5000 };
    expect(restartPolicy.classifyEnd(exit1, upSoon, 5999, patient, restartPolicy.freshMemory)).toBe(
      'failed-start',
    );
    expect(restartPolicy.classifyEnd(exit1, upSoon, 6000, patient, restartPolicy.freshMemory)).toBe('crash');
    expect(
      restartPolicy.classifyEnd(
        exit1,
        upSoon,
        1011,
        { ...testPolicy, minUptimeMs: 0 },
        restartPolicy.freshMemory,
      ),
    ).toBe('crash');
  });
});

const young: restartPolicy.Life = { startedAtMs: 0, upAtMs: undefined, isSeen: false };

/** `random` just below 1 gives the full delay. */
function failTimes(count: number, policy = testPolicy, random = 0.999_999): number[] {
  let memory: restartPolicy.RestartMemory = restartPolicy.freshMemory;
  return Array.from({ length: count }, () => {
    const decision = restartPolicy.decideRestart('failed-start', young, 50, memory, policy, random);
    memory = decision.memory;
    return decision.delayMs;
  });
}

describe('the backoff of failed starts', () => {
  test('doubles from the first delay up to the longest', () => {
    expect(failTimes(11)).toStrictEqual([
      100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000,
    ]);
  });

  test('stays at the longest for ever', () => {
    expect(new Set(failTimes(3000).slice(9))).toStrictEqual(new Set([30_000]));
  });

  test('starts where --restart-delay and --restart-max-delay say', () => {
    expect(failTimes(4, { ...testPolicy, delayMs: 10, maxDelayMs: 35 })).toStrictEqual([10, 20, 35, 35]);
  });

  test('is shortened by chance, by a tenth at most', () => {
    expect(failTimes(3, testPolicy, 0)).toStrictEqual([90, 180, 360]);
    expect(failTimes(1, testPolicy, 0.5)).toStrictEqual([95]);
  });

  test('never leaves its bounds', () => {
    const policies = fc.record({
      delayMs: fc.integer({ min: 10, max: 10 ** 9 }),
      maxDelayMs: fc.integer({ min: 10, max: 10 ** 9 }),
    });
    fc.assert(
      fc.property(
        policies,
        fc.nat(5000),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (limits, failures, random) => {
          const policy = { ...testPolicy, ...limits };
          const memory = { ...restartPolicy.freshMemory, failures };
          const { delayMs, memory: after } = restartPolicy.decideRestart(
            'failed-start',
            young,
            50,
            memory,
            policy,
            random,
          );
          const full = Math.min(limits.delayMs * 2 ** failures, limits.maxDelayMs);
          expect(delayMs).toBeGreaterThanOrEqual(Math.round(full * 0.9));
          expect(delayMs).toBeLessThanOrEqual(full);
          expect(after.failures).toBe(failures + 1);
        },
      ),
    );
  });
});

describe('a crash', () => {
  test('is replaced at once and leaves the memory as it is', () => {
    const memory = { ...restartPolicy.freshMemory, failures: 3, plannedAtMs: [10] };
    const life = { startedAtMs: 0, upAtMs: 10, isSeen: true };
    expect(restartPolicy.decideRestart('crash', life, 2000, memory, testPolicy, 0)).toStrictEqual({
      delayMs: 0,
      memory,
    });
  });

  /** The delays of crashes at these ages, with --min-uptime 0. */
  function crash(
    agesMs: readonly number[],
    start: restartPolicy.RestartMemory = restartPolicy.freshMemory,
  ): number[] {
    let memory = start;
    return agesMs.map((ageMs) => {
      const life = { startedAtMs: 0, upAtMs: 5, isSeen: true };
      const decision = restartPolicy.decideRestart('crash', life, ageMs, memory, testPolicy, 0.999_999);
      memory = decision.memory;
      return decision.delayMs;
    });
  }

  test('backs off from the sixth life shorter than a second in a row, whatever --min-uptime says', () => {
    expect(crash([30, 30, 30, 30, 30, 30, 30, 999])).toStrictEqual([0, 0, 0, 0, 0, 100, 200, 400]);
  });

  test('is replaced at once after failed starts, which are no crashes', () => {
    const life = { startedAtMs: 0, upAtMs: undefined, isSeen: false };
    let memory = restartPolicy.freshMemory;
    for (let turn = 0; turn < 6; turn++)
      memory = restartPolicy.decideRestart('failed-start', life, 20, memory, testPolicy, 0).memory;
    expect(crash([30], memory)).toStrictEqual([0]);
  });

  test('is replaced at once again after a life of a second', () => {
    expect(crash([30, 30, 30, 30, 30, 1000, 30, 30, 30, 30, 30, 30]).slice(5)).toStrictEqual([
      0, 0, 0, 0, 0, 0, 100,
    ]);
  });

  test('is replaced at once again after a worker that recycled itself', () => {
    const life = { startedAtMs: 0, upAtMs: 5, isSeen: true };
    const before = { ...restartPolicy.freshMemory, briefCrashes: 5 };
    const { memory } = restartPolicy.decideRestart('planned', life, 50, before, testPolicy, 0);
    expect(crash([30], memory)).toStrictEqual([0]);
  });
});

describe('ten seconds up', () => {
  const memory = { ...restartPolicy.freshMemory, failures: 5, plannedAtMs: [] };
  const life = { startedAtMs: 0, upAtMs: 400, isSeen: true };

  test.each<restartPolicy.EndClass>(['crash', 'planned'])(
    'reset the backoff, whether the end is a %s',
    (end) => {
      expect(restartPolicy.decideRestart(end, life, 10_399, memory, testPolicy, 0).memory.failures).toBe(5);
      expect(restartPolicy.decideRestart(end, life, 10_400, memory, testPolicy, 0).memory.failures).toBe(0);
    },
  );

  test('let a failed start begin anew with the first delay', () => {
    const patient = { ...testPolicy, minUptimeMs: 60_000 };
    const decision = restartPolicy.decideRestart('failed-start', life, 10_400, memory, patient, 0.999_999);
    expect(decision).toMatchObject({ delayMs: 100, memory: { failures: 1 } });
  });

  test('do not count for a worker that was never up', () => {
    expect(
      restartPolicy.decideRestart('failed-start', young, 60_000, memory, testPolicy, 0).memory.failures,
    ).toBe(6);
  });
});

describe('planned exits', () => {
  const life = { startedAtMs: 0, upAtMs: 0, isSeen: true };

  /** The delays of exits at these times. */
  function plan(
    timesMs: readonly number[],
    start: restartPolicy.RestartMemory = restartPolicy.freshMemory,
  ): [number[], restartPolicy.RestartMemory] {
    let memory = start;
    const delays = timesMs.map((at) => {
      const decision = restartPolicy.decideRestart('planned', life, at, memory, testPolicy, 0);
      memory = decision.memory;
      return decision.delayMs;
    });
    return [delays, memory];
  }

  test('are replaced at once, ten within a second', () => {
    const [delays] = plan([0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
    expect(delays).toStrictEqual(Array.from({ length: 10 }, () => 0));
  });

  test('wait from the eleventh on until the tenth last is a second old', () => {
    const [delays] = plan([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    expect(delays[10]).toBe(900);
    const [later] = plan([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 1005]);
    expect(later[11]).toBe(5);
  });

  test('that had to wait count from when they were replaced', () => {
    const [delays] = plan([
      ...Array.from({ length: 11 }, () => 0),
      ...Array.from({ length: 10 }, () => 1000),
    ]);
    expect(delays.slice(10)).toStrictEqual([1000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1000]);
  });

  test('are forgotten after a second', () => {
    const [, memory] = plan([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const [delays, after] = plan([1009], memory);
    expect(delays).toStrictEqual([0]);
    expect(after.plannedAtMs).toStrictEqual([1009]);
  });

  test('leave the backoff untouched, also when they have to wait', () => {
    const [, memory] = plan(
      Array.from({ length: 30 }, (_, index) => index),
      { ...restartPolicy.freshMemory, failures: 4, plannedAtMs: [] },
    );
    expect(memory.failures).toBe(4);
  });

  test('are replaced at most ten times within any second, however they come', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 300 })), { maxLength: 60 }),
        (gaps) => {
          let memory = restartPolicy.freshMemory;
          let nowMs = 0;
          const replacedAt: number[] = [];
          for (const gap of gaps) {
            nowMs += gap;
            const decision = restartPolicy.decideRestart('planned', life, nowMs, memory, testPolicy, 0);
            memory = decision.memory;
            nowMs += decision.delayMs;
            replacedAt.push(nowMs);
          }
          for (const [index, at] of replacedAt.entries()) {
            const eleventh = replacedAt[index + 10];
            if (eleventh !== undefined) expect(eleventh - at).toBeGreaterThanOrEqual(1000);
          }
          expect(memory.plannedAtMs.length).toBeLessThanOrEqual(11);
        },
      ),
    );
  });
});
