// What was seen of the pool in the last ten minutes by those who asked: nobody looks in between, and between two looks
// nothing is known. Bounded.
import type { PageLook } from './page/data.ts';

export interface Look {
  /** Connections that waited; undefined: the kernel does not tell. */
  readonly queue: number | undefined;
  /** Workers that held a connection. */
  readonly active: number;
  readonly up: number;
}

const keptMs = 600_000;
/** Looks that follow each other quicker are one: the most of what they saw. */
const apartMs = 1500;
const fields = 4;
const room = keptMs / apartMs;
/** There is no such queue. */
const unknown = -1;

export class RecentLooks {
  /** A ring of time, queue, active, up: 12.5 KB, once somebody asks. */
  #ring: Float64Array | undefined;
  #count = 0;

  add(atMs: number, { queue = unknown, active, up }: Look): void {
    const ring = (this.#ring ??= new Float64Array(room * fields));
    const last = ((this.#count - 1) % room) * fields;
    if (this.#count > 0 && atMs - Number(ring[last]) < apartMs) {
      const most = [queue, active, up].map((value, index) => Math.max(value, Number(ring[last + 1 + index])));
      ring.set(most, last + 1);
      return;
    }
    ring.set([atMs, queue, active, up], (this.#count % room) * fields);
    this.#count += 1;
  }

  /** Oldest first. */
  list(nowMs: number): PageLook[] {
    const ring = this.#ring ?? new Float64Array(0);
    const looks: PageLook[] = [];
    for (let index = Math.max(0, this.#count - room); index < this.#count; index++) {
      const [atMs = 0, queue = 0, active = 0, up = 0] = ring.subarray((index % room) * fields);
      const agoMs = Math.max(0, Math.round(nowMs - atMs));
      if (agoMs <= keptMs) looks.push([agoMs, queue === unknown ? null : queue, active, up]);
    }
    return looks;
  }
}
