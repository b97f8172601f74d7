// Whatever workers do, and whenever the stop comes: a supervisor leaves no process and no timer behind, and says its end once.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createFakePool, type FakePool } from './fake-machine.ts';

type Happening =
  | { readonly kind: 'ends'; readonly which: number; readonly status: number }
  | { readonly kind: 'waits'; readonly which: number }
  | {
      readonly kind: 'forks';
      readonly which: number;
      readonly ignoresTerm: boolean;
      readonly hasOwnGroup: boolean;
    }
  | { readonly kind: 'exec-breaks'; readonly errnos: number[] }
  | { readonly kind: 'ignores-term'; readonly ignoresTerm: boolean }
  | { readonly kind: 'time-passes'; readonly ms: number };

function happen({ machine, clock }: FakePool, happening: Happening): void {
  const { live } = machine;
  const worker = 'which' in happening ? live[happening.which % Math.max(1, live.length)] : undefined;
  switch (happening.kind) {
    case 'ends':
      if (worker !== undefined) machine.end(worker, { kind: 'exited', status: happening.status });
      return;
    case 'waits':
      if (worker !== undefined) machine.waiting.add(worker);
      return;
    case 'forks':
      if (worker !== undefined) machine.fork(worker, happening);
      return;
    case 'exec-breaks':
      machine.spawnErrnos.push(...happening.errnos);
      return;
    case 'ignores-term':
      machine.workerHabits = { ignoresTerm: happening.ignoresTerm };
      return;
    case 'time-passes':
      clock.advance(happening.ms);
  }
}

const which = fc.nat(9);
const happenings: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('ends' as const), which, status: fc.constantFrom(0, 1) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('waits' as const), which }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('forks' as const),
      which,
      ignoresTerm: fc.boolean(),
      hasOwnGroup: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('exec-breaks' as const),
      errnos: fc.array(fc.constantFrom(2, 13), { maxLength: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('ignores-term' as const), ignoresTerm: fc.boolean() }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('time-passes' as const),
      ms: fc.constantFrom(1, 30, 110, 1000, 12_000),
    }),
  },
);

test('a supervisor leaves nothing behind, whatever happened before and during its stop', () => {
  const histories = fc.record({
    workers: fc.integer({ min: 1, max: 4 }),
    startLimit: fc.option(fc.record({ count: fc.integer({ min: 1, max: 4 }), withinMs: fc.constant(5000) }), {
      nil: undefined,
    }),
    before: fc.array(happenings, { maxLength: 40 }),
    during: fc.array(happenings, { maxLength: 10 }),
    stops: fc.integer({ min: 1, max: 3 }),
  });
  fc.assert(
    fc.property(histories, ({ workers, startLimit, before, during, stops }) => {
      const pool = createFakePool({ workers, restart: { startLimit } });
      const { machine, clock, supervisor, outcomes } = pool;
      supervisor.start();
      for (const happening of before) {
        happen(pool, happening);
        expect(machine.live.length).toBeLessThanOrEqual(workers);
      }
      for (let count = 0; count < stops; count++) supervisor.stop('SIGTERM');
      const spawned = machine.spawned.length;
      for (const happening of during) happen(pool, happening);
      machine.reap();
      clock.advance(9000);
      machine.reap();
      clock.advance(3000);

      expect(machine.spawned.length, 'no spawn after the stop').toBe(spawned);
      expect(machine.processCount, 'no process left').toBe(0);
      expect(clock.pending, 'no timer left').toBe(0);
      expect(outcomes.filter((outcome) => outcome !== 'up')).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome === 'up').length).toBeLessThanOrEqual(1);
      expect(outcomes).not.toStrictEqual(['up', 'start failed']);
      expect(pool.stoppings).toBe(1);
    }),
    { numRuns: 400 },
  );
});

test('a supervisor whose workers run for a minute has no timer armed, whatever happened before', () => {
  const histories = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.array(happenings, { maxLength: 40 }));
  fc.assert(
    fc.property(histories, ([workers, history]) => {
      const pool = createFakePool({ workers });
      pool.supervisor.start();
      for (const happening of history) happen(pool, happening);
      pool.machine.spawnErrnos = [];
      pool.clock.advance(60_000);
      if (pool.outcomes.includes('start failed')) return;
      expect(pool.outcomes).toStrictEqual(['up']);
      expect(pool.machine.live).toHaveLength(workers);
      expect(pool.clock.pending).toBe(0);
    }),
    { numRuns: 300 },
  );
});
