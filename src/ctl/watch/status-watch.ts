// What `status --watch` sees of its pools at one moment, and again: pools come and go, and may not answer.
import { SpawnFcgiError } from '../../core/errors.ts';
import { printable } from '../../core/text/printable.ts';
import { PoolMeter, type Measured } from '../status/measure-pools.ts';
import { hasEnded, separate } from '../status/pool-answers.ts';
import type { PoolFinder } from '../target/find-pool.ts';
import { isDeadPool, type Pool } from '../target/pools.ts';
import type { MeasuredPool } from '../status/status-table.ts';
import { PoolQuestions, type SilentPool } from './pool-questions.ts';
import { Trends, type Trend } from './trends.ts';

export interface Frame {
  readonly measured: Measured;
  /** Of pools that were there the time before. */
  readonly trends: ReadonlyMap<MeasuredPool, Trend>;
  /** They have been asked, and have not answered yet. */
  readonly silent: readonly SilentPool[];
  /** What is to be said besides; printable. */
  readonly problems: readonly string[];
}

export interface WatchOptions {
  readonly target: string | undefined;
  /** Between two looks. */
  readonly intervalMs: number;
  /** How many looks; undefined: until somebody ends it. */
  readonly count: number | undefined;
  readonly timeoutMs: number | undefined;
  readonly openFinder: () => Promise<PoolFinder>;
}

/** A pool that takes longer is shown as one that has not answered, and the others are drawn. */
const leastPatienceMs = 1000;

export class StatusWatch {
  readonly #options: WatchOptions;
  readonly #questions: PoolQuestions;
  readonly #meter = new PoolMeter();
  readonly #trends = new Trends();
  #isFirst = true;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#questions = new PoolQuestions(options.timeoutMs);
  }

  /** The first time it throws what `status` would say of a target that leads nowhere; later that is part of the frame. */
  async look(intervalMs: number): Promise<Frame> {
    const finder = await this.#options.openFinder();
    try {
      const [pools, problems] = await this.#find(finder);
      this.#isFirst = false;
      return await this.#ask(pools, intervalMs, [...problems, ...this.#sayOf(finder)]);
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

  async #ask(pools: readonly Pool[], intervalMs: number, problems: readonly string[]): Promise<Frame> {
    const dead = pools.filter(isDeadPool);
    const living = pools.filter((pool) => !isDeadPool(pool));
    const patienceMs = Math.max(intervalMs, leastPatienceMs);
    const [answers, silent] = await this.#questions.ask(living, patienceMs);
    const [statuses, failures] = separate(answers.filter(({ pool, outcome }) => !hasEnded(pool, outcome)));
    const measured = await this.#meter.measure(statuses, dead);
    const trends = this.#trends.look(measured.pools, performance.now());
    return { measured, trends, silent, problems: [...failures.map(({ message }) => message), ...problems] };
  }
}
