// Whatever happens in whatever order, a pool keeps its promises: random histories, driven through Pool and a tiny machine.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Pool, type PoolOrder } from '../../src/core/pool.ts';
import type { WorkerExit } from '../../src/core/worker-exit.ts';
import { testPolicy } from './fake-machine.ts';

type Happening =
  | { readonly kind: 'ends'; readonly which: number; readonly exit: WorkerExit }
  | { readonly kind: 'is-up'; readonly which: number }
  | { readonly kind: 'retry-due'; readonly which: number }
  | { readonly kind: 'time-passes'; readonly ms: number }
  | { readonly kind: 'exec-breaks'; readonly times: number }
  | { readonly kind: 'stray'; readonly slot: number }
  | { readonly kind: 'stop' };

/** Carries out a pool's orders as the supervisor does, and keeps the books that the promises are checked against. */
class TinyMachine {
  readonly pool: Pool;
  readonly workers: number;
  nowMs = 0;
  stopOrdered = false;
  readonly spawned: number[] = [];
  readonly terminated: number[] = [];
  readonly reaped: number[] = [];
  readonly verdicts: string[] = [];
  readonly liveSlots = new Map<number, number>();
  readonly retries = new Set<number>();
  /** Promises that were broken on the way. */
  readonly broken: string[] = [];
  #brokenExecs = 0;
  #nextPid = 100;

  constructor(workers: number, startLimit: number | undefined) {
    this.workers = workers;
    const limit = startLimit === undefined ? undefined : { count: startLimit, withinMs: 5000 };
    this.pool = new Pool(workers, { ...testPolicy, startLimit: limit });
    this.carryOut(this.pool.start());
  }

  happen(happening: Happening): void {
    switch (happening.kind) {
      case 'ends':
        return this.#end(pick([...this.liveSlots.keys()], happening.which), happening.exit);
      case 'is-up': {
        const slot = pick([...this.liveSlots.values()], happening.which);
        if (slot !== undefined) this.carryOut(this.pool.handle(slot, { kind: 'up', atMs: this.nowMs }));
        return;
      }
      case 'retry-due': {
        const slot = pick([...this.retries], happening.which);
        if (slot === undefined) return;
        this.retries.delete(slot);
        return this.carryOut(this.pool.handle(slot, { kind: 'retry-due' }));
      }
      case 'time-passes':
        this.nowMs += happening.ms;
        return;
      case 'exec-breaks':
        this.#brokenExecs += happening.times;
        return;
      case 'stray':
        return this.carryOut(this.pool.handle(happening.slot, { kind: 'retry-due' }));
      case 'stop':
        return this.stop();
    }
  }

  stop(): void {
    this.stopOrdered = true;
    this.retries.clear();
    this.carryOut(this.pool.stop());
  }

  /** The machine's end of a stop: every worker dies of its TERM. */
  reapAll(): void {
    for (const pid of this.liveSlots.keys()) this.#end(pid, { kind: 'signaled', signal: 15 });
  }

  carryOut(orders: readonly PoolOrder[]): void {
    for (const order of orders) {
      switch (order.kind) {
        case 'spawn':
          this.#spawn(order.slot);
          break;
        case 'retry-after':
          this.retries.add(order.slot);
          break;
        case 'terminate':
          if (this.liveSlots.get(order.pid) !== order.slot) this.broken.push(`terminates ${order.pid}`);
          this.terminated.push(order.pid);
          break;
        case 'start-limit-reached':
          this.stopOrdered = true;
          this.retries.clear();
          break;
        case 'report-end':
          break;
        default:
          this.verdicts.push(order.kind);
      }
    }
    this.#check();
  }

