// `--workers MIN-MAX`, and `spawn-fcgictl scale A-B` of any pool: looks at the load, and has the supervisor start a worker
// more or end one. What a look shows becomes the facts that src/core/scaling decides by.
import type { Config } from '../../core/config.ts';
import type { EventLog } from '../../core/machine.ts';
import { livePid, type Slot } from '../../core/pool/slot-state.ts';
import type { WorkerMemory } from '../../core/scaling/first-workers.ts';
import { LoadScaling, type Blindness, type LoadLook } from '../../core/scaling/load-scaling.ts';
import { describeRange } from '../../core/scaling/worker-range.ts';
import { plural } from '../../core/text/amount-text.ts';
import { WorkerBounds, type AskedWorkers, type NewWorkers } from '../../core/scaling/worker-bounds.ts';
import type { PoolStatus } from '../../control/protocol.ts';
import type { Gift } from '../../start/source/handover-lines.ts';
import type { Supervisor } from '../../supervisor/supervisor.ts';
import type { Guard, PoolLook } from './guard.ts';

/** By which the next supervisor finds how many there were. */
export const scalingName = 'scaling';

export interface WorkerScalingOptions {
  readonly config: Pick<Config, 'range' | 'processors' | 'idleTimeoutMs' | 'readyTimeoutMs'>;
  readonly supervisor: Pick<Supervisor, 'pool' | 'scale' | 'unendable'>;
  readonly log: Pick<EventLog, 'write'>;
  readonly nowMs: () => number;
  /** It has something to look at now. */
  readonly wake: () => void;
}

interface LastScaling {
  readonly from: number;
  readonly to: number;
  readonly reason: string;
  readonly atMs: number;
}

export class WorkerScaling implements Guard {
  readonly name = scalingName;
  readonly neverReplaces = true;
  readonly #options: WorkerScalingOptions;
  readonly #bounds: WorkerBounds;
  #load: LoadScaling;
  #last: LastScaling | undefined;
  /** What was told, for whoever asks later. */
  #note: string | undefined;
  /** Somebody has set other bounds than the command line's. */
  #isMoved = false;

  constructor(options: WorkerScalingOptions) {
    this.#options = options;
    this.#bounds = new WorkerBounds(options.config.range);
    this.#load = this.#begin();
  }

  isOff(): boolean {
    return !this.#bounds.areApart;
  }

  /** What would become of the pool; changes nothing. */
  after(asked: AskedWorkers): NewWorkers {
    return this.#bounds.after(asked, this.#options.supervisor.pool.wanted);
  }

  /** Somebody has asked for it. */
  apply({ range, workers }: NewWorkers): void {
    const { min, max } = this.#options.config.range;
    this.#bounds.set(range);
    this.#isMoved = range.min !== min || range.max !== max;
    this.#last = this.#note = undefined;
    this.#load = this.#begin();
    this.#options.supervisor.scale(workers);
    if (!this.isOff()) this.#options.wake();
  }

  /** So many more or fewer, by a signal; why not. */
  move(by: number): string | undefined {
    const { pool, unendable } = this.#options.supervisor;
    const next = this.after({ kind: 'difference', by });
    // Without bounds the least is what one gets, as ever.
    if (!this.isOff() && next.workers === pool.wanted)
      return `there ${next.workers === 1 ? 'is' : 'are'} ${plural(next.workers, 'worker')} already, of ${describeRange(next.range)}`;
    if (by < 0 && unendable !== undefined) return unendable;
    this.apply(next);
    return undefined;
  }

  look(look: PoolLook): void {
    const { range } = this.#bounds;
    const { decision, soonMs } = this.#load.look(this.#factsOf(look), range);
    if (soonMs !== undefined) look.soon(soonMs);
    switch (decision.kind) {
      case 'stay':
        return;
      case 'scale':
        return this.#scale(decision.workers, decision.reason, look.nowMs);
      case 'at-max': {
        const { queued } = decision;
        this.#options.log.write({ event: 'workers-exhausted', workers: range.max, queued });
        return;
      }
      case 'blind':
        this.#note = blindness[decision.to];
        this.#options.log.write({ event: 'warning', message: this.#note });
    }
  }

  gives(): Pick<Gift, 'descriptors' | 'data'> {
    return { descriptors: [], data: this.remembers() };
  }

  remembers(): WorkerMemory {
    return { workers: this.#options.supervisor.pool.wanted };
  }

  describe(): Pick<PoolStatus, 'scaling'> {
    const { config, nowMs } = this.#options;
    if (this.isOff() && !this.#isMoved && config.processors === undefined) return {};
    const last = this.#last && {
      from: this.#last.from,
      to: this.#last.to,
      reason: this.#last.reason,
      agoMs: Math.round(nowMs() - this.#last.atMs),
    };
    return {
      scaling: {
        ...this.#bounds.range,
        processors: this.#isMoved ? null : (config.processors ?? null),
        last: last ?? null,
        note: this.#note ?? null,
      },
    };
  }

  #begin(): LoadScaling {
    const { idleTimeoutMs, readyTimeoutMs } = this.#options.config;
    return new LoadScaling(idleTimeoutMs, readyTimeoutMs);
  }

  #scale(workers: number, reason: string, atMs: number): void {
    const { supervisor } = this.#options;
    this.#last = { from: supervisor.pool.slots.length, to: workers, reason, atMs };
    supervisor.scale(workers, reason);
  }

  #factsOf(look: PoolLook): LoadLook {
    const { pool } = this.#options.supervisor;
    const { nowMs } = look;
    const notUp = pool.slots.flatMap(({ state }, slot) =>
      state.kind === 'running' ? [] : [{ state, slot }],
    );
    const coming = notUp.filter(({ slot }) => pool.isGrown(slot));
    const ages = coming.map(({ state }) => (state.kind === 'starting' ? nowMs - state.startedAtMs : 0));
    return {
      nowMs,
      slots: pool.slots.length,
      coming: coming.length,
      comingMs: Math.min(...ages),
      missing: notUp.length - coming.length,
      failing: notUp.filter(({ state }) => state.kind === 'backoff').length,
      queued: look.queued(),
      anyIdle: () => anyIdle(look),
      isLastFree: () => isFree(pool.slots.at(-1), look),
    };
  }
}

/** By the first one that is: of many workers most need not be looked at. */
function anyIdle(look: PoolLook): boolean | undefined {
  let isAnySeen = look.workers.length === 0;
  for (const { pid } of look.workers) {
    const activity = look.activityOf(pid);
    if (activity === 'idle') return true;
    isAnySeen ||= activity !== 'unknown';
  }
  return isAnySeen ? false : undefined;
}

/** A slot without a worker has nobody who could be at work. One that starts may take a connection at any moment. */
function isFree(slot: Slot | undefined, look: PoolLook): boolean {
  if (!slot || slot.state.kind === 'starting') return false;
  const pid = livePid(slot);
  return pid === undefined || look.activityOf(pid) === 'idle';
}

const blindness: Readonly<Record<Blindness, string>> = {
  queue:
    'the kernel does not tell how many connections wait: a worker more is started each time that nobody was idle for some seconds',
  workers:
    'the workers may not be looked into: the pool grows while connections wait, and does not shrink by itself (spawn-fcgictl scale does that)',
  both: 'the kernel tells neither how many connections wait nor what the workers do: their number stays what it is (spawn-fcgictl scale sets it)',
};
