// The end of a pool, whatever the reason: what is told and called off, the deadline and its KILL, and when nobody is left.
import { exitStatus } from '../core/errors.ts';
import { describeLeft } from '../core/text/left-process.ts';
import type { AdoptedWorker } from '../core/pool/roster.ts';
import type { WorkerEnd } from '../core/worker-exit.ts';
import type { Context } from './context.ts';
import type { OperationWatch } from './operation-watch.ts';
import type { Outcome } from './outcome.ts';
import type { SlotWatch } from './slot-watch.ts';
import type { WorkerEnds } from './ending/worker-ends.ts';

/** After KILL the kernel needs a moment; longer than this is a process in uninterruptible sleep. */
const afterKillMs = 2000;
const leftoverPollMs = 10;

export interface PoolEndParts {
  readonly outcome: Outcome;
  readonly ends: WorkerEnds;
  readonly slots: SlotWatch;
  readonly operations: OperationWatch;
}

export class PoolEnd {
  readonly #context: Context;
  readonly #parts: PoolEndParts;
  #giveUpAtMs = Number.POSITIVE_INFINITY;
  /** Nothing is left behind. */
  #isWhole = true;
  #cancelDeadline: (() => void) | undefined;

  constructor(context: Context, parts: PoolEndParts) {
    this.#context = context;
    this.#parts = parts;
    context.life.subscribe((now) => {
      if (now.kind === 'killing') this.#kill(now.cause);
    });
  }

  /** With an heir, another supervisor that has the pool now. */
  begin(heir?: AdoptedWorker): void {
    const { machine, settings, life } = this.#context;
    const { outcome, ends, slots, operations } = this.#parts;
    const doomed = ends.takeDoomed();
    this.#context.takeSteps(
      () => machine.stopGuard.begin(doomed, heir),
      () => outcome.stopping(),
      () => slots.cancelRetries(),
      () => machine.trials.cancel(),
      () => ends.cancelSweep(),
      () => ends.askLeftovers(),
    );
    this.#cancelDeadline ??= machine.clock.after(settings.stopTimeoutMs, () => life.change('overdue'));
    ends.hurry();
    operations.stop();
  }

  /** No first worker was up. */
  failStart(firstEnds: readonly WorkerEnd[]): void {
    this.begin();
    this.awaitEmptySessions(() => this.#parts.outcome.startFailed(firstEnds));
  }

  reachStartLimit(): void {
    const { machine, settings } = this.#context;
    const limit = settings.restart.startLimit;
    if (limit) machine.log.write({ event: 'start-limit-reached', ...limit });
    this.begin();
  }

  /** Workers are gone; their children may take until the deadline. */
  awaitEmptySessions(done: (status: number) => void): void {
    // Next tick: the caller still has to note the session of the worker that just ended.
    this.#context.machine.clock.after(0, () => this.#look(done));
  }

  #look(done: (status: number) => void): void {
    const { machine, life } = this.#context;
    const { ends } = this.#parts;
    // A look that fails has shown nothing.
    const rest = ends.lookForRest();
    if (!rest.isOver && machine.clock.nowMs() < this.#giveUpAtMs) {
      machine.clock.after(leftoverPollMs, () => this.#look(done));
      return;
    }
    ends.leaveRest(rest);
    this.#cancelDeadline?.();
    this.#context.takeSteps(
      () => this.#tellLeft(),
      () => machine.stopGuard.end(),
    );
    life.change('cleared');
    done(this.#status);
  }

  #tellLeft(): void {
    const left = this.#parts.ends.left.all();
    this.#isWhole = left.length === 0;
    if (!this.#isWhole) this.#context.warn(describeLeft(left));
  }

  /** A pool that has not ended whole has not ended well. */
  get #status(): number {
    if (this.#context.life.ending?.reason === 'start-limit') return exitStatus.startLimit;
    return this.#isWhole ? exitStatus.ok : exitStatus.failed;
  }

  #kill(cause: string): void {
    const { machine, roster } = this.#context;
    const { ends } = this.#parts;
    this.#giveUpAtMs = machine.clock.nowMs() + afterKillMs;
    const refusing = ends.kill(cause);
    this.#cancelDeadline?.();
    this.#cancelDeadline = machine.clock.after(afterKillMs, () => ends.leave(roster.pids, 'stuck'));
    ends.leave(refusing, 'refused');
  }
}
