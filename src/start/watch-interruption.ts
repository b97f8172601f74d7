// A start that is interrupted before its workers run: INT, TERM, QUIT, HUP, or the
// end of the command. Handlers run between the start's steps, never inside one.
import { ignoreRealTimeSignals } from '../sys/process/exec-in-place.ts';
import type { Front } from '../sys/process/front.ts';
import { ignoredSignals } from './watch-signals.ts';

const frontLookMs = 10;
const signals = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP'] as const;
/** They mean nothing yet, and by default would end a start, or stop it for ever. */
const straySignals = [...ignoredSignals, 'SIGTTIN', 'SIGTTOU'] as const;

export interface InterruptionOptions {
  readonly front: Front | undefined;
  /**
   * In the foreground who asks us to stop means the pool, also workers that a killed supervisor has left: the end
   * waits until it is known whether there are any. If there are, the start goes on to where it can end them.
   */
  readonly meansOrphans: boolean;
  /** A signal that came before there was a handler, or empty. */
  readonly earlier: string | undefined;
  /** Ends the process. */
  readonly interrupted: (reason: string) => void;
}

export class Interruption {
  readonly #options: InterruptionOptions;
  readonly #onSignal = (signal: string): void => this.#note(`start interrupted by ${signal}`);
  readonly #overhear = (): void => undefined;
  readonly #look: NodeJS.Timeout;
  #waits: boolean;
  #reason: string | undefined;

  constructor(options: InterruptionOptions) {
    this.#options = options;
    this.#waits = options.meansOrphans;
    for (const signal of signals) process.on(signal, this.#onSignal);
    for (const signal of straySignals) process.on(signal, this.#overhear);
    ignoreRealTimeSignals();
    this.#look = setInterval(() => {
      if (options.front?.isGone()) this.#note('start interrupted: the command was ended');
    }, frontLookMs);
    if (options.earlier) this.#onSignal(options.earlier);
  }

  /** Why the pool must end as soon as its supervisor can do that. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Somebody else has the pool's lock: there is nothing of ours to be ended. */
  whileWaiting(): void {
    if (this.#reason !== undefined) this.#options.interrupted(this.#reason);
  }

  /** The lock is ours, and what a killed supervisor has left is known. */
  claimed(orphans: number): void {
    if (orphans > 0) return;
    this.#waits = false;
    this.whileWaiting();
  }

  /** Handlers of what follows are there. */
  stop(): void {
    clearInterval(this.#look);
    for (const signal of signals) process.off(signal, this.#onSignal);
    for (const signal of straySignals) process.off(signal, this.#overhear);
  }

  /** Whoever asks twice does not want to wait. */
  #note(reason: string): void {
    if (!this.#waits || this.#reason !== undefined) this.#options.interrupted(reason);
    this.#reason ??= reason;
  }
}
