// One look at the pool as its status: for the control socket, and for who else shows it.
import type { PoolStatus, PoolSummary } from '../../control/protocol.ts';
import type { Supervisor } from '../../supervisor/supervisor.ts';
import { systemClock } from '../../sys/process/clock.ts';
import type { SessionFreezer } from '../../sys/session/session-freeze.ts';
import type { PreparedPool } from '../../start/prepared-pool.ts';
import type { Feature } from '../feature.ts';
import type { FeatureList } from '../feature-list.ts';
import type { ReachCheck } from '../shared-socket/reach-check.ts';
import { describePool, summarizePool, type StatusSource } from './pool-status.ts';

export interface ViewOptions {
  readonly prepared: PreparedPool;
  readonly supervisor: Supervisor;
  readonly freezer: SessionFreezer;
  readonly reach: ReachCheck;
  readonly features: FeatureList;
  readonly signalName: (signal: number) => string | undefined;
  readonly describeErrno: (errno: number) => string;
}

export class PoolView implements Feature {
  readonly #options: ViewOptions;
  #upAtMs = systemClock.nowMs();

  constructor(options: ViewOptions) {
    this.#options = options;
  }

  /** Before those who show it. */
  serving(): void {
    this.#upAtMs = systemClock.nowMs();
  }

  status(): PoolStatus {
    return describePool(this.#source());
  }

  summary(): PoolSummary {
    return summarizePool(this.#source());
  }

  #source(): StatusSource {
    return {
      ...this.#options,
      config: this.#options.prepared.config,
      // As the caller typed it, for people.
      command: ['spawn-fcgi', ...process.argv.slice(2)],
      upAtMs: this.#upAtMs,
      nowMs: () => systemClock.nowMs(),
    };
  }
}
