// What `status --watch` sees of its pools at one moment, and again: pools come and go, and may not answer.
import { SpawnFcgiError } from '../../core/errors.ts';
import { printable } from '../../core/text/printable.ts';
import { PoolMeter, type Measured } from '../status/measure-pools.ts';
import { hasEnded, separate } from '../status/pool-answers.ts';
import type { PoolFinder } from '../target/find-pool.ts';
import { isDeadPool, type Pool } from '../target/pools.ts';
import { PoolQuestions, type SilentPool } from './pool-questions.ts';

export interface Frame {
  readonly measured: Measured;
  /** They have been asked, and have not answered yet. */
  readonly silent: readonly SilentPool[];
  /** What is to be said besides; printable. */
  readonly problems: readonly string[];
}

export interface WatchOptions {
  readonly target: string | undefined;
  readonly intervalMs: number;
  readonly timeoutMs: number | undefined;
  readonly openFinder: () => Promise<PoolFinder>;
}

/** A pool that takes longer is shown as one that has not answered, and the others are drawn. */
const leastPatienceMs = 1000;

export class StatusWatch {
  readonly #options: WatchOptions;
  readonly #questions: PoolQuestions;
  readonly #meter = new PoolMeter();
  #isFirst = true;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#questions = new PoolQuestions(options.timeoutMs);
  }

  /** The first time it throws what `status` would say of a target that leads nowhere; later that is part of the frame. */
  async look(): Promise<Frame> {
    const finder = await this.#options.openFinder();
    try {
      const [pools, problems] = await this.#find(finder);
      this.#isFirst = false;
      return await this.#ask(pools, [...problems, ...this.#sayOf(finder)]);
    } finally {
      finder.close();
    }
  }

  async #find(finder: PoolFinder): Promise<[Pool[], string[]]> {
    const { target } = this.#options;
    if (target === undefined) return [finder.all(), []];
    try {
      return [[await finder.find(target)], []];
    } catch (error) {
      if (this.#isFirst || !(error instanceof SpawnFcgiError)) throw error;
      return [[], [error.message]];
    }
  }

  #sayOf({ hiddenCount, problem }: PoolFinder): string[] {
    const hidden =
      this.#options.target === undefined && hiddenCount > 0
        ? [`not shown: ${hiddenCount} of other users`]
        : [];
    return problem === undefined ? hidden : [...hidden, printable(problem)];
  }

  async #ask(pools: readonly Pool[], problems: readonly string[]): Promise<Frame> {
    const dead = pools.filter(isDeadPool);
    const living = pools.filter((pool) => !isDeadPool(pool));
    const patienceMs = Math.max(this.#options.intervalMs, leastPatienceMs);
    const [answers, silent] = await this.#questions.ask(living, patienceMs);
    const [statuses, failures] = separate(answers.filter(({ pool, outcome }) => !hasEnded(pool, outcome)));
    const measured = await this.#meter.measure(statuses, dead);
    return { measured, silent, problems: [...failures.map(({ message }) => message), ...problems] };
  }
}
