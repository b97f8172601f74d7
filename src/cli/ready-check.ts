// Whether a pool whose workers are up is ready, where --ready or a takeover asks for more than that.
import type { Config } from '../core/config.ts';
import { exitStatus } from '../core/errors.ts';
import type { Supervisor } from '../supervisor/supervisor.ts';
import { systemClock } from '../sys/clock.ts';
import { readinessOf } from '../sys/waiting.ts';
import { askWorker } from './ask-worker.ts';
import type { PreparedPool } from './prepare-pool.ts';
import type { TrialWorkers } from './trial-worker.ts';

export interface ReadyCheckOptions {
  readonly config: Config;
  readonly prepared: PreparedPool;
  readonly supervisor: Supervisor;
  readonly trials: TrialWorkers;
  readonly isUp: () => boolean;
  /** The start is being undone. */
  readonly isAbandoned: () => boolean;
  readonly abandon: (reason: string, status: number) => void;
}

export class ReadyCheck {
  readonly #options: ReadyCheckOptions;

  constructor(options: ReadyCheckOptions) {
    this.#options = options;
  }

  /** With --ready, a start that is not up in time has failed. */
  watch(): void {
    const { config, prepared, isUp, abandon } = this.#options;
    if (config.ready === 'evidence' && !prepared.isTakingOver) return;
    systemClock.after(config.readyTimeoutMs, () => {
      if (!isUp()) abandon('the pool was not ready within --ready-timeout', exitStatus.notReady);
    });
  }

  /** --ready probe: the question waits in the queue since before the first worker. */
  whenAnswered(proceed: () => void): void {
    const { config, prepared } = this.#options;
    const { readyProbe, isTakingOver } = prepared;
    if (isTakingOver && config.ready === 'probe') return this.#whenTried(proceed);
    if (readyProbe === undefined) return proceed();
    askWorker(readyProbe, config.readyTimeoutMs, (refusal) => this.#decide(refusal, proceed));
  }

  /** Old workers would answer on the pool's socket: one of ours is asked on another. */
  #whenTried(proceed: () => void): void {
    const { prepared, supervisor, trials } = this.#options;
    const { generation, slots } = supervisor.pool;
    const looksWork = (): boolean =>
      slots.some(
        ({ state }) =>
          state.kind === 'running' && readinessOf(prepared.proc, state.pid, prepared.socket) === 'yes',
      );
    trials.run(generation, looksWork, (refusal) => this.#decide(refusal?.reason, proceed));
  }

  #decide(refusal: string | undefined, proceed: () => void): void {
    const { isAbandoned, abandon } = this.#options;
    if (isAbandoned()) return;
    if (refusal === undefined) proceed();
    else abandon(`--ready probe: ${refusal}`, exitStatus.notReady);
  }
}
