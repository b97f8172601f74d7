// Whatever workers do, and whenever the stop comes: a supervisor leaves no process and no timer behind, and says its end once.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createFakePool, type FakePool } from '../helpers/models/index.ts';

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
  | { readonly kind: 'is-busy'; readonly which: number }
  | { readonly kind: 'is-idle' }
  | { readonly kind: 'hides'; readonly which: number }
  /** Somebody lets one go on that was stopped, or has told it to end. */
  | { readonly kind: 'is-released'; readonly which: number }
  | { readonly kind: 'is-doomed'; readonly which: number }
  /** The parent hears of those that died of a signal. */
  | { readonly kind: 'reaps' }
  | { readonly kind: 'reload' }
  | { readonly kind: 'restart' }
  | { readonly kind: 'replace'; readonly which: number }
  | { readonly kind: 'scale'; readonly workers: number }
  | { readonly kind: 'hands-over'; readonly isHandingOver: boolean }
  | { readonly kind: 'trial'; readonly refusal: string | undefined }
  | { readonly kind: 'time-passes'; readonly ms: number };

/** How often who asked for a reload or restart was told how it ended, one number for each who asked. */
type Told = number[];

function happen({ machine, clock, supervisor }: FakePool, happening: Happening, told: Told): void {
  const listener = (): ((end: unknown) => void) => {
    const index = told.push(0) - 1;
    return () => void (told[index] = (told[index] ?? 0) + 1);
  };
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
    case 'is-busy':
      if (worker !== undefined) machine.busy.add(worker);
      return;
    case 'is-idle':
      machine.busy.clear();
      return;
    case 'hides':
      if (worker !== undefined) machine.hidden.add(worker);
      return;
    case 'is-released':
      if (worker !== undefined) machine.held.delete(worker);
      supervisor.spares?.lookAgain();
      return;
    case 'is-doomed':
      if (worker !== undefined) machine.doomed.add(worker);
      return;
    case 'reaps':
      machine.reap();
      return;
    case 'reload':
      supervisor.reload(listener());
      return;
    case 'restart':
      if (!supervisor.restart(listener())) told.pop();
      return;
    case 'replace': {
      const slot = supervisor.pool.slots.findIndex(({ state }) => 'pid' in state && state.pid === worker);
      const wish = { slot, pid: worker ?? 0, reason: { guard: 'test', text: 'why not' } };
      if (slot >= 0) supervisor.replace(wish, () => undefined);
      return;
    }
    case 'scale':
      supervisor.scale(happening.workers);
      return;
    case 'hands-over':
      supervisor.setHandingOver(happening.isHandingOver);
      return;
    case 'trial':
      machine.trialsRun
        .shift()
        ?.done(happening.refusal === undefined ? undefined : { reason: happening.refusal, isLate: false });
      return;
    case 'time-passes':
      clock.advance(happening.ms);
  }
}

/** One worker a slot, one candidate, and so many spares; whoever lives besides was told to end. Only spares are stopped. */
function checkNumbers({ machine, supervisor }: FakePool, mostSpares: number): void {
  const { slots, reload } = supervisor.pool;
  const retirees = supervisor.roster.in('retiree').map(({ pid }) => pid);
  const members = slots.flatMap(({ state }) => ('pid' in state ? [state.pid] : []));
  const candidate = reload
    ? reload.candidate
      ? [reload.candidate.pid]
      : []
    : supervisor.roster.in('candidate').map(({ pid }) => pid);
  if (!reload && candidate.length > 0) expect(supervisor.pool.replacement?.stage).toBe('trying');
  expect(candidate.length).toBeLessThanOrEqual(1);
  const all = supervisor.spares?.all ?? [];
  const spares = all.map(({ pid }) => pid);
  expect(spares).toStrictEqual(supervisor.roster.spares.map(({ pid }) => pid));
  expect(all.filter(({ stage }) => stage !== 'ending').length).toBeLessThanOrEqual(mostSpares);
  expect([...members, ...candidate, ...retirees].filter((pid) => machine.held.has(pid))).toStrictEqual([]);
  const known = new Set([...members, ...candidate, ...retirees, ...spares]);
  const isOnce = known.size === members.length + candidate.length + retirees.length + spares.length;
  // What not even KILL has ended is no part of the pool any more, but one of its processes.
  const stuck = machine.events.filter((event) => event.event === 'warning' && event.message.includes('KILL'));
  const unknown = machine.live.filter((pid) => !known.has(pid));
  const ours = new Set(supervisor.roster.pids);
  expect([isOnce, unknown.length <= stuck.length, machine.live.every((pid) => ours.has(pid))]).toStrictEqual([
    true,
    true,
    true,
  ]);
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
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('is-busy' as const), which }) },
  { weight: 1, arbitrary: fc.constant<Happening>({ kind: 'is-idle' }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('hides' as const), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('is-released' as const), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('is-doomed' as const), which }) },
  { weight: 4, arbitrary: fc.constant<Happening>({ kind: 'reaps' }) },
  { weight: 3, arbitrary: fc.constant<Happening>({ kind: 'reload' }) },
  { weight: 1, arbitrary: fc.constant<Happening>({ kind: 'restart' }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('replace' as const), which }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('scale' as const), workers: fc.integer({ min: -1, max: 5 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('hands-over' as const), isHandingOver: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('trial' as const),
      refusal: fc.constantFrom(undefined, undefined, 'no answer'),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('time-passes' as const),
      ms: fc.constantFrom(1, 30, 110, 1000, 5100, 12_000, 61_000),
    }),
  },
);

