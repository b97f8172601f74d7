// The guards of a pool on a fake machine: when they look, what a guard that fails does to the others, how often a replacement
// is tried that fails, whose turn it is, and `--max-age`.
import { describe, expect, test } from 'vitest';
import type { Guard, LookedWorker, PoolLook } from '../../src/features/guards/guard.ts';
import { Guards } from '../../src/features/guards/guards.ts';
import { MaxAge } from '../../src/features/guards/max-age.ts';
import { Turns } from '../../src/features/guards/turns.ts';
import type { ListenSocket } from '../../src/sys/socket/listen-socket.ts';
import { startFakePool, type FakePool } from '../helpers/models/index.ts';

/** What the process has spent, as far as guards are told. */
const spent = { ms: 0 };

interface GuardedPool extends FakePool {
  readonly guards: Guards;
}

function guard(pool: FakePool, ...all: readonly Guard[]): GuardedPool {
  const { machine, clock, supervisor } = pool;
  const freezer = { activity: () => 'idle' as const, connections: () => [] };
  const asked = { supervisor, freezer, sessions: undefined, socket: {} as ListenSocket };
  const spentMs = (): number => spent.ms;
  const guards = new Guards({ ...asked, guards: all, clock, log: machine.log, spentMs });
  guards.serving();
  return Object.assign(pool, { guards });
}

/** A guard that notes its looks. */
function watcher(act: (look: PoolLook) => void = () => undefined): Guard & { readonly looks: number[] } {
  const looks: number[] = [];
  return {
    looks,
    look(look) {
      looks.push(look.nowMs);
      act(look);
    },
  };
}

const wantsFirst = (look: PoolLook): void => {
  const [first] = look.workers;
  if (first) look.replace(first, { guard: 'test', text: 'it is the first' });
};

function comesUp({ machine, clock }: FakePool): void {
  machine.waiting.add(machine.spawned.at(-1) ?? 0);
  clock.advance(50);
  machine.reap();
}

describe('guards look', () => {
  test('when nobody has been served yet, then once a second, all of them at the same time', () => {
    const [one, other] = [watcher(), watcher()];
    const pool = guard(startFakePool(), one, other);
    const beganMs = pool.clock.nowMs();
    pool.clock.advance(3500);
    expect(one.looks).toStrictEqual([10, 1010, 2010, 3010].map((ms) => beganMs + ms));
    expect(other.looks).toStrictEqual(one.looks);
    expect(pool.clock.pending).toBe(1);
  });

  test('earlier while one of them asks for it, and as seldom as all of them allow', () => {
    let isBusy = true;
    const eager = watcher((look) => isBusy && look.soon(100));
    const lazy = Object.assign(watcher(), { restMs: () => 60_000 });
    const pool = guard(startFakePool(), Object.assign(eager, { restMs: () => 30_000 }), lazy);
    pool.clock.advance(450);
    expect(eager.looks).toHaveLength(5);
    isBusy = false;
    pool.clock.advance(100);
    expect(eager.looks).toHaveLength(6);
    pool.clock.advance(29_900);
    expect(eager.looks).toHaveLength(6);
    pool.clock.advance(1000);
    expect(eager.looks).toHaveLength(7);
  });

  test('as seldom as keeps what they cost below a hundredth of the processor', () => {
    const costly = watcher(() => void (spent.ms += 50));
    const pool = guard(startFakePool(), costly);
    pool.clock.advance(60_000);
    expect(costly.looks).toHaveLength(8);
  });

  test('not while another operation is under way, nor once the pool stops', () => {
    const one = watcher();
    const pool = guard(startFakePool(), one);
    pool.supervisor.setHandingOver(true);
    pool.clock.advance(5000);
    expect(one.looks).toHaveLength(0);
    pool.supervisor.setHandingOver(false);
    pool.clock.advance(1000);
    expect(one.looks).toHaveLength(1);
    pool.guards.stopping();
    pool.clock.advance(60_000);
    expect(one.looks).toHaveLength(1);
  });

  test('although one of them fails, which is told once', () => {
    const broken = watcher(() => {
      throw new Error('no luck');
    });
    const other = watcher();
    const pool = guard(startFakePool(), broken, other);
    pool.clock.advance(5000);
    expect(other.looks).toHaveLength(5);
    const told = pool.machine.events.filter(({ event }) => event === 'warning');
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ message: expect.stringContaining('no luck') as string });
  });
});

