// Whatever happens in whatever order, a pool keeps its promises: random histories, driven through Pool and a tiny machine.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { OrderQueue, type Hands } from '../../src/core/pool/order-queue.ts';
import type { OrderOf, PoolOrder } from '../../src/core/pool/orders.ts';
import { Pool } from '../../src/core/pool/pool.ts';
import type { WorkerExit } from '../../src/core/worker-exit.ts';
import { testPolicy } from '../helpers/models/index.ts';

type Happening =
  | { readonly kind: 'ends'; readonly which: number; readonly exit: WorkerExit }
  | { readonly kind: 'is-up'; readonly which: number }
  | { readonly kind: 'retry-due'; readonly which: number }
  | { readonly kind: 'time-passes'; readonly ms: number }
  | { readonly kind: 'exec-breaks'; readonly times: number }
  | { readonly kind: 'stray'; readonly slot: number }
  | { readonly kind: 'reload' }
  | { readonly kind: 'restart' }
  /** A guard wants that one's worker replaced. */
  | { readonly kind: 'replace'; readonly which: number }
  | { readonly kind: 'scale'; readonly workers: number }
  | { readonly kind: 'hands-over'; readonly isHandingOver: boolean }
  /** What the operation under way waits for: its candidate, the end of old workers, an answer, a timer. */
  | { readonly kind: 'goes-on' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'late' }
  | { readonly kind: 'stray-timer'; readonly timer: 'late' | 'settled' | 'probed'; readonly ago: number }
  | { readonly kind: 'stop' };

/** A live worker, as the machine's own books have it. */
interface Worker {
  readonly slot: number;
  readonly generation: number;
  isTold: boolean;
  /** It was told that its request may take what it takes. */
  isUnhurried?: boolean;
  isCandidate: boolean;
}

/** Carries out a pool's orders as the supervisor does, and keeps the books that the promises are checked against. */
class TinyMachine {
  readonly pool: Pool;
  nowMs = 0;
  stopOrdered = false;
  readonly spawned: number[] = [];
  readonly terminated: number[] = [];
  readonly reaped: number[] = [];
  readonly verdicts: string[] = [];
  readonly live = new Map<number, Worker>();
  readonly retries = new Set<number>();
  /** How the latest reload ended. */
  lastResult: string | undefined;
  /** Promises that were broken on the way. */
  readonly broken: string[] = [];
  #brokenExecs = 0;
  #nextPid = 100;
  readonly #orders: OrderQueue<undefined>;
  /** The latest step that a timer or a probe was asked for. */
  #step = 0;
  #openReload: { readonly generation: number; readonly lingering: ReadonlySet<number> } | undefined;
  #openRestart = false;
  /** That were begun, or are due. */
  #replacements = 0;
  #lastGeneration = 1;

  constructor({ workers, startLimit, probes }: Beginning) {
    const limit = startLimit === undefined ? undefined : { count: startLimit, withinMs: 5000 };
    this.pool = new Pool(workers, { ...testPolicy, startLimit: limit }, { probes });
    this.#orders = new OrderQueue(this.pool, this.#hands());
    this.carryOut(this.pool.start());
  }

