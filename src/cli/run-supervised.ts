// Runs one pool, in the background or the foreground, from its first worker to its end: when it is up, who hears
// of it, and what a start that failed gives back.
import type { Config } from '../core/config.ts';
import { exitStatus } from '../core/errors.ts';
import { everyStep } from '../core/every-step.ts';
import { describeLeft } from '../core/left-process.ts';
import { describeFailure } from '../core/failure-text.ts';
import type { WorkerEnd } from '../core/pool.ts';
import { Supervisor, type Outcome } from '../supervisor/supervisor.ts';
import type { Caller } from '../sys/caller.ts';
import { systemClock } from '../sys/clock.ts';
import { leaveStreams, tellFront, tellFrontSuccess, tellFrontUp, type Front } from '../sys/front.ts';
import { libc } from '../sys/libc.ts';
import { adoptOrphans, dropProcessName, forbidInspection, releaseMemory } from '../sys/process-self.ts';
import { reapRest, watchChildren } from '../sys/reaper.ts';
import { SessionFreezer } from '../sys/session-freeze.ts';
import { ControlDesk } from './control-desk.ts';
import { FrontWatch } from './front-watch.ts';
import { TakeOver } from './take-over.ts';
import { PoolLog } from './pool-log.ts';
import { PoolMachine, signalName } from './pool-machine.ts';
import { PoolRecords } from './pool-records.ts';
import { describeFirstEnd, explainStartFailure, statusOf } from './start-failure.ts';
import type { PreparedPool } from './prepared-pool.ts';
import { ReachCheck } from './reach-check.ts';
import { ReadyCheck } from './ready-check.ts';
import { reportFailure } from './failure-report.ts';
import { printError, printHint, printLine } from './print.ts';
import { mayRunAgain } from './second-run.ts';
import { SocketRenewal } from './socket-renewal.ts';
import type { StartJournal } from './start-journal.ts';
import type { StartVerdict } from './start-verdict.ts';
import { TidyUp } from './tidy-up.ts';
import { watchSignals } from './watch-signals.ts';

/** Lets the command return before the collection takes the processor. */
const releaseMemoryAfterMs = 300;
/** A killed process is a zombie within less; a daemon that a worker has made stays. */
const lastReapMs = 20;

/** Runs the pool; ends the process by itself when the pool has ended. */
export function runSupervised(
  prepared: PreparedPool,
  front: Front | undefined,
  interruption: string | undefined,
): void {
  const { config, caller, journal } = prepared;
  new SupervisedRun(config, caller, prepared, journal, front).start(interruption);
}

class SupervisedRun {
  readonly #config: Config;
  readonly #prepared: PreparedPool;
  readonly #journal: StartJournal;
  readonly #records: PoolRecords;
  readonly #machine: PoolMachine;
  readonly #log: PoolLog;
  readonly #supervisor: Supervisor;
  readonly #takeOver: TakeOver;
  readonly #renewal: SocketRenewal;
  readonly #desk: ControlDesk;
  readonly #frontWatch: FrontWatch;
  readonly #ready: ReadyCheck;
  readonly #tidyUp: TidyUp;
  readonly #isBackground: boolean;
  #isUp = false;
  #hasEndedOrphans = false;
  /** Why a start that was not up yet is being undone. */
  #abandoned:
    { readonly reason: string; readonly status: number; readonly hints: readonly string[] } | undefined;

