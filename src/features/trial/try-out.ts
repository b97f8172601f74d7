// One worker beside the pool at somebody's wish (`spawn-fcgictl try`): of the generation in service, or of what a reload
// would take now. One at a time, and never beside the trial of a reload, which waits for its end.
import type { TrialRefusal, Trials } from '../../core/machine.ts';
import { TrialWorkers, type CommonTrialOptions, type TrialOptions } from './trial-worker.ts';

/** A generation that no pool has: pinned for one trial, and let go. */
const resolvedAnew = -1;

export type TryOptions = Pick<TrialOptions, 'ask' | 'begun'> & Required<Pick<TrialOptions, 'hear'>>;

export class TryOut {
  readonly #common: CommonTrialOptions;
  readonly #dropRelease: (generation: number) => void;
  #current: TrialWorkers | undefined;
  /** A reload's trial that waits for the end of ours. */
  #next: (() => void) | undefined;

  constructor(common: CommonTrialOptions, dropRelease: (generation: number) => void) {
    this.#common = common;
    this.#dropRelease = dropRelease;
  }

  get isUnderWay(): boolean {
    return this.#current !== undefined;
  }

  /**
   * Undefined as `generation`: what a reload would take. `done` is called once the worker is gone, unless it is
   * cancelled; `madeWay`: a reload waits.
   */
  begin(
    generation: number | undefined,
    options: TryOptions,
    looksWork: () => boolean,
    done: (refusal: TrialRefusal | undefined, madeWay: boolean) => void,
  ): void {
    const release = generation === undefined ? 'the new release' : 'the release in service';
    const trial = new TrialWorkers({ ...this.#common, ...options, release, isVital: true });
    this.#current = trial;
    this.#dropRelease(resolvedAnew);
    trial.run(generation ?? resolvedAnew, looksWork, (refusal) => {
      this.#leave();
      done(refusal, this.#next !== undefined);
      this.#goOn();
    });
  }

  /** Asks the worker to end; its `done` is told this reason. */
  end(reason: string): void {
    this.#current?.end(reason);
  }

  /** The trials of a reload, which ours makes way for. */
  before(trials: Trials): Trials {
    return {
      run: (generation, looksWork, done) => {
        if (!this.#current) return trials.run(generation, looksWork, done);
        this.#next = () => trials.run(generation, looksWork, done);
        this.end('a reload began');
      },
      cancel: () => {
        this.#next = undefined;
        this.#current?.cancel();
        this.#leave();
        trials.cancel();
      },
    };
  }

  #leave(): void {
    this.#current = undefined;
    this.#dropRelease(resolvedAnew);
  }

  #goOn(): void {
    const next = this.#next;
    this.#next = undefined;
    next?.();
  }
}