describe('a replacement that a guard wants', () => {
  test('is counted, for the pool and the slot', () => {
    const pool = guard(startFakePool(), watcher(wantsFirst));
    expect(pool.guards.describe()).toStrictEqual({ replaced: {} });
    expect(pool.guards.describeWorker(0)).toStrictEqual({ replaced: null });
    for (let round = 0; round < 2; round++) {
      pool.clock.advance(1000);
      comesUp(pool);
    }
    pool.clock.advance(500);
    expect(pool.guards.describe()).toStrictEqual({ replaced: { test: 2 } });
    expect(pool.guards.describeWorker(0)).toStrictEqual({
      replaced: { count: 2, guard: 'test', reason: 'it is the first', agoMs: 500 },
    });
  });

  test('and fails is told once, and tried again after 10 s, 20 s, and so on to 10 minutes', () => {
    const pool = guard(startFakePool(), watcher(wantsFirst));
    pool.machine.spawnErrnos = Array.from({ length: 100 }, () => 2);
    const tries: number[] = [];
    const beganMs = pool.clock.nowMs();
    for (let second = 0; second < 3600; second++) {
      const before = pool.machine.spawnErrnos.length;
      pool.clock.advance(1000);
      if (pool.machine.spawnErrnos.length < before) tries.push((pool.clock.nowMs() - beganMs) / 1000);
    }
    const pauses = tries.slice(1).map((at, index) => at - (tries[index] ?? 0));
    expect(pauses).toStrictEqual([10, 20, 40, 80, 160, 320, 600, 600, 600, 600]);
    expect(pool.machine.events).toStrictEqual([
      {
        event: 'replacement-failed',
        slot: 0,
        workerPid: 101,
        guard: 'test',
        reason: 'it is the first',
        error: "exec of '/srv/app' failed: error text 2",
        delayMs: 10_000,
      },
    ]);
    expect(pool.guards.describe()).toStrictEqual({ replaced: {} });
  });

  test('is tried at once in another generation', () => {
    const pool = guard(startFakePool(), watcher(wantsFirst));
    pool.machine.spawnErrnos = [2];
    pool.clock.advance(1000);
    pool.supervisor.reload();
    comesUp(pool);
    pool.clock.advance(5000);
    expect(pool.machine.live).toStrictEqual([102]);
    pool.clock.advance(1000);
    expect(pool.machine.live).toStrictEqual([102, 103]);
  });
});

describe('turns', () => {
  const workersOf = (slots: readonly number[]): LookedWorker[] =>
    slots.map((slot) => ({ slot, pid: 1000 + slot, startedAtMs: 0, upAtMs: 0, generation: 1 }));

  test('are everybody’s at once in a pool of up to a hundred', () => {
    const workers = workersOf([0, 1, 2]);
    const turns = new Turns();
    expect(turns.next(workers)).toStrictEqual(workers);
    expect(turns.next(workers)).toStrictEqual(workers);
  });

  test('come to everybody within as many looks as there are hundreds, whoever comes and goes', () => {
    const turns = new Turns();
    const all = workersOf(Array.from({ length: 250 }, (_unused, slot) => slot));
    const steady = all.filter(({ slot }) => slot % 7 !== 3);
    const seen = new Set([all, steady, all].flatMap((workers) => turns.next(workers)));
    expect(steady.filter((worker) => !seen.has(worker))).toStrictEqual([]);
    expect(turns.next(all)).toHaveLength(100);
  });
});

describe('--max-age', () => {
  const hourMs = 3_600_000;

  test('replaces the oldest worker that is due, each at an age of its own, and wakes up for that alone', () => {
    const randoms = [0, 0.5];
    const pool = guard(startFakePool({ workers: 2 }), new MaxAge(hourMs, () => randoms.shift() ?? 0));
    pool.clock.advance(0.94 * hourMs);
    expect(pool.machine.live).toStrictEqual([101, 102]);
    pool.clock.advance(0.015 * hourMs);
    expect(pool.machine.live).toStrictEqual([101, 102, 103]);
    comesUp(pool);
    expect(pool.machine.events.at(-1)).toMatchObject({
      event: 'worker-replaced',
      slot: 1,
      guard: 'max-age',
      reason: 'it was 57m old (--max-age)',
    });
    pool.clock.advance(0.06 * hourMs);
    expect(pool.machine.live).toStrictEqual([101, 103, 104]);
    comesUp(pool);
    expect(pool.machine.live).toStrictEqual([103, 104]);
    expect(pool.guards.describe()).toStrictEqual({ replaced: { 'max-age': 2 } });
  });

  test('needs no look before a worker is due', () => {
    let looks = 0;
    const maxAge = new MaxAge(hourMs, () => 0);
    const counting: Guard = {
      look: (look) => {
        looks++;
        maxAge.look(look);
      },
      restMs: (look) => maxAge.restMs(look),
    };
    const pool = guard(startFakePool({ workers: 4 }), counting);
    pool.clock.advance(0.89 * hourMs);
    expect(looks).toBe(1);
  });
});
