// Whether a pool whose workers are up is ready, where --ready or a takeover asks for more than that.
import type { Config } from '../core/config.ts';
import { exitStatus } from '../core/errors.ts';
import type { Life } from '../core/life.ts';
import type { Trials } from '../core/machine.ts';
import { quote } from '../core/text/quote-words.ts';
import type { Supervisor } from '../supervisor/supervisor.ts';
import { systemClock } from '../sys/process/clock.ts';
import { connectIfRoom } from '../sys/connection/private-socket.ts';
import { askWorker } from '../features/trial/ask-worker.ts';
import type { PreparedPool } from '../start/prepared-pool.ts';
import type { StartVerdict } from '../start/start-verdict.ts';

const fullQueuePauseMs = 10;

export interface ReadyCheckOptions {
  readonly config: Config;
  readonly prepared: PreparedPool;
  readonly supervisor: Supervisor;
  readonly trials: Pick<Trials, 'run'>;
  readonly life: Pick<Life, 'state' | 'wasUp' | 'abandonment'>;
  readonly verdict: StartVerdict;
}

export class ReadyCheck {
  readonly #options: ReadyCheckOptions;

  constructor(options: ReadyCheckOptions) {
    this.#options = options;
  }

  /** With --ready, a start that is not up in time has failed. */
  watch(): void {
    const { config, prepared, life, verdict } = this.#options;
    if (config.ready === 'evidence' && !prepared.isTakingOver) return;
    systemClock.after(config.readyTimeoutMs, () => {
      if (!life.wasUp && !life.abandonment)
        verdict.abandon('the pool was not ready within --ready-timeout', exitStatus.notReady);
    });
  }

  /** --ready probe: the question waits in the queue since before the first worker. */
  whenAnswered(proceed: () => void): void {
    const { readyProbe } = this.#options.prepared;
    if (readyProbe === 'apart') return this.#whenTried(proceed);
    if (readyProbe === undefined) return proceed();
    if (readyProbe === 'queue-full') this.#whenThereIsRoom(proceed);
    else this.#ask(readyProbe, proceed);
  }

  /** Clients were there first: one more of them, for as long as the start may take. */
  #whenThereIsRoom(proceed: () => void): void {
    const { prepared, life } = this.#options;
    if (life.state.kind !== 'answering') return;
    try {
      const connection = connectIfRoom(prepared.socket.descriptor);
      if (connection !== undefined) return this.#ask(connection, proceed);
    } catch (error) {
      return this.#decide(`no connection to the pool's own socket: ${(error as Error).message}`, proceed);
    }
    systemClock.after(fullQueuePauseMs, () => this.#whenThereIsRoom(proceed));
  }

  #ask(connection: number, proceed: () => void): void {
    const { readyTimeoutMs } = this.#options.config;
    askWorker(connection, readyTimeoutMs, (refusal) => this.#decide(refusal, proceed));
  }

  /** On the pool's socket old workers would answer, or we do not reach it: one of ours is asked on another. */
  #whenTried(proceed: () => void): void {
    const { supervisor, trials } = this.#options;
    const looksWork = (): boolean => supervisor.looksWork();
    trials.run(supervisor.pool.generation, looksWork, (refusal) => {
      const words = refusal?.words ?? [];
      this.#decide(refusal?.reason, proceed, words.length > 0 ? quote('the program said', words) : []);
    });
  }

  #decide(refusal: string | undefined, proceed: () => void, hints: readonly string[] = []): void {
    const { life, verdict } = this.#options;
    if (life.state.kind !== 'answering') return;
    if (refusal === undefined) proceed();
    else verdict.abandon(`--ready probe: ${refusal}`, exitStatus.notReady, hints);
  }
}