/** Whoever waits for its start hears at once. */
function createPool(options: Parameters<typeof createFakePool>[0]): FakePool {
  const pool = createFakePool(options);
  pool.onUp = () => {
    pool.life.change('answered');
    pool.life.change('announced');
  };
  return pool;
}

test('a supervisor leaves nothing behind, whatever happened before and during its stop', () => {
  const histories = fc.record({
    workers: fc.integer({ min: 1, max: 4 }),
    spares: fc.nat(2),
    isTriedFirst: fc.boolean(),
    stopMethod: fc.constantFrom('auto', 'idle-kill', 'SIGQUIT'),
    startLimit: fc.option(fc.record({ count: fc.integer({ min: 1, max: 4 }), withinMs: fc.constant(5000) }), {
      nil: undefined,
    }),
    before: fc.array(happenings, { maxLength: 50 }),
    during: fc.array(happenings, { maxLength: 10 }),
    stops: fc.integer({ min: 1, max: 3 }),
  });
  fc.assert(
    fc.property(histories, ({ startLimit, before, during, stops, ...options }) => {
      const pool = createPool({ ...options, restart: { startLimit } });
      const { machine, clock, supervisor, outcomes } = pool;
      const told: Told = [];
      supervisor.start();
      for (const happening of before) {
        happen(pool, happening, told);
        checkNumbers(pool, options.spares);
      }
      for (let count = 0; count < stops; count++) supervisor.stop('SIGTERM');
      const spawned = machine.spawned.length;
      for (const happening of during) happen(pool, happening, told);
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
      expect(
        told.every((times) => times === 1),
        'each who asked is told once',
      ).toBe(true);
    }),
    { numRuns: 600 },
  );
});

test('a supervisor that is left alone ends what it began, and arms no timer once its workers run', () => {
  const histories = fc.record({
    workers: fc.integer({ min: 1, max: 4 }),
    spares: fc.nat(2),
    isTriedFirst: fc.boolean(),
    history: fc.array(happenings, { maxLength: 50 }),
  });
  fc.assert(
    fc.property(histories, ({ history, ...options }) => {
      const pool = createPool(options);
      const { machine, clock, supervisor } = pool;
      const told: Told = [];
      supervisor.start();
      for (const happening of history) happen(pool, happening, told);
      machine.spawnErrnos = [];
      supervisor.setHandingOver(false);
      const isAtRest = (): boolean => clock.pending === 0 && supervisor.pool.operation === undefined;
      for (let round = 0; round < 60 && !isAtRest(); round++) {
        for (const pid of machine.live) machine.waiting.add(pid);
        machine.busy.clear();
        machine.trialsRun.shift()?.done(undefined);
        clock.advance(5000);
        machine.reap();
        checkNumbers(pool, options.spares);
      }
      if (pool.outcomes.includes('start failed')) return;
      expect(pool.outcomes).toStrictEqual(['up']);
      expect(supervisor.pool.operation).toBeUndefined();
      const spares = supervisor.spares?.isPossible ? options.spares : 0;
      expect(machine.live).toHaveLength(supervisor.pool.wanted + spares);
      expect(machine.held.size).toBe(spares);
      if (supervisor.lastReload?.result !== 'partly') {
        const generations = machine.live.map((pid) => machine.generations.get(pid));
        expect(new Set(generations)).toStrictEqual(new Set([supervisor.pool.generation]));
      }
      expect(clock.pending).toBe(0);
      expect(
        told.every((times) => times === 1),
        'each who asked is told once',
      ).toBe(true);
    }),
    { numRuns: 400 },
  );
});
