// A pool's start, from its first worker to "up" or to nothing: decides which, says it, and gives back what a start
// that failed has made.
import { exitStatus } from '../core/errors.ts';
import { everyStep } from '../core/every-step.ts';
import { describeFailure } from '../core/text/failure-text.ts';
import { describeLeft } from '../core/text/left-process.ts';
import type { Life } from '../core/life.ts';
import { quote } from '../core/text/quote-words.ts';
import type { WorkerEnd } from '../core/worker-exit.ts';
import type { EventLog } from '../core/machine.ts';
import type { Supervisor } from '../supervisor/supervisor.ts';
import { leaveStreams, tellFrontSuccess, tellFrontUp, type Front } from '../sys/process/front.ts';
import { libc } from '../sys/libc/libc.ts';
import type { SessionFreezer } from '../sys/session/session-freeze.ts';
import type { FeatureList } from '../features/feature-list.ts';
import { FrontWatch } from '../start/front-watch.ts';
import type { PoolMachine } from './pool-machine.ts';
import type { PoolRecords } from '../features/records/pool-records.ts';
import type { PreparedPool } from '../start/prepared-pool.ts';
import { printError, printHint, printLine } from '../start/report/print.ts';
import { ReadyCheck } from './ready-check.ts';
import { mayRunAgain } from '../features/trial/second-run.ts';
import { describeFirstEnd, explainStartFailure, statusOf } from '../start/report/start-failure.ts';
import type { StartVerdict } from '../start/start-verdict.ts';
import { TakeOver } from '../features/handover/take-over.ts';

export interface PoolStartParts {
  readonly prepared: PreparedPool;
  readonly front: Front | undefined;
  readonly life: Life;
  readonly supervisor: Supervisor;
  readonly machine: PoolMachine;
  readonly records: PoolRecords;
  readonly freezer: SessionFreezer;
  readonly features: FeatureList;
  readonly log: EventLog;
  /** Ends the process. */
  readonly finish: (status: number) => void;
}

type FirstEnds = readonly (WorkerEnd | undefined)[];

export class PoolStart implements StartVerdict {
  readonly takeOver: TakeOver;
  readonly #parts: PoolStartParts;
  readonly #frontWatch: FrontWatch;
  readonly #ready: ReadyCheck;
  readonly #isBackground: boolean;
  /** What the worker of each slot has said, where that can be read. */
  #heard: readonly (() => string[])[] = [];
  /** Workers that a killed supervisor left were told to end, before any of ours: then nothing of the old pool is kept. */
  #hasEndedOrphans = false;

  constructor(parts: PoolStartParts) {
    const { prepared, front, machine, life } = parts;
    const { config, journal } = prepared;
    this.#parts = parts;
    this.#isBackground = config.model === 'background';
    this.#frontWatch = new FrontWatch(front, life, this);
    this.#ready = new ReadyCheck({ ...parts, config, trials: machine.trials, verdict: this });
    this.takeOver = new TakeOver({
      ...parts,
      prepared,
      leaveWorkers: () => journal.leave(),
      verdict: this,
    });
  }

  /** With an interruption no worker is started: only what is there already is ended. */
  begin(interruption: string | undefined): void {
    if (this.#isBackground) this.#frontWatch.begin();
    this.#ready.watch();
    if (interruption !== undefined) return this.interrupt(interruption, interruption);
    const { supervisor, features, prepared } = this.#parts;
    this.#heard = Array.from({ length: prepared.config.workers }, (_unused, slot) =>
      features.listenTo({ slot, role: 'worker' }),
    );
    try {
      supervisor.start();
    } catch (error) {
      // The workers that run already are ours to end.
      this.survive(error as Error);
    }
  }

  /** Whoever ends the service that is this process means all of its workers; a command only the start that it is. */
  interrupt(reason: string, cause: string): void {
    const { supervisor, machine } = this.#parts;
    if (!this.#isBackground && !this.#hasEndedOrphans) this.#hasEndedOrphans = this.takeOver.endOrphans();
    supervisor.stop(cause, { reason, status: exitStatus.failed, hints: [] });
    machine.secondRun.cancel();
  }

  abandon(reason: string, status: number = exitStatus.failed, hints: readonly string[] = []): void {
    const { supervisor, machine } = this.#parts;
    supervisor.stop(reason, { reason, status, hints });
    machine.secondRun.cancel();
  }

  /** A mistake of ours must not take a site down: the workers serve on, and the log says what happened. */
  survive(error: Error): void {
    const message = `internal error: ${error.stack ?? error.message}`;
    this.#parts.log.write({ event: 'warning', message });
    if (!this.#parts.life.wasUp) this.abandon(describeFailure(error, libc.strerror));
  }

  /** The first workers are up, but for those that have an end here. */
  workersUp(firstEnds: FirstEnds): void {
    this.#ready.whenAnswered(() => this.#checkTakeOver(firstEnds));
  }

  /** Old workers still serve: ours must all be up, and the old supervisor must let go. */
  #checkTakeOver(firstEnds: FirstEnds): void {
    const slot = firstEnds.findIndex((end) => end !== undefined);
    const dead = firstEnds[slot];
    if (this.#parts.prepared.isTakingOver && dead) {
      const reason = `${describeFirstEnd(dead)}; the old pool stays in service`;
      this.#explain(dead, slot, (hints) => {
        if (this.#is('answering')) this.abandon(reason, statusOf(dead), hints);
      });
      return;
    }
    if (this.takeOver.takeFiles()) this.#reportUp(firstEnds);
  }

