// A pool under load on paper: clients, a queue, workers that take a fixed time for a request and another to start (M/D/c,
// or clients that wait for their answers), looked at as the guard looks. For the rules of src/core/scaling.
import { LoadScaling } from '../../../src/core/scaling/load-scaling.ts';
import type { WorkerRange } from '../../../src/core/scaling/worker-range.ts';

export interface ModelLoad {
  readonly range: WorkerRange;
  readonly idleTimeoutMs: number;
  readonly requestMs: number;
  readonly startMs: number;
  /** Requests a second that come by chance, at a time. */
  readonly ratePerS?: (atMs: number) => number;
  /** Clients that ask again `thinkMs` after an answer, at a time. */
  readonly clients?: (atMs: number) => number;
  readonly thinkMs?: number;
  readonly lastMs: number;
  /** In [0, 1). */
  readonly random: () => number;
  /** What the supervisor sees of the queue; default: all of it. */
  readonly isQueueHidden?: boolean;
}

export interface ModelChange {
  readonly atMs: number;
  readonly workers: number;
  readonly queued: number;
}

export interface ModelRun {
  readonly changes: readonly ModelChange[];
  readonly looks: number;
  readonly served: number;
  /** Of the requests that were served, in milliseconds. */
  readonly waits: readonly number[];
  /** When the queue was last found to be longer than nothing at a look. */
  readonly lastQueueMs: number;
  readonly workers: number;
}

interface ModelWorker {
  readonly upAtMs: number;
  busyUntilMs: number;
}

/** Numbers in [0, 1) that look like chance and are the same each time (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** 0 of none. */
export function maximum(numbers: readonly number[]): number {
  return numbers.reduce((most, number) => Math.max(most, number), 0);
}

/** Runs the load to its end. */
export function runLoad(load: ModelLoad): ModelRun {
  return new LoadRun(load).run();
}

class LoadRun {
  readonly #load: ModelLoad;
  readonly #scaling: LoadScaling;
  readonly #workers: ModelWorker[];
  /** When each waiting request came. */
  readonly #queue: number[] = [];
  readonly #changes: ModelChange[] = [];
  readonly #waits: number[] = [];
  readonly #events: { readonly atMs: number; readonly run: () => void }[] = [];
  #nowMs = 0;
  #clients = 0;
  #looks = 0;
  #lastQueueMs = 0;

  constructor(load: ModelLoad) {
    this.#load = load;
    this.#scaling = new LoadScaling(load.idleTimeoutMs, 60_000);
    this.#workers = Array.from({ length: load.range.min }, () => ({ upAtMs: 0, busyUntilMs: 0 }));
  }

  run(): ModelRun {
    this.#at(1000 * this.#load.random(), () => this.#look());
    if (this.#load.ratePerS) this.#arriveByChance(this.#load.ratePerS);
    if (this.#load.clients) this.#changeClients(this.#load.clients);
    for (let event = this.#events.shift(); event; event = this.#events.shift()) {
      if (event.atMs > this.#load.lastMs) break;
      this.#nowMs = event.atMs;
      event.run();
    }
    return {
      changes: this.#changes,
      looks: this.#looks,
      served: this.#waits.length,
      waits: this.#waits,
      lastQueueMs: this.#lastQueueMs,
      workers: this.#workers.length,
    };
  }

  /** In the order of their times, those of one time as they were made. */
  #at(atMs: number, run: () => void): void {
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#events[middle]?.atMs ?? 0) <= atMs) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, { atMs, run });
  }

  #arriveByChance(ratePerS: (atMs: number) => number): void {
    const rate = ratePerS(this.#nowMs);
    const pauseMs = rate > 0 ? (-Math.log(1 - this.#load.random()) * 1000) / rate : 100;
    this.#at(this.#nowMs + pauseMs, () => {
      if (rate > 0) this.#arrive();
      this.#arriveByChance(ratePerS);
    });
  }

  #changeClients(clients: (atMs: number) => number): void {
    while (this.#clients < clients(this.#nowMs)) {
      this.#clients++;
      this.#at(this.#nowMs + this.#load.random(), () => this.#arrive());
    }
    this.#at(this.#nowMs + 10, () => this.#changeClients(clients));
  }

  #arrive(): void {
    this.#queue.push(this.#nowMs);
    this.#serve();
  }

  #serve(): void {
    while (this.#queue.length > 0) {
      const worker = this.#workers.find((one) => this.#isIdle(one));
      if (!worker) return;
      this.#waits.push(this.#nowMs - (this.#queue.shift() ?? 0));
      worker.busyUntilMs = this.#nowMs + this.#load.requestMs;
      this.#at(worker.busyUntilMs, () => this.#answered());
    }
  }

  #answered(): void {
    if (this.#load.clients) this.#askAgain(this.#load.clients, this.#load.thinkMs ?? 0);
    this.#serve();
  }

  #askAgain(clients: (atMs: number) => number, thinkMs: number): void {
    if (this.#clients > clients(this.#nowMs)) this.#clients--;
    else this.#at(this.#nowMs + thinkMs * 2 * this.#load.random(), () => this.#arrive());
  }

  #isIdle({ upAtMs, busyUntilMs }: ModelWorker): boolean {
    return upAtMs <= this.#nowMs && busyUntilMs <= this.#nowMs;
  }

  #look(): void {
    const workers = this.#workers;
    const nowMs = this.#nowMs;
    const coming = workers.filter(({ upAtMs }) => upAtMs > nowMs);
    const queued = this.#queue.length;
    this.#looks++;
    if (queued > 0) this.#lastQueueMs = nowMs;
    const { decision, soonMs = 1000 } = this.#scaling.look(
      {
        nowMs,
        slots: workers.length,
        coming: coming.length,
        comingMs: Math.min(...coming.map(({ upAtMs }) => nowMs - (upAtMs - this.#load.startMs))),
        missing: 0,
        failing: 0,
        queued: this.#load.isQueueHidden ? undefined : queued,
        anyIdle: () => workers.some((one) => this.#isIdle(one)),
        isLastFree: () => workers.slice(-1).every((one) => this.#isIdle(one)),
      },
      this.#load.range,
    );
    if (decision.kind === 'scale') this.#scale(decision.workers);
    // A timer is never exact, or it would meet requests of a fixed time always at the same moment.
    this.#at(nowMs + soonMs + 3 * this.#load.random(), () => this.#look());
  }

  #scale(wanted: number): void {
    while (this.#workers.length > wanted) this.#workers.pop();
    while (this.#workers.length < wanted) this.#start();
    this.#changes.push({ atMs: this.#nowMs, workers: wanted, queued: this.#queue.length });
  }

  #start(): void {
    const upAtMs = this.#nowMs + this.#load.startMs;
    this.#workers.push({ upAtMs, busyUntilMs: upAtMs });
    this.#at(upAtMs, () => this.#serve());
  }
}
