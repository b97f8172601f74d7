// Reload, restart, scaling and handover of a pool, as orders: what is started, what is ended, in which order, and what
// each thing that goes wrong leads to.
import { describe, expect, test } from 'vitest';
import type { PoolOrder } from '../../src/core/pool/orders.ts';
import { Pool } from '../../src/core/pool/pool.ts';
import { emptySlot, livePid, type Moment } from '../../src/core/pool/slot-state.ts';
import type { WorkerExit } from '../../src/core/worker-exit.ts';
import { testPolicy } from '../helpers/models/index.ts';

const exit = (status: number): WorkerExit => ({ kind: 'exited', status });

/** Drives a pool: carries out what is started at once, notes everything else, one short line each. */
class Driver {
  readonly pool: Pool;
  readonly lines: string[] = [];
  readonly execFails = new Set<number>();
  nowMs = 10_000;
  #nextPid = 100;
  #step = 0;

  constructor(workers: number, options: { probes?: boolean; policy?: typeof testPolicy } = {}) {
    this.pool = new Pool(workers, options.policy ?? testPolicy, { probes: options.probes ?? false });
    this.run(this.pool.start());
    for (let slot = 0; slot < workers; slot++) this.run(this.pool.up(this.#pidOf(slot), this.nowMs, true));
    this.nowMs += 5000;
    this.take();
  }

  run(orders: readonly PoolOrder[]): this {
    for (const order of orders) this.#carryOut(order);
    return this;
  }

  take(): string[] {
    return this.lines.splice(0);
  }

  /** `slot:pid/generation` of every slot, `-` for an empty one. */
  get slots(): string[] {
    return this.pool.slots.map(({ state }, slot) =>
      'pid' in state ? `${state.pid}/${this.pool.generationOf(slot)}` : state.kind,
    );
  }

  reload(): this {
    return this.run(this.pool.ask({ kind: 'reload' }));
  }

  candidateUp(): this {
    return this.run(this.pool.up(this.#candidate, this.nowMs, true));
  }

  candidateEnds(how = exit(1)): this {
    return this.run(this.pool.ended(this.#candidate, how, this.#now));
  }

  retireeEnds(pid: number): this {
    if (this.pool.roster.get(pid)?.role !== 'retiree') return this;
    return this.run(this.pool.ended(pid, exit(0), this.#now));
  }

  /** The slot's worker ends unasked. */
  slotEnds(slot: number, how = exit(1)): this {
    return this.run(this.pool.ended(this.#pidOf(slot), how, this.#now));
  }

  slotUp(slot: number): this {
    return this.run(this.pool.up(this.#pidOf(slot), this.nowMs, true));
  }

  get #now(): Moment {
    return { atMs: this.nowMs, random: 0 };
  }

  #pidOf(slot: number): number {
    return livePid(this.pool.slots[slot] ?? emptySlot) ?? 0;
  }

  get #candidate(): number {
    return this.pool.reload?.candidate?.pid ?? 0;
  }

  settle(): this {
    return this.run(this.pool.tell({ kind: 'settled', step: this.#step }));
  }

  late(): this {
    return this.run(this.pool.tell({ kind: 'late', step: this.#step }));
  }

  answer(refusal?: string): this {
    return this.run(this.pool.tell({ kind: 'probed', step: this.#step, refusal: refusal }));
  }

  /** The whole way: each candidate is up, each old worker ends. */
  complete(): this {
    for (let slot = 0; slot < this.pool.slots.length; slot++) {
      this.candidateUp();
      for (const { pid } of this.pool.roster.in('retiree')) this.retireeEnds(pid);
    }
    return this.settle();
  }

  #carryOut(order: PoolOrder): void {
    switch (order.kind) {
      case 'spawn': {
        const generation = this.pool.generationOf(order.slot);
        if (this.execFails.has(generation)) {
          this.lines.push(`exec of ${order.slot} fails`);
          this.run(this.pool.handle(order.slot, { kind: 'spawn-failed', atMs: this.nowMs, random: 0 }, 2));
          return;
        }
        const pid = this.#nextPid++;
        this.lines.push(`spawn ${order.slot}: ${pid}/${generation}`);
        this.run(this.pool.handle(order.slot, { kind: 'spawned', pid, atMs: this.nowMs }));
        return;
      }
      case 'try': {
        this.#step = order.step;
        if (this.execFails.has(order.generation)) {
          this.lines.push(`exec of a candidate fails`);
          this.run(this.pool.tell({ kind: 'candidate-failed', step: order.step, errno: 2 }));
          return;
        }
        const pid = this.#nextPid++;
        this.lines.push(`try ${order.slot}: ${pid}/${order.generation}`);
        this.run(this.pool.tried(order, pid, this.nowMs));
        return;
      }
      case 'settle':
      case 'probe':
        this.#step = order.step;
        this.lines.push(order.kind);
        return;
      case 'terminate':
        this.lines.push(`end ${order.pid}`);
        return;
      case 'promoted':
        this.lines.push(`slot ${order.slot} is ${order.pid}`);
        return;
      case 'reload-ended':
        this.lines.push(
          `${order.result} ${order.generation}${order.failure ? ` ${order.failure.kind}` : ''}`,
        );
        return;
      case 'restart-ended':
        this.lines.push(`restarted ${order.generation} ${order.isUp}`);
        return;
      case 'scaled':
        this.lines.push(`scaled ${order.workers}`);
        return;
      default:
        this.lines.push(order.kind);
    }
  }
}

describe('a rolling reload', () => {
  test('starts a new worker, ends the old one only once that is up, and goes on when the old one is gone', () => {
    const driver = new Driver(2).reload();
    expect(driver.take()).toStrictEqual(['reload-begun', 'try 0: 102/2']);
    expect(driver.slots).toStrictEqual(['100/1', '101/1']);
    expect(driver.candidateUp().take()).toStrictEqual(['slot 0 is 102', 'end 100']);
    expect(driver.slots).toStrictEqual(['102/2', '101/1']);
    expect(driver.retireeEnds(100).take()).toStrictEqual(['try 1: 103/2']);
    expect(driver.candidateUp().take()).toStrictEqual(['slot 1 is 103', 'end 101']);
    expect(driver.retireeEnds(101).take()).toStrictEqual(['settle']);
    expect(driver.pool.generation).toBe(1);
    expect(driver.settle().take()).toStrictEqual(['reloaded 2']);
    expect(driver.pool).toMatchObject({ generation: 2, operation: undefined });
  });

  test('never has more than one worker too many', () => {
    const driver = new Driver(3).reload();
    expect(driver.pool.livePids()).toHaveLength(4);
    driver.candidateUp();
    expect(driver.pool.livePids()).toHaveLength(4);
    driver.retireeEnds(100);
    expect(driver.pool.livePids()).toHaveLength(4);
  });

  test('takes slots that wait in backoff first, without waiting for them, and ends nobody there', () => {
    const driver = new Driver(2).slotEnds(1, exit(1));
    driver.run(driver.pool.ended(102, exit(1), { atMs: driver.nowMs + 1, random: 0 }));
    expect(driver.slots).toStrictEqual(['100/1', 'backoff']);
    driver.take();
    expect(driver.reload().take()).toStrictEqual(['reload-begun', 'try 1: 103/2']);
    expect(driver.candidateUp().take()).toStrictEqual(['slot 1 is 103', 'cancel-retry', 'try 0: 104/2']);
  });

  test('of a pool without a single live worker gives the new release its try', () => {
    const driver = new Driver(1);
    driver.slotEnds(0);
    driver.slotEnds(0);
    expect(driver.slots).toStrictEqual(['backoff']);
    driver.take();
    driver.reload().candidateUp();
    expect(driver.take()).toStrictEqual([
      'reload-begun',
      'try 0: 102/2',
      'slot 0 is 102',
      'cancel-retry',
      'settle',
    ]);
    expect(driver.settle().take()).toStrictEqual(['reloaded 2']);
  });

  test('asked for during a reload runs once more afterwards, however often it was asked', () => {
    const driver = new Driver(1).reload().reload().reload();
    driver.complete();
    expect(driver.take().filter((line) => line.startsWith('reload'))).toStrictEqual([
      'reload-begun',
      'reloaded 2',
      'reload-begun',
    ]);
    driver.complete();
    expect(driver.pool.operation).toBeUndefined();
    expect(driver.pool.generation).toBe(3);
  });

  test('asked for during the start begins when the pool is up', () => {
    const pool = new Pool(1, testPolicy);
    pool.start();
    pool.handle(0, { kind: 'spawned', pid: 100, atMs: 1 });
    expect(pool.ask({ kind: 'reload' })).toStrictEqual([]);
    const kinds = pool.up(100, 2, true).map((order) => order.kind);
    expect(kinds).toStrictEqual(['report-up', 'reload-begun', 'try']);
  });

  test('that asks one worker first replaces nobody before it has answered', () => {
    const driver = new Driver(1, { probes: true }).reload();
    expect(driver.take()).toStrictEqual(['reload-begun', 'probe']);
    driver.run(driver.pool.tell({ kind: 'probed', step: driver.pool.reload ? 1 : 0 }));
    expect(driver.take()).toStrictEqual(['try 0: 101/2']);
  });

  test('that asks one worker first heeds nothing but its answer', () => {
    const driver = new Driver(2, { probes: true }).reload();
    driver.take();
    driver.settle().candidateUp().candidateUp().retireeEnds(100);
    driver
      .run(driver.pool.tell({ kind: 'candidate-failed', step: 0, errno: 2 }))
      .run(driver.pool.tell({ kind: 'probed', step: 0 }));
    expect(driver.take()).toStrictEqual([]);
    expect(driver.pool.reload).toMatchObject({ stage: 'probing', to: 2 });
    expect(driver.late().take()).toStrictEqual(['timed-out 2 late']);
  });

  test('whose probe is not answered ends nobody', () => {
    const driver = new Driver(1, { probes: true }).reload();
    driver.run(driver.pool.tell({ kind: 'probed', step: 1, refusal: 'no answer' }));
    expect(driver.take()).toStrictEqual(['reload-begun', 'probe', 'rolled-back 2 no-answer']);
    expect(driver.slots).toStrictEqual(['100/1']);
  });
});

describe('an old worker that ends unasked during a reload', () => {
  test('is replaced by its own generation', () => {
    const driver = new Driver(2).reload();
    driver.take();
    expect(driver.slotEnds(1).take()).toStrictEqual(['report-end', 'spawn 1: 103/1']);
    driver.candidateUp().retireeEnds(100);
    expect(driver.take().at(-1)).toBe('try 1: 104/2');
  });

  test('in the very slot of the candidate is replaced as well, and ended when the candidate is up', () => {
    const driver = new Driver(1).reload();
    driver.slotEnds(0);
    driver.take();
    expect(driver.candidateUp().take()).toStrictEqual(['slot 0 is 101', 'end 102']);
  });
});

describe('a reload fails', () => {
  test('when the new program cannot be executed: nobody was ended', () => {
    const driver = new Driver(2);
    driver.execFails.add(2);
    expect(driver.reload().take()).toStrictEqual([
      'reload-begun',
      'exec of a candidate fails',
      'rolled-back 2 ended',
    ]);
    expect(driver.slots).toStrictEqual(['100/1', '101/1']);
    expect(driver.pool.generation).toBe(1);
  });

  test('when the candidate ends: nobody was ended', () => {
    const driver = new Driver(2).reload().candidateEnds();
    expect(driver.take().at(-1)).toBe('rolled-back 2 ended');
    expect(driver.slots).toStrictEqual(['100/1', '101/1']);
  });

  test('when the candidate is not up in time: it is ended, and the result is a time-out', () => {
    const driver = new Driver(1).reload().late();
    expect(driver.take()).toStrictEqual(['reload-begun', 'try 0: 101/2', 'end 101', 'timed-out 2 late']);
    expect(driver.pool.livePids()).toStrictEqual([100, 101]);
    expect(driver.retireeEnds(101).pool.livePids()).toStrictEqual([100]);
  });

  test('when a new worker ends while old ones remain: the way back is as careful as the way there', () => {
    const driver = new Driver(3).reload().candidateUp().retireeEnds(100).candidateUp().retireeEnds(101);
    driver.take();
    expect(driver.slots).toStrictEqual(['103/2', '104/2', '102/1']);
    // 105 is the candidate for slot 2; the worker of slot 0 ends.
    expect(driver.slotEnds(0).take()).toStrictEqual([
      'report-end',
      'end 105',
      'spawn 0: 106/1',
      'try 1: 107/1',
    ]);
    expect(driver.candidateUp().take()).toStrictEqual(['slot 1 is 107', 'end 104']);
    expect(driver.retireeEnds(104).take()).toStrictEqual(['rolled-back 2 ended']);
    expect(driver.slots).toStrictEqual(['106/1', '107/1', '102/1']);
  });

  test('when a new worker ends while the last old one is ending', () => {
    const driver = new Driver(1).reload().candidateUp();
    driver.take();
    expect(driver.slotEnds(0).take()).toStrictEqual(['report-end', 'try 0: 102/1']);
    expect(driver.candidateUp().take()).toStrictEqual(['slot 0 is 102', 'rolled-back 2 ended']);
  });

  test('and is partly done when only emptied slots are left and the old program is gone too', () => {
    const driver = new Driver(1).reload().candidateUp().retireeEnds(100);
    driver.execFails.add(1).add(2);
    driver.take();
    expect(driver.slotEnds(0).take()).toStrictEqual([
      'report-end',
      'exec of a candidate fails',
      'exec of 0 fails',
      'report-end',
      'retry-after',
      'partly 2 ended',
    ]);
    expect(driver.pool).toMatchObject({ generation: 2, operation: undefined });
    expect(driver.slots).toStrictEqual(['backoff']);
  });

  test('because the only new worker ended: it is over, and what was asked for meanwhile begins', () => {
    const driver = new Driver(1).reload().candidateUp().retireeEnds(100).reload();
    driver.run(driver.pool.ask({ kind: 'scale', workers: 2 })).take();
    expect(driver.slotEnds(0).candidateUp().take()).toStrictEqual([
      'report-end',
      'try 0: 102/1',
      'slot 0 is 102',
      'rolled-back 2 ended',
      'reload-begun',
      'try 0: 103/3',
    ]);
    // More workers wait for the reload's end: they are of the generation that is in service then.
    expect(driver.complete().take().slice(-3)).toStrictEqual(['reloaded 3', 'spawn 1: 104/3', 'scaled 2']);
  });

  test('and it is over then: the next one can be asked for', () => {
    const driver = new Driver(1).reload().candidateUp().retireeEnds(100).slotEnds(0).candidateUp();
    expect(driver.pool).toMatchObject({ generation: 1, operation: undefined });
    driver.take();
    expect(driver.reload().take()).toStrictEqual(['reload-begun', 'try 0: 103/3']);
  });

  test('when a new worker ends within the settle time', () => {
    const driver = new Driver(2).reload().candidateUp().retireeEnds(100).candidateUp().retireeEnds(101);
    driver.take();
    expect(driver.slotEnds(1).take()).toStrictEqual(['report-end', 'spawn 1: 104/1', 'try 0: 105/1']);
    driver.candidateUp().retireeEnds(102);
    expect(driver.take().at(-1)).toBe('rolled-back 2 ended');
  });

  test('and the settle time of a step that is over changes nothing', () => {
    const driver = new Driver(1).reload().candidateUp().retireeEnds(100);
    driver.slotEnds(0);
    driver.take();
    expect(driver.settle().take()).toStrictEqual([]);
  });

  test('and more new workers end on the way back: each emptied slot is filled with the old generation at once', () => {
    const driver = new Driver(3).reload().candidateUp().retireeEnds(100).candidateUp().retireeEnds(101);
    driver.slotEnds(0);
    driver.take();
    expect(driver.slotEnds(1).take()).toStrictEqual(['report-end', 'spawn 1: 108/1']);
    driver.candidateUp();
    expect(driver.pool.livePids().filter((pid) => pid === 104)).toStrictEqual([]);
  });

  test('for good when the old program is gone too: what lives stays', () => {
    const driver = new Driver(2).reload().candidateUp().retireeEnds(100).candidateUp().retireeEnds(101);
    driver.execFails.add(1);
    driver.take();
    expect(driver.slotEnds(1).take()).toStrictEqual([
      'report-end',
      'exec of 1 fails',
      'report-end',
      'retry-after',
      'exec of a candidate fails',
      'partly 2 ended',
    ]);
    expect(driver.slots[0]).toBe('102/2');
    expect(driver.pool.generation).toBe(2);
    // What is tried from now on is the program that still is there.
    expect(driver.run(driver.pool.handle(1, { kind: 'retry-due' })).take()).toStrictEqual(['spawn 1: 104/2']);
  });
});

describe('the way back', () => {
  /** 103 and 104 are new, 102 is old; the worker of slot 0 ends, and 107 is to follow 104. */
  const turnedRound = (): Driver => {
    const driver = new Driver(3).reload().candidateUp().retireeEnds(100).candidateUp().retireeEnds(101);
    driver.slotEnds(0);
    driver.take();
    return driver;
  };

  test('is given up when an old worker is late: what lives stays, the new generation is in service', () => {
    const driver = turnedRound();
    expect(driver.late().take()).toStrictEqual(['end 107', 'partly 2 ended']);
    expect(driver.slots).toStrictEqual(['106/1', '104/2', '102/1']);
    expect(driver.pool).toMatchObject({ generation: 2, operation: undefined });
  });

  test('is given up when an old worker ends before it is up', () => {
    expect(turnedRound().candidateEnds().take()).toStrictEqual(['partly 2 ended']);
  });

  test('fills the slot of a new worker that ends while another one is ending', () => {
    const driver = new Driver(3).reload().candidateUp().retireeEnds(100).candidateUp().retireeEnds(101);
    driver.candidateUp().slotEnds(2);
    driver.candidateUp();
    driver.take();
    // 103 was followed by an old one and is ending; 104 is new and ends unasked.
    expect(driver.pool.reload?.stage).toBe('restoring');
    expect(driver.slotEnds(1).take()).toStrictEqual(['report-end', 'spawn 1: 108/1']);
    expect(driver.retireeEnds(103).take()).toStrictEqual(['rolled-back 2 ended']);
  });
});

describe('what belongs to another stage of a reload changes nothing', () => {
  const trying = (): Driver => new Driver(2).reload();
  const replacing = (): Driver => trying().candidateUp();
  const settling = (): Driver => replacing().retireeEnds(100).candidateUp().retireeEnds(101);
  const reverting = (): Driver => settling().slotEnds(0);
  const restoring = (): Driver => reverting().candidateUp();
  const strays: Record<string, (driver: Driver) => Driver> = {
    'the settle time': (driver) => driver.settle(),
    'a good answer': (driver) => driver.answer(),
    'a refusal': (driver) => driver.answer('no answer'),
    '--ready-timeout': (driver) => driver.late(),
    'a candidate that is up': (driver) => driver.candidateUp(),
    'the end of a candidate': (driver) => driver.candidateEnds(),
    'the end of a stranger': (driver) => driver.retireeEnds(4711),
  };
  const early = ['the settle time', 'a good answer', 'the end of a stranger'];
  const late = Object.keys(strays);
  const rows = [
    { stage: 'trying', reach: trying, ignored: early },
    { stage: 'replacing', reach: replacing, ignored: late },
    { stage: 'settling', reach: settling, ignored: late.slice(1) },
    { stage: 'reverting', reach: reverting, ignored: early },
    { stage: 'restoring', reach: restoring, ignored: late },
  ].flatMap(({ ignored, ...row }) => ignored.map((stray) => ({ ...row, stray })));

  test.each(rows)('$stage: $stray', ({ stage, reach, stray }) => {
    const driver = reach();
    const { slots } = driver;
    driver.take();
    expect(strays[stray]?.(driver).take()).toStrictEqual([]);
    expect(driver.pool.reload?.stage).toBe(stage);
    expect(driver.slots).toStrictEqual(slots);
  });
});

describe('a planned exit of a new worker', () => {
  test('fails a reload where nobody recycled before and it was short', () => {
    const driver = new Driver(1).reload().candidateUp().retireeEnds(100);
    expect(driver.slotEnds(0, exit(0)).candidateUp().take()).toContain('rolled-back 2 ended');
  });

  test('is replaced by its own generation once it has lived for --min-uptime', () => {
    const driver = new Driver(1).reload().candidateUp().retireeEnds(100);
    driver.take();
    driver.nowMs += testPolicy.minUptimeMs;
    expect(driver.slotEnds(0, exit(0)).take()).toStrictEqual(['report-end', 'spawn 0: 102/2']);
    expect(driver.settle().take()).toStrictEqual(['reloaded 2']);
  });

  test('is replaced by its own generation in a pool whose workers recycle', () => {
    const driver = new Driver(1).slotEnds(0, exit(0)).slotUp(0).reload();
    driver.candidateUp().retireeEnds(101);
    driver.take();
    expect(driver.slotEnds(0, exit(0)).take()).toStrictEqual(['report-end', 'spawn 0: 103/2']);
  });

  test('tells nothing of the workers of the other generation, of which a promoted one was seen up', () => {
    const driver = new Driver(2).reload().candidateUp().slotEnds(1, exit(0));
    expect(driver.pool.slots[1]?.memory.recycles).toBe(true);
    expect(driver.pool.slots[0]).toMatchObject({
      state: { kind: 'running', isSeen: true },
      memory: { recycles: false },
    });
  });

  test('fails a reload of a pool whose workers recycled under another program only', () => {
    const driver = new Driver(1).slotEnds(0, exit(0)).slotUp(0);
    driver
      .run(driver.pool.ask({ kind: 'restart' }))
      .retireeEnds(101)
      .slotUp(0)
      .reload();
    driver.candidateUp().retireeEnds(102);
    expect(driver.slotEnds(0, exit(0)).candidateUp().take()).toContain('rolled-back 3 ended');
  });
});

describe('a stop during a reload', () => {
  test('ends workers of both generations, the candidate too, and waits for all', () => {
    const driver = new Driver(2).reload().candidateUp().retireeEnds(100);
    driver.take();
    driver.run(driver.pool.stop());
    expect(driver.take().toSorted()).toStrictEqual(['end 101', 'end 102', 'end 103']);
    driver.retireeEnds(103);
    driver.slotEnds(0);
    expect(driver.take()).toStrictEqual([]);
    driver.slotEnds(1);
    expect(driver.take()).toStrictEqual(['stopped']);
  });

  test('waits for an old worker that is ending already', () => {
    const driver = new Driver(1).reload().candidateUp();
    driver.run(driver.pool.stop());
    driver.slotEnds(0);
    expect(driver.take()).not.toContain('stopped');
    expect(driver.retireeEnds(100).take()).toContain('stopped');
  });

  test('forgets the reload that was asked for', () => {
    const driver = new Driver(1).reload().reload();
    driver.run(driver.pool.stop());
    driver.retireeEnds(101);
    driver.slotEnds(0);
    expect(driver.take().filter((line) => line === 'reload-begun')).toHaveLength(1);
    expect(driver.reload().take()).toStrictEqual([]);
  });

  test('ends a candidate that is being started', () => {
    const pool = new Pool(1, testPolicy);
    pool.start();
    pool.handle(0, { kind: 'spawned', pid: 100, atMs: 1 });
    pool.up(100, 2, true);
    pool.ask({ kind: 'reload' });
    pool.stop();
    expect(pool.tried({ kind: 'try', slot: 0, generation: 2, step: 1 }, 101, 3)).toStrictEqual([
      { kind: 'terminate', slot: 0, pid: 101 },
    ]);
    pool.ended(100, exit(0), { atMs: 4, random: 0 });
    expect(pool.phase).toBe('stopping');
    expect(pool.ended(101, exit(0), { atMs: 5, random: 0 })).toStrictEqual([{ kind: 'stopped' }]);
  });
});

describe('a restart', () => {
  test('ends all workers, then starts all of a new generation, and is done when they are up', () => {
    const driver = new Driver(2);
    expect(driver.run(driver.pool.ask({ kind: 'restart' })).take()).toStrictEqual([
      'restart-begun',
      'end 100',
      'end 101',
    ]);
    expect(driver.retireeEnds(100).take()).toStrictEqual([]);
    expect(driver.retireeEnds(101).take()).toStrictEqual([
      'reset-socket',
      'spawn 0: 102/2',
      'spawn 1: 103/2',
    ]);
    expect(driver.slotUp(0).take()).toStrictEqual([]);
    expect(driver.slotUp(1).take()).toStrictEqual(['restarted 2 true']);
    expect(driver.pool).toMatchObject({ generation: 2, operation: undefined });
  });

  test('whose workers do not come up says so, and the slots back off', () => {
    const driver = new Driver(1);
    driver.execFails.add(2);
    driver.run(driver.pool.ask({ kind: 'restart' })).retireeEnds(100);
    expect(driver.take()).toStrictEqual([
      'restart-begun',
      'end 100',
      'reset-socket',
      'exec of 0 fails',
      'report-end',
      'retry-after',
      'restarted 2 false',
    ]);
  });

  test('is refused while something else is under way', () => {
    const driver = new Driver(1).reload();
    driver.take();
    expect(driver.run(driver.pool.ask({ kind: 'restart' })).take()).toStrictEqual([]);
  });

  test('lets a reload wait that is asked for meanwhile', () => {
    const driver = new Driver(1);
    driver.run(driver.pool.ask({ kind: 'restart' })).reload();
    driver.retireeEnds(100);
    expect(driver.take()).not.toContain('reload-begun');
    expect(driver.slotUp(0).take()).toStrictEqual(['restarted 2 true', 'reload-begun', 'try 0: 102/3']);
  });

  test('is over when the pool stops', () => {
    const driver = new Driver(1);
    driver.run(driver.pool.ask({ kind: 'restart' }));
    driver.run(driver.pool.stop());
    driver.take();
    expect(driver.retireeEnds(100).take()).toStrictEqual(['stopped']);
  });
});

describe('scaling', () => {
  test('up starts workers in new slots, of the generation in service', () => {
    const driver = new Driver(1).reload().complete();
    driver.take();
    expect(driver.run(driver.pool.ask({ kind: 'scale', workers: 3 })).take()).toStrictEqual([
      'spawn 1: 102/2',
      'spawn 2: 103/2',
      'scaled 3',
    ]);
  });

  test('down ends the workers of the highest slots', () => {
    const driver = new Driver(3);
    expect(driver.run(driver.pool.ask({ kind: 'scale', workers: 1 })).take()).toStrictEqual([
      'end 102',
      'end 101',
      'scaled 1',
    ]);
    expect(driver.slots).toStrictEqual(['100/1']);
    driver.run(driver.pool.stop());
    driver.slotEnds(0);
    expect(driver.take()).not.toContain('stopped');
    driver.retireeEnds(101).retireeEnds(102);
    expect(driver.take()).toContain('stopped');
  });

  test('down calls off the retry of a slot that waits', () => {
    const driver = new Driver(2).slotEnds(1);
    driver.slotEnds(1);
    driver.take();
    expect(driver.run(driver.pool.ask({ kind: 'scale', workers: 1 })).take()).toStrictEqual([
      'cancel-retry',
      'scaled 1',
    ]);
    expect(driver.run(driver.pool.handle(1, { kind: 'retry-due' })).take()).toStrictEqual([]);
  });

  test('during a reload is applied at its end', () => {
    const driver = new Driver(1).reload();
    driver.take();
    expect(driver.run(driver.pool.ask({ kind: 'scale', workers: 2 })).take()).toStrictEqual([]);
    expect(driver.pool.wanted).toBe(2);
    driver.complete();
    expect(driver.take().slice(-3)).toStrictEqual(['reloaded 2', 'spawn 1: 102/2', 'scaled 2']);
  });

  test('to the number that there is changes nothing', () => {
    const driver = new Driver(2);
    expect(driver.run(driver.pool.ask({ kind: 'scale', workers: 2 })).take()).toStrictEqual([]);
  });

  test('of a pool that stops is ignored', () => {
    const driver = new Driver(1);
    driver.run(driver.pool.stop());
    driver.take();
    expect(driver.run(driver.pool.ask({ kind: 'scale', workers: 4 })).take()).toStrictEqual([]);
  });
});

describe('a handover', () => {
  test('holds reloads and scaling back, but replaces workers', () => {
    const driver = new Driver(1);
    driver.run(driver.pool.ask({ kind: 'handover', isHeld: true }));
    expect(
      driver
        .reload()
        .run(driver.pool.ask({ kind: 'scale', workers: 2 }))
        .take(),
    ).toStrictEqual([]);
    expect(driver.slotEnds(0).take()).toStrictEqual(['report-end', 'spawn 0: 101/1']);
    expect(driver.run(driver.pool.ask({ kind: 'handover', isHeld: false })).take()).toStrictEqual([
      'reload-begun',
      'try 0: 102/2',
    ]);
    // Not a worker of the old generation first, only to be replaced.
    expect(driver.complete().take().slice(-3)).toStrictEqual(['reloaded 2', 'spawn 1: 103/2', 'scaled 2']);
  });

  test('and fewer workers are applied before the reload: what goes is not replaced first', () => {
    const driver = new Driver(2);
    driver
      .run(driver.pool.ask({ kind: 'handover', isHeld: true }))
      .reload()
      .run(driver.pool.ask({ kind: 'scale', workers: 1 }));
    expect(driver.run(driver.pool.ask({ kind: 'handover', isHeld: false })).take()).toStrictEqual([
      'end 101',
      'scaled 1',
      'reload-begun',
      'try 0: 102/2',
    ]);
  });
});
