// Clients that come and go in steps, each with a request under way at any time, and what became of the pool meanwhile:
// workers and queue as /proc has them, sampled from outside, so that every supervisor is looked at alike.
import { readFileSync } from 'node:fs';
import { childrenOf } from '../helpers/machine/processes.ts';
import { fastcgiRequest } from '../helpers/web/fastcgi-client.ts';

export interface LoadStep {
  readonly clients: number;
  readonly seconds: number;
}

export interface LoadedPool {
  readonly socket: string;
  /** Its children are the workers. */
  readonly supervisor: number;
  readonly params: Readonly<Record<string, string>>;
  /** Whether that is an answer. */
  readonly isGood: (text: string) => boolean;
}

export interface Point {
  readonly atMs: number;
  readonly clients: number;
  readonly workers: number;
  readonly queued: number;
}

export interface SteppedRun {
  readonly points: readonly Point[];
  readonly answered: number;
  /** What became of each of the others. */
  readonly lost: readonly string[];
  readonly slowestMs: number;
}

const sampleMs = 25;
/** Nobody waits longer: the queue of a pool that is too small is short enough. */
const timeoutMs = 60_000;

export async function runSteps(pool: LoadedPool, steps: readonly LoadStep[]): Promise<SteppedRun> {
  const load = new SteppedLoad(pool);
  const begin = performance.now();
  let endMs = 0;
  for (const { clients, seconds } of steps) {
    load.change(clients);
    endMs += seconds * 1000;
    while (performance.now() - begin < endMs) {
      load.sample(performance.now() - begin);
      await new Promise((resolve) => setTimeout(resolve, sampleMs));
    }
  }
  return load.end();
}

class SteppedLoad {
  readonly #pool: LoadedPool;
  readonly #points: Point[] = [];
  readonly #lost: string[] = [];
  readonly #clients = new Set<Promise<void>>();
  #wanted = 0;
  #answered = 0;
  #slowestMs = 0;

  constructor(pool: LoadedPool) {
    this.#pool = pool;
  }

  change(clients: number): void {
    this.#wanted = clients;
    while (this.#clients.size < clients) {
      const client = this.#ask().finally(() => this.#clients.delete(client));
      this.#clients.add(client);
    }
  }

  sample(atMs: number): void {
    const { supervisor, socket } = this.#pool;
    const workers = childrenOf(supervisor).length;
    this.#points.push({ atMs, clients: this.#clients.size, workers, queued: queueOf(socket) });
  }

  async end(): Promise<SteppedRun> {
    this.#wanted = 0;
    await Promise.all(this.#clients);
    const { length } = this.#points;
    const points = this.#points.filter((point, index) => {
      const before = this.#points[index - 1];
      return index === 0 || index === length - 1 || !before || !isSame(point, before);
    });
    return { points, answered: this.#answered, lost: this.#lost, slowestMs: this.#slowestMs };
  }

  async #ask(): Promise<void> {
    const { socket: socketPath, params, isGood } = this.#pool;
    // The others look whether there are too many of them.
    await Promise.resolve();
    while (this.#clients.size <= this.#wanted) {
      const begin = performance.now();
      try {
        const { stdout } = await fastcgiRequest({ socketPath }, params, '', { timeoutMs });
        if (isGood(stdout)) this.#answered++;
        else this.#lost.push(`no answer: ${stdout.slice(0, 80)}`);
      } catch (error) {
        this.#lost.push((error as Error).message);
      }
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - begin);
    }
  }
}

function isSame(one: Point, other: Point): boolean {
  return one.clients === other.clients && one.workers === other.workers && one.queued === other.queued;
}

/** Connections to it that nobody has accepted (proc(5), /proc/net/unix: state 2). */
function queueOf(socket: string): number {
  const lines = readFileSync('/proc/net/unix', 'utf8').split('\n');
  return lines.filter((line) => line.endsWith(socket) && / 02 +\d+ \S+$/.test(line)).length;
}
