// `--max-age`: a worker of that age is replaced. Each has a limit of its own, up to a tenth below, so that workers which
// started together are not all due together.
import type { Guard, LookedWorker, PoolLook } from './guard.ts';
import { describeDuration } from '../../core/text/amount-text.ts';

/** The most that chance takes off the age. */
const jitter = 0.1;

export class MaxAge implements Guard {
  readonly #maxAgeMs: number;
  readonly #random: () => number;
  /** By PID. */
  readonly #limits = new Map<number, number>();

  /** `random` in [0, 1). */
  constructor(maxAgeMs: number, random: () => number) {
    this.#maxAgeMs = maxAgeMs;
    this.#random = random;
  }

  look(look: PoolLook): void {
    const { nowMs } = look;
    this.#forgetGone(look.workers);
    const due = look.workers
      .map((worker) => ({ worker, overdueMs: nowMs - this.#dueMs(worker) }))
      .filter(({ overdueMs }) => overdueMs >= 0);
    const [oldest] = due.toSorted((one, other) => other.overdueMs - one.overdueMs);
    if (!oldest) return;
    const age = describeDuration(nowMs - oldest.worker.startedAtMs);
    look.replace(oldest.worker, { guard: 'max-age', text: `it was ${age} old (--max-age)` });
  }

  restMs({ nowMs, workers }: PoolLook): number {
    // Whoever starts from now on is due later than this.
    const newcomerMs = this.#maxAgeMs * (1 - jitter);
    return Math.min(newcomerMs, ...workers.map((worker) => this.#dueMs(worker) - nowMs));
  }

  #dueMs({ pid, startedAtMs }: LookedWorker): number {
    let limitMs = this.#limits.get(pid);
    if (limitMs === undefined) {
      limitMs = this.#maxAgeMs * (1 - jitter * this.#random());
      this.#limits.set(pid, limitMs);
    }
    return startedAtMs + limitMs;
  }

  #forgetGone(workers: readonly LookedWorker[]): void {
    const there = new Set(workers.map(({ pid }) => pid));
    for (const pid of this.#limits.keys()) if (!there.has(pid)) this.#limits.delete(pid);
  }
}