  constructor(
    config: Config,
    caller: Caller,
    prepared: PreparedPool,
    journal: StartJournal,
    front: Front | undefined,
  ) {
    this.#config = config;
    this.#prepared = prepared;
    this.#journal = journal;
    this.#isBackground = config.model === 'background';
    this.#records = new PoolRecords(config, prepared, (message) =>
      this.#log.write({ event: 'warning', message }),
    );
    this.#tidyUp = new TidyUp(systemClock, () => releaseMemory(prepared.proc));
    const freezer = new SessionFreezer(prepared.proc, prepared.socket);
    this.#log = new PoolLog({
      log: prepared.log,
      tell: (text) => this.#desk.tell(text),
      onEvent: () => this.#tidyUp.soon(),
      clock: systemClock,
    });
    const machine = new PoolMachine({
      config,
      caller,
      prepared,
      journal,
      records: this.#records,
      freezer,
      log: this.#log,
    });
    this.#machine = machine;
    this.#supervisor = new Supervisor(machine, machine.settings, this.#outcome());
    const verdict: StartVerdict = {
      isUp: () => this.#isUp,
      isAbandoned: () => this.#abandoned !== undefined,
      abandon: (reason, status, hints) => this.#abandon(reason, status, hints),
    };
    this.#frontWatch = new FrontWatch(front, verdict);
    this.#ready = new ReadyCheck({
      config,
      prepared,
      supervisor: this.#supervisor,
      trials: machine.trials,
      verdict,
    });
    this.#takeOver = new TakeOver({
      prepared,
      records: this.#records,
      supervisor: this.#supervisor,
      freezer,
      log: this.#log,
      leaveWorkers: () => journal.leave(),
      verdict,
    });
    const reach = new ReachCheck(prepared);
    this.#renewal = new SocketRenewal({
      prepared,
      backlog: config.backlog,
      reach,
      records: this.#records,
      log: this.#log,
    });
    this.#desk = new ControlDesk({
      config,
      prepared,
      supervisor: this.#supervisor,
      freezer,
      records: this.#records,
      log: this.#log,
      renewal: this.#renewal,
      reach,
      stop: (reason) => this.#supervisor.stop(reason),
      signalName,
      describeErrno: machine.describeErrno,
      onRequest: () => this.#tidyUp.soon(),
    });
  }

  /** With an interruption no worker is started: only what is there already is ended. */
  start(interruption: string | undefined): void {
    forbidInspection();
    adoptOrphans();
    this.#journal.inherited(this.#prepared.socket.inode);
    this.#takeOver.begin();
    this.#records.setPhase('starting');
    watchChildren((pid, exit) => {
      if (!this.#machine.childEnded(pid, exit)) this.#supervisor.childEnded(pid, exit);
    });
    watchSignals({
      stop: (signal) => this.#stop(signal),
      reload: () => this.#reload(),
      reopen: () => this.#log.reopen(),
      scale: (difference) => this.#scale(difference),
      ignored: (signal) => this.#log.write({ event: 'signal-ignored', signal }),
      hangupStops: !this.#isBackground && libc.isatty(0) === 1,
    });
    if (this.#isBackground) this.#frontWatch.begin();
    // Instead of the one that ends a start.
    process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => this.#survive(error));
    this.#ready.watch();
    if (interruption === undefined) this.#startWorkers();
    else this.#interrupt(interruption, interruption);
    // Signals and children alone do not keep Node's loop alive.
    setInterval(() => undefined, 2 ** 31 - 1);
  }

  #startWorkers(): void {
    try {
      this.#supervisor.start();
    } catch (error) {
      // The workers that run already are ours to end.
      this.#survive(error as Error);
    }
  }

  #outcome(): Outcome {
    return {
      stopping: () => {
        this.#tidyUp.end();
        this.#takeOver.lookAtGiver();
        this.#desk.stopping();
        this.#records.setPhase('stopping');
        // In a start that is undone others may serve on.
        if (this.#isUp) this.#records.shutDoor();
      },
      up: (firstEnds) => this.#ready.whenAnswered(() => this.#checkTakeOver(firstEnds)),
      startFailed: (firstEnds) => this.#failStart(firstEnds),
      stopped: (status) => this.#end(status),
    };
  }

  #stop(signal: NodeJS.Signals): void {
    if (this.#isUp) this.#supervisor.stop(signal);
    else this.#interrupt(`start interrupted by ${signal}`, signal);
  }

  /** Whoever ends the service that is this process means all of its workers; a command only the start that it is. */
  #interrupt(reason: string, cause: string): void {
    this.#abandoned ??= { reason, status: exitStatus.failed, hints: [] };
    if (!this.#isBackground && !this.#hasEndedOrphans) this.#hasEndedOrphans = this.#takeOver.endOrphans();
    this.#supervisor.stop(cause);
    this.#machine.secondRun.cancel();
  }

  /** By a signal: nobody could be told that it is of no use, and the release is the new one when the pool is taken over. */
  #reload(): void {
    const isOurs = this.#supervisor.phase === 'serving' && this.#supervisor.pool.operation !== 'handover';
    const unendable = isOurs ? this.#supervisor.unendable : undefined;
    if (unendable !== undefined)
      return this.#log.write({ event: 'warning', message: `not reloaded: ${unendable}` });
    const problem = isOurs ? this.#renewal.renew() : undefined;
    if (problem !== undefined) this.#log.write({ event: 'warning', message: problem });
    this.#supervisor.reload();
  }

  #scale(difference: number): void {
    const unendable = difference < 0 ? this.#supervisor.unendable : undefined;
    if (unendable === undefined) this.#supervisor.scale(this.#supervisor.pool.wanted + difference);
    else this.#log.write({ event: 'warning', message: `not scaled: ${unendable}` });
  }

  #abandon(reason: string, status: number = exitStatus.failed, hints: readonly string[] = []): void {
    this.#abandoned ??= { reason, status, hints };
    this.#supervisor.stop(reason);
    this.#machine.secondRun.cancel();
  }

  /** A mistake of ours must not take a site down: the workers serve on, and the log says what happened. */
  #survive(error: Error): void {
    this.#log.write({ event: 'warning', message: `internal error: ${error.stack ?? error.message}` });
    if (!this.#isUp) this.#abandon(describeFailure(error, libc.strerror));
  }

  /** Old workers still serve: ours must all be up, and the old supervisor must let go. */
  #checkTakeOver(firstEnds: readonly (WorkerEnd | undefined)[]): void {
    const { isTakingOver } = this.#prepared;
    const dead = firstEnds.find((end) => end !== undefined);
    if (isTakingOver && dead) {
      const reason = `${describeFirstEnd(dead)}; the old pool stays in service`;
      this.#explain(dead, (hints) => {
        if (!this.#abandoned) this.#abandon(reason, statusOf(dead), hints);
      });
      return;
    }
    if (!this.#takeOver.takeFiles()) return;
    this.#reportUp(firstEnds);
  }

  #reportUp(firstEnds: readonly (WorkerEnd | undefined)[]): void {
    try {
      this.#prepared.pidFile?.write(String(process.pid));
    } catch (error) {
      this.#abandon((error as Error).message);
      return;
    }
    if (!this.#isBackground) this.#announce(firstEnds);
    else if (tellFrontUp()) this.#frontWatch.awaitReading(() => this.#announce(firstEnds));
    else this.#frontWatch.abandon();
  }

  #announce(firstEnds: readonly (WorkerEnd | undefined)[]): void {
    if (!this.#takeOver.finish()) return;
    this.#isUp = true;
    this.#takeSteps(
      () => this.#journal.keep(),
      // Right behind it: a command that heard of success could find its start undone, and the other way round.
      () => this.#isBackground && tellFrontSuccess(process.pid),
      () => this.#records.setPhase('serving'),
      () => this.#printOutcome(firstEnds),
      () => this.#isBackground && leaveStreams(this.#prepared.nowhere),
      () => this.#isBackground && this.#frontWatch.letGo(),
      () => this.#begin(),
    );
  }

  #printOutcome(firstEnds: readonly (WorkerEnd | undefined)[]): void {
    for (const end of firstEnds) if (end) printError(describeFirstEnd(end));
    this.#prepared.laterHints.forEach(printHint);
    if (!this.#isBackground) printLine(`child spawned successfully: PID: ${process.pid}`);
  }

  #begin(): void {
    this.#log.write({
      event: 'pool-up',
      address: this.#prepared.address,
      workers: this.#config.workers,
    });
    this.#takeOver.endOrphans();
    this.#desk.open();
    if (this.#takeOver.isReloadPending) this.#supervisor.reload();
    this.#tidyUp.soon(releaseMemoryAfterMs);
  }

  /** Every first worker died: 1.6's line for the first one, and its status. */
  #failStart(firstEnds: readonly WorkerEnd[]): void {
    const [first] = firstEnds;
    const conclude = (hints: readonly string[]): void => {
      this.#takeSteps(() => this.#undo());
      if (first) printError(describeFirstEnd(first));
      hints.forEach(printHint);
      this.#hintAtLeft();
      this.#finish(first ? statusOf(first) : exitStatus.failed);
    };
    if (first) this.#explain(first, conclude);
    else conclude([]);
  }

  /** Hints by the file of the program, else by the program itself. */
  #explain(end: WorkerEnd, done: (hints: readonly string[]) => void): void {
    const hints = explainStartFailure(this.#config, end);
    const isToldByItself = this.#isBackground && hints.length === 0 && mayRunAgain(end) && !this.#abandoned;
    if (isToldByItself) this.#machine.secondRun.begin(this.#supervisor.pool.generation, done);
    else done(hints);
  }

  #end(status: number): void {
    if (!this.#isUp) {
      this.#takeSteps(() => this.#undo());
      const abandoned = this.#abandoned;
      if (abandoned !== undefined) printError(abandoned.reason);
      abandoned?.hints.forEach(printHint);
      this.#hintAtLeft();
      const isRefused = this.#isBackground || (abandoned?.status ?? 0) === exitStatus.notReady;
      this.#finish(isRefused ? (abandoned?.status ?? exitStatus.failed) : status);
      return;
    }
    this.#log.write({ event: 'stopped' });
    this.#records.release();
    try {
      this.#desk.close(() => this.#finish(status));
    } catch {
      this.#finish(status);
    }
  }

  /** Whoever reads that a start has failed must not think that nothing of it is left. */
  #hintAtLeft(): void {
    const left = [...this.#supervisor.left, ...this.#machine.secondRun.left];
    if (left.length > 0) printHint(describeLeft(left));
  }

  /** One that fails keeps no other from happening. */
  #takeSteps(...steps: readonly (() => void)[]): void {
    everyStep((error) => this.#survive(error), ...steps);
  }

  #undo(): void {
    if (this.#hasEndedOrphans) return this.#releaseAll();
    this.#takeSteps(
      () => this.#records.undo(),
      () => this.#journal.undo(),
    );
  }

  /** Nothing of the old pool is left that its files could be kept for: as at a clean end. */
  #releaseAll(): void {
    try {
      // It may name the supervisor that was killed.
      this.#prepared.pidFile?.write(String(process.pid));
    } catch {
      // Then it stays.
    }
    this.#journal.keep();
    this.#records.release();
  }

  #finish(status: number): void {
    everyStep(
      () => undefined,
      dropProcessName,
      () => reapRest(lastReapMs),
    );
    if (this.#isBackground && !this.#isUp) {
      reportFailure(this.#config.name);
      tellFront(status);
    }
    process.exit(status);
  }
}
