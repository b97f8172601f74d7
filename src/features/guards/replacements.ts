// What guards have replaced, and when they may try again after a successor that did not come up.
import type { Clock, EventLog } from '../../core/machine.ts';
import type { ReplacementReason, ReplacementWish } from '../../core/operations/replacement.ts';
import type { EventOf } from '../../core/text/pool-event.ts';
import type { PoolStatus, WorkerStatus } from '../../control/protocol.ts';
import type { ReplacementEnd } from '../../supervisor/outcome.ts';
import type { Supervisor } from '../../supervisor/supervisor.ts';
import type { LookedWorker } from './guard.ts';

/** After the first failure, doubling: a program that does not come up any more is no reason for a storm of starts. */
const firstRetryMs = 10_000;
const longestRetryMs = 600_000;

export interface ReplacementsOptions {
  readonly supervisor: Pick<Supervisor, 'pool' | 'replace'>;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: Pick<EventLog, 'write'>;
}

interface LastOfSlot {
  readonly count: number;
  readonly guard: string;
  readonly reason: string;
  readonly atMs: number;
}

export class Replacements {
  readonly #options: ReplacementsOptions;
  readonly #counts = new Map<string, number>();
  readonly #bySlot = new Map<number, LastOfSlot>();
  /** In a row, of this generation; another one deserves a try of its own. */
  #failures = 0;
  #failedGeneration = 0;
  #notBeforeMs = 0;

  constructor(options: ReplacementsOptions) {
    this.#options = options;
  }

  /** False: not now. */
  replace({ slot, pid }: LookedWorker, reason: ReplacementReason): boolean {
    const { supervisor, clock } = this.#options;
    const isSame = supervisor.pool.generation === this.#failedGeneration;
    if (!isSame) this.#failures = 0;
    if (this.#failures > 0 && clock.nowMs() < this.#notBeforeMs) return false;
    const wish = { slot, pid, reason };
    return supervisor.replace(wish, (end) => this.#ended(wish, end));
  }

  describe(): Pick<PoolStatus, 'replaced'> {
    return { replaced: Object.fromEntries(this.#counts) };
  }

  describeWorker(slot: number): Pick<WorkerStatus, 'replaced'> {
    const last = this.#bySlot.get(slot);
    if (!last) return { replaced: null };
    const { count, guard, reason, atMs } = last;
    return { replaced: { count, guard, reason, agoMs: Math.round(this.#options.clock.nowMs() - atMs) } };
  }

  #ended({ slot, pid, reason: { guard, text } }: ReplacementWish, { result, message }: ReplacementEnd): void {
    const nowMs = this.#options.clock.nowMs();
    if (result === 'replaced') {
      const count = (this.#bySlot.get(slot)?.count ?? 0) + 1;
      this.#failures = 0;
      this.#counts.set(guard, (this.#counts.get(guard) ?? 0) + 1);
      this.#bySlot.set(slot, { count, guard, reason: text, atMs: nowMs });
    } else if (result === 'failed') this.#fail({ slot, workerPid: pid, guard, reason: text, error: message });
  }

  /** Told at the first of a row. */
  #fail(failure: Omit<EventOf<'replacement-failed'>, 'event' | 'delayMs'>): void {
    const { supervisor, clock, log } = this.#options;
    const delayMs = Math.min(firstRetryMs * 2 ** this.#failures, longestRetryMs);
    this.#failures++;
    this.#failedGeneration = supervisor.pool.generation;
    this.#notBeforeMs = clock.nowMs() + delayMs;
    if (this.#failures === 1) log.write({ event: 'replacement-failed', ...failure, delayMs });
  }
}
