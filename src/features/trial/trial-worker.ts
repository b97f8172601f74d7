// Before a reload touches the pool: one worker of the new generation on a socket that
// nobody else can reach must come up, live for a while and, with `--ready probe`,
// answer. A release that cannot run is found out without a single real request. In a
// takeover with `--ready probe` the same: on the pool's socket old workers would answer.
import { describeChildEnd } from '../../core/text/end-text.ts';
import { everyStep } from '../../core/every-step.ts';
import { describeLeft, type LeftProcess } from '../../core/text/left-process.ts';
import type { WorkerExit } from '../../core/worker-exit.ts';
import type { TrialRefusal, Trials } from '../../core/machine.ts';
import type { Releases } from '../../sys/path/release.ts';
import { PrivateWorker, type PrivateWorkerOptions } from './private-worker.ts';

export interface TrialOptions extends PrivateWorkerOptions {
  readonly pathOf: Releases['pathOf'];
  readonly describeErrno: (errno: number) => string;
  readonly signalName: (signal: number) => string | undefined;
  /** Of the worker, in messages: `the new release`. */
  readonly release: string;
  /** By `--ready probe`, or for who wants an answer: it must answer on this connection, which is the asker's then. */
  readonly ask: Ask | undefined;
  /** Where there can be no private socket: undefined lets it pass with a warning. */
  readonly isVital: boolean;
  /** Its PID, at once. */
  readonly begun?: (pid: number) => void;
  /** It must live this long, and count as up then where nobody may look. */
  readonly trialMs: number;
  readonly settleMs: number;
  readonly timeoutMs: number;
  readonly warn: (message: string) => void;
}

/** Calls `done` with undefined for an answer, else with why there was none; the result stops asking. */
type Ask = (connection: number, done: (refusal: string | undefined) => void) => () => void;

const patienceMs = 1000;
/** After KILL; longer than this is a process that the kernel does not let go. */
const afterKillMs = 2000;
const youngPauseMs = 5;
const longPauseMs = 50;

interface Trial {
  readonly worker: PrivateWorker;
  readonly done: (refusal?: TrialRefusal) => void;
  readonly looksWork: () => boolean;
  isAnswered: boolean;
  stopAsking: () => void;
  timer: NodeJS.Timeout | undefined;
  /** Known, and only the worker's end is waited for. */
  verdict: { readonly refusal: TrialRefusal | undefined } | undefined;
}

/** What is the same for every trial of a pool. */
export type CommonTrialOptions = Omit<TrialOptions, 'release' | 'ask' | 'isVital' | 'begun'>;

export class TrialWorkers implements Trials {
  readonly #options: TrialOptions;
  #trial: Trial | undefined;

  constructor(options: TrialOptions) {
    this.#options = options;
  }