  happen(happening: Happening): void {
    switch (happening.kind) {
      case 'ends':
        return this.#end(pick([...this.live.keys()], happening.which), happening.exit);
      case 'is-up':
        return this.#up(pick([...this.live.keys()], happening.which));
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
      case 'reload':
        return this.carryOut(this.pool.ask({ kind: 'reload' }));
      case 'restart':
        return this.carryOut(this.pool.ask({ kind: 'restart' }));
      case 'replace':
        return this.#replace(happening.which);
      case 'scale':
        return this.carryOut(this.pool.ask({ kind: 'scale', workers: happening.workers }));
      case 'hands-over':
        return this.carryOut(this.pool.ask({ kind: 'handover', isHeld: happening.isHandingOver }));
      case 'goes-on':
        return this.goOn();
      case 'refused':
        return this.carryOut(this.pool.tell({ kind: 'probed', step: this.#step, refusal: 'no answer' }));
      case 'late':
        return this.carryOut(this.pool.tell({ kind: 'late', step: this.#step }));
      case 'stray-timer':
        return this.#strayTimer(happening.timer, this.#step - 1 - happening.ago);
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
    for (const pid of this.live.keys()) this.#end(pid, { kind: 'signaled', signal: 15 });
  }

  repairExec(): void {
    this.#brokenExecs = 0;
  }

  /** Each worker that was told to end ends, the candidate is up, the probe is answered, the timer fires. */
  goOn(): void {
    const told = [...this.live].find(([, { isTold }]) => isTold);
    if (told) return this.#end(told[0], { kind: 'exited', status: 0 });
    const { reload } = this.pool;
    if (reload?.candidate) return this.#up(reload.candidate.pid);
    const candidate = [...this.live].find(([, { isCandidate, isTold }]) => isCandidate && !isTold);
    if (candidate) return this.#up(candidate[0]);
    if (reload?.stage === 'probing')
      return this.carryOut(this.pool.tell({ kind: 'probed', step: this.#step }));
    if (reload?.stage === 'settling')
      return this.carryOut(this.pool.tell({ kind: 'settled', step: this.#step }));
    return this.#up([...this.live].find(([pid]) => !this.#isRunning(pid))?.[0]);
  }

  /** Nothing is under way, and nothing waits. */
  get isAtRest(): boolean {
    return (
      this.pool.operation === undefined &&
      this.pool.replacement === undefined &&
      this.retries.size === 0 &&
      [...this.live].every(([pid, { isTold }]) => !isTold && this.#isRunning(pid))
    );
  }

  carryOut(orders: readonly PoolOrder[]): void {
    this.#orders.carryOut(orders);
    if (!this.#orders.isAtWork) this.#check();
  }

  #hands(): Hands<undefined> {
    const nothing = (): void => undefined;
    return {
      terminate: (orders) => orders.forEach((order) => this.#terminate(order)),
      spawn: ({ slot }) => this.#spawn(slot),
      'report-end': nothing,
      'reset-socket': nothing,
      try: (order) => this.#try(order),
      'retry-after': ({ slot }) => void this.retries.add(slot),
      'cancel-retry': ({ slot }) => void this.retries.delete(slot),
      promoted: ({ pid, slot }) => this.#promote(pid, slot),
      probe: ({ step }) => {
        this.#noteStart('a probe');
        this.#step = step;
      },
      settle: ({ step }) => void (this.#step = step),
      'reload-begun': ({ generation }) => this.#beginReload(generation),
      'reload-ended': (order) => this.#endReload(order),
      'replacement-ended': () => void this.#replacements--,
      'restart-begun': ({ generation }) => this.#beginRestart(generation),
      'restart-ended': () => this.#endRestart(),
      'start-limit-reached': ({ kind }) => {
        this.stopOrdered = true;
        this.retries.clear();
        this.verdicts.push(kind);
      },
      scaled: ({ workers }) => {
        if (workers !== this.pool.slots.length) this.broken.push(`scaled ${workers}`);
      },
      'report-up': ({ kind }) => void this.verdicts.push(kind),
      'start-failed': ({ kind }) => void this.verdicts.push(kind),
      stopped: ({ kind }) => void this.verdicts.push(kind),
    };
  }

  #beginRestart(generation: number): void {
    this.#noteGeneration(generation);
    if (this.#openRestart || this.#openReload) this.broken.push('two operations at once');
    this.#openRestart = true;
  }

  #endRestart(): void {
    if (!this.#openRestart) this.broken.push('ends a restart that is not');
    this.#openRestart = false;
    this.lastResult = undefined;
  }

  #beginReload(generation: number): void {
    this.#noteGeneration(generation);
    if (this.#openRestart || this.#openReload) this.broken.push('two operations at once');
    const lingering = new Set([...this.live].filter(([, { isTold }]) => isTold).map(([pid]) => pid));
    this.#openReload = { generation, lingering };
  }

  /** After "partly" workers of both generations are in service, else those of one only. */
  #endReload({ result, generation }: OrderOf<'reload-ended'>): void {
    if (this.#openReload?.generation !== generation) this.broken.push('ends a reload that is not');
    this.#openReload = undefined;
    this.lastResult = result;
    const isNew = [...this.live.values()]
      .filter(({ isTold }) => !isTold)
      .map((worker) => worker.generation === generation);
    if (result !== 'partly' && isNew.includes(result !== 'reloaded')) this.broken.push(`${result} too early`);
  }

  #noteGeneration(generation: number): void {
    if (generation <= this.#lastGeneration) this.broken.push(`generation ${generation} again`);
    this.#lastGeneration = generation;
  }

  #noteStart(what: string): void {
    if (this.stopOrdered) this.broken.push(`${what} after the stop`);
  }

  /** Asked for while something else is under way it waits. */
  #replace(which: number): void {
    const running = this.pool.slots.flatMap(({ state }, slot) =>
      state.kind === 'running' ? [{ slot, pid: state.pid }] : [],
    );
    const worker = pick(running, which);
    if (!worker || this.pool.replacement || this.pool.phase !== 'serving') return;
    this.#replacements++;
    const reason = { guard: 'test', text: 'why not' };
    this.carryOut(this.pool.ask({ kind: 'replace', ...worker, reason }));
  }

  #terminate({ pid, slot, isUnhurried = false }: OrderOf<'terminate'>): void {
    const worker = this.live.get(pid);
    if (worker?.isUnhurried && !isUnhurried && worker.slot === slot) {
      worker.isUnhurried = false;
      return;
    }
    if (worker?.slot !== slot || worker.isTold) {
      this.broken.push(`terminates ${pid} of slot ${slot}`);
      return;
    }
    const { reload, slots } = this.pool;
    const successor = slots[slot]?.state;
    const isSucceeded = !successor || ('pid' in successor && successor.pid !== pid);
    if (reload && !worker.isCandidate && !isSucceeded) this.broken.push(`ends ${pid} too early`);
    worker.isTold = true;
    worker.isUnhurried = isUnhurried;
    this.terminated.push(pid);
  }

  #promote(pid: number, slot: number): void {
    const worker = this.live.get(pid);
    if (!worker?.isCandidate || worker.slot !== slot) this.broken.push(`promotes ${pid}`);
    else worker.isCandidate = false;
  }

  #up(pid: number | undefined): void {
    const worker = pid === undefined ? undefined : this.live.get(pid);
    if (pid === undefined || !worker || worker.isTold) return;
    this.carryOut(this.pool.up(pid, this.nowMs, true));
  }

  #strayTimer(timer: 'late' | 'settled' | 'probed', step: number): void {
    const before = this.#describe();
    const orders = this.pool.tell({ kind: timer, step, refusal: 'late answer' });
    if (orders.length > 0 || this.#describe() !== before) this.broken.push(`heeds a stray ${timer}`);
  }

  #describe(): string {
    const { slots, reload, generation, phase, replacement } = this.pool;
    return JSON.stringify([
      replacement?.stage,
      slots,
      reload?.stage,
      reload?.slot,
      reload?.candidate,
      generation,
      phase,
    ]);
  }

  #exec(worker: Worker): number | undefined {
    if (this.#brokenExecs > 0) {
      this.#brokenExecs--;
      return undefined;
    }
    const pid = this.#nextPid++;
    this.spawned.push(pid);
    this.live.set(pid, worker);
    return pid;
  }

  #spawn(slot: number): void {
    this.#noteStart(`spawn of slot ${slot}`);
    const generation = this.pool.generationOf(slot);
    const pid = this.#exec({ slot, generation, isTold: false, isCandidate: false });
    if (pid === undefined) this.#orders.tellLater(() => this.#failSpawn(slot));
    else this.carryOut(this.pool.handle(slot, { kind: 'spawned', pid, atMs: this.nowMs }));
  }

  #failSpawn(slot: number): void {
    const event = { kind: 'spawn-failed', atMs: this.nowMs, random: 0.5 } as const;
    // A slot that was taken away together with the order to start its worker has nothing to report.
    const isGone = slot >= this.pool.slots.length;
    const orders = this.pool.handle(slot, event, 2);
    if (isGone && orders.length > 0) this.broken.push(`orders of slot ${slot}, which is gone`);
    if (this.stopOrdered || isGone) this.carryOut(orders);
    else this.#reportOnce(orders, slot);
  }

  #try(order: OrderOf<'try'>): void {
    const { slot, generation, step } = order;
    this.#noteStart(`candidate for slot ${slot}`);
    this.#step = step;
    const pid = this.#exec({ slot, generation, isTold: false, isCandidate: true });
    if (pid === undefined) this.carryOut(this.pool.tell({ kind: 'candidate-failed', step, errno: 2 }));
    else this.carryOut(this.pool.tried(order, pid, this.nowMs));
  }

  #end(pid: number | undefined, exit: WorkerExit): void {
    const worker = pid === undefined ? undefined : this.live.get(pid);
    if (pid === undefined || worker === undefined) return;
    this.live.delete(pid);
    this.reaped.push(pid);
    const orders = this.pool.ended(pid, exit, { atMs: this.nowMs, random: 0.5 });
    if (worker.isTold || worker.isCandidate) this.carryOut(orders);
    else this.#reportOnce(orders, worker.slot);
  }

  /** Of a worker that ended unasked, or could not be executed, there is one report. */
  #reportOnce(orders: readonly PoolOrder[], slot: number): void {
    const reports = orders.filter((order) => order.kind === 'report-end');
    if (reports.length !== 1 || reports[0]?.slot !== slot) this.broken.push(`reports of slot ${slot}`);
    this.carryOut(orders);
  }

  #isRunning(pid: number): boolean {
    return this.pool.slots.some(({ state }) => state.kind === 'running' && state.pid === pid);
  }

  #check(): void {
    const { pool } = this;
    const known = pool.livePids();
    if (new Set(known).size < known.length) this.broken.push(`a PID in two places: ${known.join(' ')}`);
    const live = ascending(this.live.keys());
    if (ascending(known).join(' ') !== live.join(' ')) {
      this.broken.push(`live: ${live.join(' ')}, known: ${known.join(' ')}`);
    }
    if (ascending(pool.roster.pids).join(' ') !== live.join(' '))
      this.broken.push(`live: ${live.join(' ')}, on the roster: ${pool.roster.pids.join(' ')}`);
    if (
      (this.#openReload !== undefined || this.#openRestart) !== isRollingOrRestarting(pool) &&
      !this.stopOrdered
    )
      this.broken.push(`operation ${pool.operation}`);
    if (pool.phase === 'serving' && pool.operation === undefined && pool.slots.length !== pool.wanted)
      this.broken.push(`${pool.slots.length} slots, ${pool.wanted} wanted`);
    if (this.#replacements !== (pool.replacement ? 1 : 0) && !this.stopOrdered)
      this.broken.push(`${this.#replacements} replacements`);
    this.#checkNumbers();
  }

  /** One worker a slot, one candidate; and on the way there not more than one too many, whatever their state. */
  #checkNumbers(): void {
    const { pool } = this;
    const workers = [...this.live];
    const members = workers.filter(([, { isTold, isCandidate }]) => !isTold && !isCandidate);
    const slots = members.map(([, { slot }]) => slot);
    if (new Set(slots).size < slots.length || slots.some((slot) => slot >= pool.slots.length))
      this.broken.push(`members of slots ${slots.join(' ')}`);
    const candidates = workers.filter(([, { isTold, isCandidate }]) => isCandidate && !isTold);
    if (candidates.length > (pool.reload || pool.replacement ? 1 : 0))
      this.broken.push(`${candidates.length} candidates`);
    const stage = pool.reload?.stage;
    if (stage === undefined || stage === 'reverting' || stage === 'restoring') return;
    const reloading = workers.filter(([pid]) => !this.#openReload?.lingering.has(pid));
    if (reloading.length > pool.slots.length + 1) this.broken.push(`${reloading.length} live workers`);
  }
}

function isRollingOrRestarting({ operation }: Pool): boolean {
  return operation === 'reload' || operation === 'restart';
}

function ascending(numbers: Iterable<number>): number[] {
  return Array.from(numbers).sort((a, b) => a - b);
}

function pick<T>(from: readonly T[], which: number): T | undefined {
  return from[which % Math.max(1, from.length)];
}

interface Beginning {
  readonly workers: number;
  readonly startLimit: number | undefined;
  readonly probes: boolean;
}

const exits: fc.Arbitrary<WorkerExit> = fc.oneof(
  fc.record({ kind: fc.constant('exited' as const), status: fc.constantFrom(0, 0, 1, 255) }),
  fc.record({ kind: fc.constant('signaled' as const), signal: fc.constantFrom(9, 11) }),
);
const which = fc.nat(9);

function weighted<K extends Happening['kind']>(
  weight: number,
  kind: K,
  fields: { [F in Exclude<keyof Extract<Happening, { kind: K }>, 'kind'>]: fc.Arbitrary<unknown> },
): { weight: number; arbitrary: fc.Arbitrary<Happening> } {
  return { weight, arbitrary: fc.record({ kind: fc.constant(kind), ...fields }) as fc.Arbitrary<Happening> };
}

const happenings: fc.Arbitrary<Happening> = fc.oneof(
  weighted(6, 'ends', { which, exit: exits }),
  weighted(6, 'is-up', { which }),
  weighted(4, 'retry-due', { which }),
  weighted(3, 'time-passes', { ms: fc.integer({ min: 1, max: 12_000 }) }),
  weighted(2, 'exec-breaks', { times: fc.integer({ min: 1, max: 4 }) }),
  weighted(1, 'stray', { slot: fc.nat(5) }),
  weighted(4, 'reload', {}),
  weighted(1, 'restart', {}),
  weighted(3, 'replace', { which }),
  weighted(2, 'scale', { workers: fc.integer({ min: 1, max: 6 }) }),
  weighted(1, 'hands-over', { isHandingOver: fc.boolean() }),
  weighted(16, 'goes-on', {}),
  weighted(1, 'refused', {}),
  weighted(1, 'late', {}),
  weighted(1, 'stray-timer', { timer: fc.constantFrom('late', 'settled', 'probed'), ago: fc.nat(3) }),
  weighted(1, 'stop', {}),
);
const beginnings: fc.Arbitrary<Beginning> = fc.record({
  workers: fc.integer({ min: 1, max: 5 }),
  startLimit: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
  probes: fc.boolean(),
});
const histories = fc.tuple(beginnings, fc.array(happenings, { maxLength: 80 }));

test('a pool never has two workers in a slot, ends every worker once and stops once, whatever happens', () => {
  fc.assert(
    fc.property(histories, ([beginning, history]) => {
      const machine = new TinyMachine(beginning);
      for (const event of history) machine.happen(event);
      machine.stop();
      const survivors = [...machine.live.keys()];
      machine.reapAll();

      expect(machine.broken).toStrictEqual([]);
      expect(machine.live.size).toBe(0);
      expect(ascending(machine.reaped)).toStrictEqual(machine.spawned);
      expect(new Set(machine.terminated).size, 'told once to end').toBe(machine.terminated.length);
      expect(machine.terminated).toEqual(expect.arrayContaining(survivors));
      expect(machine.pool).toMatchObject({ phase: 'stopped', reload: undefined });
      const ends = machine.verdicts.filter((verdict) => verdict === 'stopped' || verdict === 'start-failed');
      expect(ends, 'one end').toHaveLength(1);
      expect(machine.verdicts.at(-1)).toBe(ends[0]);
      expect(machine.verdicts.filter((verdict) => verdict === 'report-up').length).toBeLessThanOrEqual(1);
      if (ends[0] === 'start-failed') expect(machine.verdicts).toStrictEqual(['start-failed']);
    }),
    { numRuns: 1500 },
  );
});

test('a serving pool that is left alone ends what it began, and fills every slot with the generation in service', () => {
  fc.assert(
    fc.property(histories, ([beginning, history]) => {
      const machine = new TinyMachine({ ...beginning, startLimit: undefined });
      for (const event of history) if (event.kind !== 'stop') machine.happen(event);
      const { pool } = machine;
      if (pool.phase === 'stopped') return;
      machine.repairExec();
      machine.happen({ kind: 'hands-over', isHandingOver: false });
      for (let round = 0; round < 400 && !machine.isAtRest; round++) {
        machine.goOn();
        machine.happen({ kind: 'retry-due', which: 0 });
      }
      expect(machine.broken).toStrictEqual([]);
      expect(machine.isAtRest).toBe(true);
      expect(pool).toMatchObject({ phase: 'serving', isReloadDue: false });
      expect(pool.slots.map(({ state }) => state.kind)).toStrictEqual(
        Array.from({ length: pool.wanted }, () => 'running'),
      );
      const generations = [...machine.live.values()].map(({ generation }) => generation);
      if (machine.lastResult !== 'partly')
        expect(new Set(generations)).toStrictEqual(new Set([pool.generation]));
    }),
    { numRuns: 800 },
  );
});
