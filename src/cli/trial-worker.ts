// Before a reload touches the pool: one worker of the new generation on a socket that
// nobody else can reach must come up, live for a while and, with `--ready probe`,
// answer. A release that cannot run is found out without a single real request. In a
// takeover with `--ready probe` the same: on the pool's socket old workers would answer.
import { closeSync } from 'node:fs';
import type { Evidence, Sessions, TrialRefusal, Trials } from '../supervisor/interfaces.ts';
import type { ListenSocket } from '../sys/listen-socket.ts';
import { isNonBlocking } from '../sys/non-blocking.ts';
import { listenPrivately, type PrivateSocket } from '../sys/private-socket.ts';
import type { Releases } from '../sys/release.ts';
import { askWorker } from './ask-worker.ts';

export interface TrialOptions {
  readonly spawnOn: Releases['spawnOn'];
  readonly pathOf: Releases['pathOf'];
  readonly poolSocket: ListenSocket;
  readonly sessions: Pick<Sessions, 'signalWorkers' | 'signalLeftovers'>;
  readonly evidenceOn: (pid: number, socket: Pick<ListenSocket, 'descriptor' | 'inode'>) => Evidence;
  readonly describeErrno: (errno: number) => string;
  /** `--ready probe`. */
  readonly asks: boolean;
  /** It must live this long, and count as up then where nobody may look. */
  readonly trialMs: number;
  readonly settleMs: number;
  readonly timeoutMs: number;
  readonly warn: (message: string) => void;
  /** Hears of the worker's socket before it has a worker: the next start must find that, should we be killed. */
  readonly onSocket: (inode: string | undefined) => void;
}

const patienceMs = 1000;
const youngPauseMs = 5;
const longPauseMs = 50;

interface Trial {
  readonly pid: number;
  readonly socket: PrivateSocket;
  readonly startedAtMs: number;
  readonly done: (refusal?: TrialRefusal) => void;
  readonly looksWork: () => boolean;
  isAnswered: boolean;
  stopAsking: () => void;
  timer: NodeJS.Timeout | undefined;
  /** Known, and only the worker's end is waited for. */
  verdict: { readonly refusal: TrialRefusal | undefined } | undefined;
}

export class TrialWorkers implements Trials {
  readonly #options: TrialOptions;
  #trial: Trial | undefined;

  constructor(options: TrialOptions) {
    this.#options = options;
  }

  run(generation: number, looksWork: () => boolean, done: (refusal?: TrialRefusal) => void): void {
    const { spawnOn, pathOf, poolSocket, describeErrno, warn, asks, onSocket } = this.#options;
    let socket: PrivateSocket;
    try {
      socket = listenPrivately(poolSocket.descriptor, asks);
    } catch (error) {
      const message = `the new release is not tried beside the pool first: ${(error as Error).message}`;
      if (asks) done({ reason: message, isLate: false });
      else {
        warn(message);
        done();
      }
      return;
    }
    onSocket(socket.inode);
    const result = spawnOn(generation, socket.descriptor);
    if ('errno' in result) {
      onSocket(undefined);
      closeSync(socket.descriptor);
      if (socket.connection !== undefined) closeSync(socket.connection);
      done({
        reason: `exec of '${pathOf(generation)}' failed: ${describeErrno(result.errno)}`,
        isLate: false,
      });
      return;
    }
    this.#begin({
      pid: result.pid,
      socket,
      startedAtMs: performance.now(),
      done,
      looksWork,
      isAnswered: socket.connection === undefined,
      stopAsking: () => undefined,
      timer: undefined,
      verdict: undefined,
    });
  }

  /** A child ended; true when it was the worker on trial. */
  childEnded(pid: number): boolean {
    const trial = this.#trial;
    if (trial?.pid !== pid) return false;
    this.#forget(trial);
    // What it left of its session must not stay.
    this.#options.sessions.signalLeftovers([pid], 'SIGKILL');
    const reason = `a worker of the new release (PID ${pid}) ended on trial`;
    trial.done(trial.verdict ? trial.verdict.refusal : { reason, isLate: false });
    return true;
  }

  cancel(): void {
    const trial = this.#trial;
    if (!trial) return;
    this.#forget(trial);
    this.#options.sessions.signalWorkers([trial.pid], 'SIGKILL');
  }

  #begin(trial: Trial): void {
    this.#trial = trial;
    const { connection } = trial.socket;
    if (connection !== undefined) {
      // The look at the trial knows when it is late.
      trial.stopAsking = askWorker(connection, undefined, (refusal) => {
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
    const ageMs = performance.now() - trial.startedAtMs;
    if (trial.isAnswered && ageMs >= trialMs && this.#isUp(trial, ageMs)) {
      this.#conclude(trial, this.#refuseByFlags(trial));
    } else if (ageMs >= timeoutMs) {
      this.#conclude(trial, 'a worker of the new release was not up within --ready-timeout', true);
    } else {
      const untilOldEnoughMs = trialMs - ageMs;
      this.#lookIn(trial, untilOldEnoughMs > 0 ? untilOldEnoughMs : ageMs < 500 ? youngPauseMs : longPauseMs);
    }
  }

  #isUp(trial: Trial, ageMs: number): boolean {
    const evidence = this.#options.evidenceOn(trial.pid, trial.socket);
    if (evidence === 'yes') return true;
    // "No" means something only if the same look finds old workers waiting.
    return ageMs >= this.#options.settleMs && (evidence === 'unknown' || !trial.looksWork());
  }

  /**
   * All workers share one open file description: a program that sets O_NONBLOCK on it breaks the
   * old workers, whose accept then fails at once, and they could not even be started again.
   */
  #refuseByFlags({ socket }: Trial): string | undefined {
    const breaks = isNonBlocking(socket.descriptor) && !isNonBlocking(this.#options.poolSocket.descriptor);
    return breaks
      ? 'the new release makes the shared socket non-blocking, which the workers in service do not: use restart'
      : undefined;
  }

  /** The verdict is told once the worker is gone: there is never more than one too many. */
  #conclude(trial: Trial, reason: string | undefined, isLate = false): void {
    if (this.#trial !== trial || trial.verdict) return;
    trial.verdict = { refusal: reason === undefined ? undefined : { reason, isLate } };
    trial.stopAsking();
    clearTimeout(trial.timer);
    this.#options.sessions.signalWorkers([trial.pid], 'SIGTERM');
    trial.timer = setTimeout(() => this.#options.sessions.signalWorkers([trial.pid], 'SIGKILL'), patienceMs);
  }

  #forget(trial: Trial): void {
    this.#trial = undefined;
    clearTimeout(trial.timer);
    trial.stopAsking();
    closeSync(trial.socket.descriptor);
    this.#options.onSocket(undefined);
  }
}
