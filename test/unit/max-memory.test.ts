// `--max-memory`: which worker is replaced at which size, a program that is over it from its start, and one that is over it
// again and again.
import { describe, expect, test } from 'vitest';
import type { PoolEvent } from '../../src/core/text/pool-event.ts';
import type { LookedWorker, PoolLook } from '../../src/features/guards/guard.ts';
import { MaxMemory } from '../../src/features/guards/max-memory.ts';

const MB = 1024 ** 2;

/** A pool of workers with memory, each a process of its own unless `children` has more. */
class Weighed {
  readonly resident = new Map<number, number>();
  /** Where it is not the same; null: it may not be read. */
  readonly share = new Map<number, number | null>();
  readonly children = new Map<number, readonly number[]>();
  readonly events: PoolEvent[] = [];
  readonly replaced: string[] = [];
  shareReadings = 0;
  isBusy = false;
  /** When the next look is asked for, by the last one. */
  soonMs: number | undefined;
  nowMs = 1000;
  workers: LookedWorker[] = [];
  readonly guard: MaxMemory;

  constructor(limitMB: number) {
    this.guard = new MaxMemory(limitMB * MB, {
      memory: {
        residentBytes: (pid) => this.resident.get(pid),
        shareBytes: (pid) => {
          this.shareReadings++;
          const share = this.share.get(pid);
          return share === null ? undefined : (share ?? this.resident.get(pid));
        },
      },
      familyOf: (pid) => this.#membersOf(pid),
      log: { write: (event) => void this.events.push(event) },
    });
  }

  add(pid: number, sizeMB: number, generation = 1): this {
    this.grow(pid, sizeMB);
    const upAtMs = this.nowMs;
    this.workers.push({ slot: pid - 100, pid, startedAtMs: upAtMs, upAtMs, generation });
    return this;
  }

  grow(pid: number, sizeMB: number): this {
    this.resident.set(pid, sizeMB * MB);
    return this;
  }

  remove(pid: number): this {
    this.workers = this.workers.filter((worker) => worker.pid !== pid);
    this.resident.delete(pid);
    return this;
  }

  look(afterMs = 1000): this {
    this.nowMs += afterMs;
    this.soonMs = undefined;
    const look: Partial<PoolLook> = {
      nowMs: this.nowMs,
      workers: this.workers,
      turn: this.workers,
      membersOf: (pid) => this.#membersOf(pid),
      soon: (ms) => void (this.soonMs = ms),
      replace: ({ pid }, { guard, text }) => {
        if (!this.isBusy) this.replaced.push(`${pid} ${guard}: ${text}`);
        return !this.isBusy;
      },
    };
    this.guard.look(look as PoolLook);
    return this;
  }

  take(): string[] {
    return this.replaced.splice(0);
  }

  #membersOf(pid: number): number[] {
    return [pid, ...(this.children.get(pid) ?? [])];
  }
}