  #reportUp(firstEnds: FirstEnds): void {
    const { life } = this.#parts;
    life.change('answered');
    if (!this.#is('announcing')) return;
    try {
      this.#parts.prepared.pidFile?.write(String(process.pid));
    } catch (error) {
      this.abandon((error as Error).message);
      return;
    }
    if (!this.#isBackground) this.#announce(firstEnds);
    else if (tellFrontUp()) this.#frontWatch.awaitReading(() => this.#announce(firstEnds));
    else this.#frontWatch.abandon();
  }

  #announce(firstEnds: FirstEnds): void {
    const { prepared, features, life } = this.#parts;
    if (!this.takeOver.finish()) return;
    life.change('announced');
    this.#takeSteps(
      () => prepared.journal.keep(),
      // Right behind it: a command that heard of success could find its start undone, and the other way round.
      () => this.#isBackground && tellFrontSuccess(process.pid),
      () => features.live('up'),
      () => this.#printOutcome(firstEnds),
      () => this.#isBackground && leaveStreams(prepared.nowhere),
      () => this.#isBackground && this.#frontWatch.letGo(),
      () => features.live('serving'),
    );
  }

  #printOutcome(firstEnds: FirstEnds): void {
    for (const end of firstEnds) if (end) printError(describeFirstEnd(end));
    this.#parts.prepared.laterHints.forEach(printHint);
    if (!this.#isBackground) printLine(`child spawned successfully: PID: ${process.pid}`);
  }

  /** Every first worker died: 1.6's line for the first one, and its status. */
  fail(firstEnds: readonly WorkerEnd[]): void {
    const [first] = firstEnds;
    const conclude = (hints: readonly string[]): void => {
      this.#takeSteps(() => this.#undo());
      if (first) printError(describeFirstEnd(first));
      hints.forEach(printHint);
      this.#hintAtLeft();
      this.#parts.finish(first ? statusOf(first) : exitStatus.failed);
    };
    if (first) this.#explain(first, 0, conclude);
    else conclude([]);
  }

  /** Hints by the file of the program, else by the program itself. */
  #explain(end: WorkerEnd, slot: number, done: (hints: readonly string[]) => void): void {
    const { prepared, machine, supervisor, life } = this.#parts;
    const words = this.#heard[slot]?.() ?? [];
    const hints = [...explainStartFailure(prepared.config, end), ...quoteWords(words)];
    const isToldByItself =
      machine.isOutputDiscarded() && hints.length === 0 && mayRunAgain(end) && !life.abandonment;
    if (isToldByItself) machine.secondRun.begin(supervisor.pool.generation, done);
    else done(hints);
  }

  /** The last worker of a start that was abandoned is gone; `status` is what a stopped pool would end with. */
  conclude(status: number): void {
    const abandoned = this.#parts.life.abandonment;
    this.#takeSteps(() => this.#undo());
    if (abandoned !== undefined) printError(abandoned.reason);
    abandoned?.hints.forEach(printHint);
    this.#hintAtLeft();
    const isRefused = this.#isBackground || (abandoned?.status ?? 0) === exitStatus.notReady;
    this.#parts.finish(isRefused ? (abandoned?.status ?? exitStatus.failed) : status);
  }

  /** Whoever reads that a start has failed must not think that nothing of it is left. */
  #hintAtLeft(): void {
    const { left } = this.#parts.supervisor;
    if (left.length > 0) printHint(describeLeft(left));
  }

  #undo(): void {
    const { prepared, features } = this.#parts;
    if (this.#hasEndedOrphans) return this.#releaseAll();
    this.#takeSteps(
      () => features.live('undo'),
      () => prepared.journal.undo(),
    );
  }

  /** Nothing of the old pool is left that its files could be kept for: as at a clean end. */
  #releaseAll(): void {
    const { prepared, features } = this.#parts;
    try {
      // It may name the supervisor that was killed.
      prepared.pidFile?.write(String(process.pid));
    } catch {
      // Then it stays.
    }
    prepared.journal.keep();
    features.live('release');
  }

  #is(kind: 'answering' | 'announcing'): boolean {
    return this.#parts.life.state.kind === kind;
  }

  /** One that fails keeps no other from happening. */
  #takeSteps(...steps: readonly (() => void)[]): void {
    everyStep((error) => this.survive(error), ...steps);
  }
}

function quoteWords(words: readonly string[]): string[] {
  return words.length === 0 ? [] : quote('the program said', words);
}