  run(generation: number, looksWork: () => boolean, done: (refusal?: TrialRefusal) => void): void {
    const { pathOf, describeErrno, warn, ask, isVital, release, begun } = this.#options;
    let worker: ReturnType<typeof PrivateWorker.start>;
    try {
      worker = PrivateWorker.start(this.#options, generation, ask !== undefined, (ended, exit) =>
        this.#noteEnd(ended, exit),
      );
    } catch (error) {
      const message = `${release} is not tried, there can be no socket beside the pool: ${(error as Error).message}`;
      if (isVital) done({ reason: message, isLate: false });
      else {
        warn(message);
        done();
      }
      return;
    }
    if ('errno' in worker) {
      const reason = `exec of '${pathOf(generation)}' failed: ${describeErrno(worker.errno)}`;
      done({ reason, isLate: false });
      return;
    }
    begun?.(worker.pid);
    this.#begin({
      worker,
      done,
      looksWork,
      isAnswered: worker.connection === undefined,
      stopAsking: () => undefined,
      timer: undefined,
      verdict: undefined,
    });
  }

  /** Ends a trial that is under way; its `done` is told this reason. */
  end(reason: string): void {
    if (this.#trial) this.#conclude(this.#trial, reason);
  }

  cancel(): void {
    const trial = this.#trial;
    if (!trial) return;
    this.#forget(trial);
    if (!trial.worker.signal('SIGKILL')) trial.worker.leave('refused');
  }

  /** Of the one that is judged, or of one that nobody waits for any more. */
  #noteEnd(worker: PrivateWorker, exit: WorkerExit): void {
    const trial = this.#trial?.worker === worker ? this.#trial : undefined;
    const words = trial && this.#forget(trial);
    this.#takeSteps(() => worker.endLeftovers());
    const how = describeChildEnd(exit, this.#options.signalName);
    const reason = `a worker of ${this.#options.release} (PID ${worker.pid}) ${how} on trial`;
    const refusal = trial?.verdict ? trial.verdict.refusal : { reason, isLate: false };
    trial?.done(refusal && { ...refusal, words: words ?? [] });
  }

  #begin(trial: Trial): void {
    this.#trial = trial;
    const { connection } = trial.worker;
    const { ask } = this.#options;
    if (connection !== undefined && ask) {
      // The look at the trial knows when it is late.
      trial.stopAsking = ask(connection, (refusal) => {
        if (refusal === undefined) trial.isAnswered = true;
        else this.#conclude(trial, refusal);
      });
    }
    this.#lookIn(trial, youngPauseMs);
  }

  #lookIn(trial: Trial, delayMs: number): void {
    trial.timer = setTimeout(() => this.#look(trial), delayMs);
  }

  #look(trial: Trial): void {
    const { trialMs, timeoutMs } = this.#options;
    const { ageMs } = trial.worker;
    if (trial.isAnswered && ageMs >= trialMs && this.#isUp(trial, ageMs)) {
      this.#conclude(trial, this.#refuseByFlags(trial));
    } else if (ageMs >= timeoutMs) {
      this.#conclude(trial, `a worker of ${this.#options.release} was not up within --ready-timeout`, true);
    } else {
      const untilOldEnoughMs = trialMs - ageMs;
      this.#lookIn(trial, untilOldEnoughMs > 0 ? untilOldEnoughMs : ageMs < 500 ? youngPauseMs : longPauseMs);
    }
  }

  #isUp(trial: Trial, ageMs: number): boolean {
    const evidence = trial.worker.evidence();
    if (evidence === 'yes') return true;
    // "No" means something only if the same look finds old workers waiting.
    return ageMs >= this.#options.settleMs && (evidence === 'unknown' || !trial.looksWork());
  }

  /**
   * All workers share one open file description: a program that sets O_NONBLOCK on it breaks the
   * old workers, whose accept then fails at once, and they could not even be started again.
   */
  #refuseByFlags({ worker }: Trial): string | undefined {
    return worker.breaksBlocking
      ? `${this.#options.release} makes the shared socket non-blocking, which the workers in service do not: use restart`
      : undefined;
  }

  /** The verdict is told once the worker is gone: there is never more than one too many. */
  #conclude(trial: Trial, reason: string | undefined, isLate = false): void {
    if (this.#trial !== trial || trial.verdict) return;
    trial.verdict = { refusal: reason === undefined ? undefined : { reason, isLate } };
    trial.stopAsking();
    clearTimeout(trial.timer);
    trial.worker.signal('SIGTERM');
    trial.timer = setTimeout(() => this.#kill(trial), patienceMs);
  }

  #kill(trial: Trial): void {
    if (!trial.worker.signal('SIGKILL')) this.#leave(trial, 'refused');
    else trial.timer = setTimeout(() => this.#leave(trial, 'stuck'), afterKillMs);
  }

  /** Nothing ends it: whoever waits for the verdict must not wait for ever. No release that cannot be ended is good. */
  #leave(trial: Trial, why: LeftProcess['why']): void {
    const { pid } = trial.worker;
    trial.worker.leave(why);
    const words = this.#forget(trial);
    const reason = `a worker of ${this.#options.release} cannot be ended: ${describeLeft([{ pid, why }])}`;
    trial.done({ ...(trial.verdict?.refusal ?? { reason, isLate: false }), words });
  }

  /** The result is what the worker said last. */
  #forget(trial: Trial): string[] {
    this.#trial = undefined;
    clearTimeout(trial.timer);
    let words: string[] = [];
    this.#takeSteps(trial.stopAsking, () => (words = trial.worker.forget()));
    return words;
  }

  /** Whoever waits for the verdict gets it, whatever fails on the way. */
  #takeSteps(...steps: readonly (() => void)[]): void {
    everyStep(({ message }) => this.#options.warn(`a trial: ${message}`), ...steps);
  }
}