describe('a worker', () => {
  test('is replaced when it has more than the limit, and not when it has as much', () => {
    const pool = new Weighed(256).add(100, 50).add(101, 50).look();
    pool.grow(100, 256).look();
    expect(pool.take()).toStrictEqual([]);
    pool.grow(100, 257).look();
    expect(pool.take()).toStrictEqual(['100 max-memory: its memory was 257M (--max-memory 256M)']);
  });

  test('is the largest of those that are over it', () => {
    const pool = new Weighed(10).add(100, 5).add(101, 5).add(102, 5).look();
    pool.grow(100, 11).grow(101, 13).grow(102, 12).look();
    expect(pool.take()).toMatchObject([expect.stringMatching(/^101 /)]);
  });

  test('that is over it is looked at again soon, until it is replaced', () => {
    const pool = new Weighed(10).add(100, 5).add(101, 5).look();
    expect(pool.soonMs).toBeUndefined();
    pool.isBusy = true;
    pool.grow(100, 11).look();
    expect(pool.soonMs).toBe(100);
    pool.isBusy = false;
    pool.look();
    expect(pool.take()).toHaveLength(1);
    pool.remove(100).look();
    expect(pool.soonMs).toBeUndefined();
  });

  test('counts with all processes of its session, and those that share pages with the pages once', () => {
    const pool = new Weighed(100).add(100, 60);
    pool.children.set(100, [200, 201]);
    for (const pid of [200, 201]) pool.grow(pid, 60).share.set(pid, 20 * MB);
    pool.share.set(100, 20 * MB);
    pool.look();
    expect(pool.take()).toStrictEqual([]);
    pool.grow(200, 130).share.set(200, 65 * MB);
    pool.look();
    expect(pool.take()).toStrictEqual(['100 max-memory: its memory was 105M (--max-memory 100M)']);
  });

  test('counts with what ps shows where the kernel does not let us look at what is shared', () => {
    const pool = new Weighed(100).add(100, 60).look();
    pool.children.set(100, [200]);
    pool.grow(200, 60).share.set(200, null);
    pool.look();
    expect(pool.take()).toStrictEqual(['100 max-memory: its memory was 120M (--max-memory 100M)']);
  });

  test('that shares much is looked at closely again only when it has grown by half of what it may', () => {
    const pool = new Weighed(100).add(100, 150);
    pool.share.set(100, 60 * MB);
    pool.look().look().look();
    expect(pool.shareReadings).toBe(1);
    pool.grow(100, 169).look();
    expect(pool.shareReadings).toBe(1);
    pool.grow(100, 171).share.set(100, 81 * MB);
    pool.look();
    expect(pool.shareReadings).toBe(2);
    pool.look(31_000);
    expect(pool.shareReadings).toBe(3);
    expect(pool.take()).toStrictEqual([]);
  });

  test('that is gone is no reason for anything', () => {
    const pool = new Weighed(10).add(100, 5).look();
    pool.resident.delete(100);
    pool.look();
    expect([...pool.take(), ...pool.events]).toStrictEqual([]);
  });
});

describe('a program that has more from its start', () => {
  const told = {
    event: 'over-from-start',
    slot: 0,
    workerPid: 100,
    generation: 1,
    guard: 'max-memory',
    bytes: 300 * MB,
    limitBytes: 256 * MB,
  };

  test('is told of once a generation, and left alone whatever it grows to', () => {
    const pool = new Weighed(256).add(100, 300).add(101, 299).look().look();
    pool.grow(101, 900).look();
    expect(pool.take()).toStrictEqual([]);
    expect(pool.events).toStrictEqual([told]);
    pool.remove(100).remove(101).add(100, 310, 2).look().look();
    expect(pool.take()).toStrictEqual([]);
    expect(pool.events.slice(1)).toStrictEqual([{ ...told, generation: 2, bytes: 310 * MB }]);
  });

  test('is not one that was seen within the limit when it came up, however soon it is over it', () => {
    const pool = new Weighed(256).add(100, 20);
    pool.guard.promoted(0, 100);
    pool.grow(100, 300).look();
    expect(pool.take()).toHaveLength(1);
    expect(pool.events).toStrictEqual([]);
  });

  test('is not one of which another worker was within it', () => {
    const pool = new Weighed(256).add(100, 300).add(101, 20).look();
    expect(pool.take()).toStrictEqual(['100 max-memory: its memory was 300M (--max-memory 256M)']);
    expect(pool.events).toStrictEqual([]);
  });
});

describe('workers that are over the limit within seconds of being up', () => {
  /** One after the other comes up, and is over it at the next look. */
  function grind(pool: Weighed, first: number, count: number): number[] {
    const secondsEach: number[] = [];
    for (let pid = first; pid < first + count; pid++) {
      pool.add(pid, 20);
      pool.guard.promoted(0, pid);
      pool.grow(pid, 300);
      let seconds = 0;
      while (pool.take().length === 0) {
        pool.look();
        seconds++;
      }
      secondsEach.push(seconds);
      pool.remove(pid);
    }
    return secondsEach;
  }

  test('are replaced less and less often, every 10 s in the end, and told of once', () => {
    const pool = new Weighed(256);
    expect(grind(pool, 100, 11)).toStrictEqual([1, 1, 1, 1, 1, 2, 4, 8, 10, 10, 10]);
    expect(pool.events).toHaveLength(1);
    expect(pool.events[0]).toMatchObject({ event: 'warning', message: expect.stringContaining('--rlimit') });
  });

  test('are forgiven when one of them lasts', () => {
    const pool = new Weighed(256);
    grind(pool, 100, 8);
    pool.add(200, 20).look(30_000);
    pool.grow(200, 300).look();
    expect(pool.take()).toHaveLength(1);
    pool.remove(200);
    expect(grind(pool, 300, 3)).toStrictEqual([1, 1, 1]);
  });
});