  #spawn(slot: number): void {
    if (this.stopOrdered) this.broken.push(`spawn of slot ${slot} after the stop`);
    if (this.#brokenExecs > 0) {
      this.#brokenExecs--;
      this.carryOut(this.pool.handle(slot, { kind: 'spawn-failed', atMs: this.nowMs, random: 0.5 }, 2));
      return;
    }
    const pid = this.#nextPid++;
    this.spawned.push(pid);
    this.liveSlots.set(pid, slot);
    this.carryOut(this.pool.handle(slot, { kind: 'spawned', pid, atMs: this.nowMs }));
  }

  #end(pid: number | undefined, exit: WorkerExit): void {
    const slot = pid === undefined ? undefined : this.liveSlots.get(pid);
    if (pid === undefined || slot === undefined) return;
    this.liveSlots.delete(pid);
    this.reaped.push(pid);
    this.carryOut(this.pool.handle(slot, { kind: 'ended', exit, atMs: this.nowMs, random: 0.5 }));
  }

  #check(): void {
    const slots = [...this.liveSlots.values()];
    if (slots.length > this.workers) this.broken.push(`${slots.length} live workers`);
    if (new Set(slots).size < slots.length) this.broken.push(`two workers in a slot: ${slots.join(' ')}`);
    const known = this.pool.livePids();
    if (new Set(known).size < known.length) this.broken.push(`a PID in two slots: ${known.join(' ')}`);
    const live = ascending(this.liveSlots.keys());
    if (ascending(known).join(' ') !== live.join(' ')) {
      this.broken.push(`live: ${live.join(' ')}, known: ${known.join(' ')}`);
    }
  }
}

function ascending(numbers: Iterable<number>): number[] {
  return Array.from(numbers).sort((a, b) => a - b);
}

function pick<T>(from: readonly T[], which: number): T | undefined {
  return from[which % Math.max(1, from.length)];
}

const exits: fc.Arbitrary<WorkerExit> = fc.oneof(
  fc.record({ kind: fc.constant('exited' as const), status: fc.constantFrom(0, 0, 1, 255) }),
  fc.record({ kind: fc.constant('signaled' as const), signal: fc.constantFrom(9, 11) }),
);
const happenings: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('ends' as const), which: fc.nat(9), exit: exits }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('is-up' as const), which: fc.nat(9) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('retry-due' as const), which: fc.nat(9) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('time-passes' as const),
      ms: fc.integer({ min: 1, max: 12_000 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('exec-breaks' as const),
      times: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stray' as const), slot: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.constant<Happening>({ kind: 'stop' }) },
);
const histories = fc.tuple(
  fc.integer({ min: 1, max: 5 }),
  fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
  fc.array(happenings, { maxLength: 60 }),
);

test('a pool never has two workers in a slot, ends every worker once and stops once, whatever happens', () => {
  fc.assert(
    fc.property(histories, ([workers, startLimit, history]) => {
      const machine = new TinyMachine(workers, startLimit);
      for (const happening of history) machine.happen(happening);
      machine.stop();
      const survivors = [...machine.liveSlots.keys()];
      machine.reapAll();

      expect(machine.broken).toStrictEqual([]);
      expect(machine.liveSlots.size).toBe(0);
      expect(ascending(machine.reaped)).toStrictEqual(machine.spawned);
      expect(new Set(machine.terminated).size, 'told once to end').toBe(machine.terminated.length);
      expect(machine.terminated).toEqual(expect.arrayContaining(survivors));
      expect(machine.pool.phase).toBe('stopped');
      const ends = machine.verdicts.filter((verdict) => verdict !== 'report-up');
      expect(ends, 'one end').toHaveLength(1);
      expect(machine.verdicts.filter((verdict) => verdict === 'report-up').length).toBeLessThanOrEqual(1);
      if (ends[0] === 'start-failed') expect(machine.verdicts).toStrictEqual(['start-failed']);
    }),
    { numRuns: 500 },
  );
});

test('a serving pool that is left alone fills every slot again', () => {
  fc.assert(
    fc.property(histories, ([workers, , history]) => {
      const machine = new TinyMachine(workers, undefined);
      for (const happening of history) if (happening.kind !== 'stop') machine.happen(happening);
      if (machine.pool.phase === 'stopped') return;
      for (let round = 0; round < 400 && machine.liveSlots.size + machine.retries.size > 0; round++) {
        for (const slot of new Set(machine.liveSlots.values())) {
          machine.carryOut(machine.pool.handle(slot, { kind: 'up', atMs: machine.nowMs }));
        }
        if (machine.retries.size === 0) break;
        machine.happen({ kind: 'retry-due', which: 0 });
      }
      expect(machine.broken).toStrictEqual([]);
      expect(machine.liveSlots.size).toBe(workers);
      expect(machine.pool.slots.map(({ state }) => state.kind)).toStrictEqual(
        Array.from({ length: workers }, () => 'running'),
      );
    }),
    { numRuns: 300 },
  );
});
