// The operation under way as others see it: since when, its timer, what is written of it, and who is told how it ended.
import { describeLeft, type LeftProcess } from '../core/text/left-process.ts';
import type { ReplacementWish } from '../core/operations/replacement.ts';
import type { OrderOf, PoolOrder } from '../core/pool/orders.ts';
import type { Context } from './context.ts';
import { describeReloadFailure } from './end-report.ts';
import type {
  LastReload,
  OperationEnd,
  OperationListener,
  ReloadListener,
  ReplacementEnd,
} from './outcome.ts';
import type { WorkerEnds } from './ending/worker-ends.ts';

export class OperationWatch {
  readonly #context: Context;
  readonly #ends: WorkerEnds;
  #operation: { readonly sinceMs: number; readonly listeners: readonly ReloadListener[] } | undefined;
  #handingOverSinceMs: number | undefined;
  /** Who waits for the replacement of one worker, the only one that is due or under way. */
  #replacement:
    | {
        readonly wish: ReplacementWish;
        readonly sinceMs: number;
        readonly tell: (end: ReplacementEnd) => void;
      }
    | undefined;
  /** Who waits for the reload that comes next. */
  #nextListeners: ReloadListener[] = [];
  #lastReload: LastReload | undefined;
  /** What the trial of the reload under way said, if it failed. */
  #trialWords: readonly string[] = [];
  #cancelTimer: (() => void) | undefined;

  constructor(context: Context, ends: WorkerEnds) {
    this.#context = context;
    this.#ends = ends;
  }

  get sinceMs(): number | undefined {
    return this.#operation?.sinceMs ?? this.#handingOverSinceMs ?? this.#replacement?.sinceMs;
  }

  get lastReload(): LastReload | undefined {
    return this.#lastReload;
  }

  /** Who asked for the reload that comes next. */
  awaitReload(listener: ReloadListener): void {
    this.#nextListeners.push(listener);
  }

  expectRestart(listener: OperationListener | undefined): void {
    this.#begin(listener ? [{ tell: listener, isEarly: false }] : []);
  }

  /** False: it cannot be now. `tell` hears of it once, unless the pool stops. */
  replace(wish: ReplacementWish, tell: (end: ReplacementEnd) => void): boolean {
    const { machine, pool } = this.#context;
    const isFree = pool.phase === 'serving' && !pool.operation && !pool.replacement && !pool.isReloadDue;
    if (!isFree || !machine.maySignal(wish.pid)) return false;
    this.#replacement = { wish, sinceMs: machine.clock.nowMs(), tell };
    this.#context.carryOut(pool.ask({ kind: 'replace', ...wish }));
    return true;
  }

  replacementEnded({ result, failure }: OrderOf<'replacement-ended'>): void {
    const { machine, pool } = this.#context;
    const { tell } = this.#replacement ?? {};
    this.#replacement = undefined;
    this.#stopTimer();
    const path = machine.spawner.pathOf(pool.generation);
    const message = failure ? describeReloadFailure(failure, path, machine) : '';
    this.#context.takeSteps(
      () => this.letGoOfReleases(),
      () => tell?.({ result, message }),
    );
  }

  setHandingOver(isHandingOver: boolean): void {
    this.#handingOverSinceMs = isHandingOver ? this.#context.machine.clock.nowMs() : undefined;
  }

  /** For the step under way; there is one timer. */
  after(delayMs: number, orders: () => PoolOrder[]): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#context.machine.clock.after(delayMs, () => {
      this.#cancelTimer = undefined;
      this.#context.carryOut(orders());
    });
  }

  probe({ generation, step }: OrderOf<'probe'>, looksWork: () => boolean): void {
    const { machine, pool } = this.#context;
    machine.trials.run(generation, looksWork, (refusal) => {
      this.#trialWords = refusal?.words ?? [];
      const { reason, isLate } = refusal ?? {};
      this.#context.carryOut(pool.tell({ kind: 'probed', step, refusal: reason, isLate }));
    });
  }

  reloadBegun({ generation }: OrderOf<'reload-begun'>): void {
    const { sharedSocket, log } = this.#context.machine;
    this.#begin(this.#nextListeners.splice(0));
    this.#trialWords = [];
    sharedSocket.look();
    log.write({ event: 'reload-started', generation });
  }

  promoted({ slot, pid }: OrderOf<'promoted'>): void {
    const { machine, roster } = this.#context;
    machine.records.promoted(slot, pid);
    const generation = roster.get(pid)?.generation ?? 0;
    const { wish } = this.#replacement ?? {};
    const why =
      wish?.slot === slot
        ? { formerPid: wish.pid, guard: wish.reason.guard, reason: wish.reason.text }
        : undefined;
    machine.log.write({ event: 'worker-replaced', slot, workerPid: pid, generation, ...why });
  }

  settling({ step }: OrderOf<'settle'>): void {
    const { pool, settings } = this.#context;
    const watchedMs = settings.settleMs;
    this.after(watchedMs, () => pool.tell({ kind: 'settled', step }));
    if (pool.reload) this.#tellEarly(pool.reload.to, watchedMs);
  }

  /** Every worker is new and up. An old one that is left is no success, which the end tells. */
  #tellEarly(generation: number, watchedMs: number): void {
    const operation = this.#operation;
    const { roster } = this.#context;
    const left = this.#ends.left.all(roster.in('retiree').map(({ pid }) => pid));
    if (!operation || left.length > 0 || watchedMs === 0) return;
    const early = operation.listeners.filter(({ isEarly }) => isEarly);
    this.#operation = { ...operation, listeners: operation.listeners.filter(({ isEarly }) => !isEarly) };
    const end = { kind: 'reload-watched', generation, watchedMs } as const;
    this.#context.takeSteps(
      ...early.map(
        ({ tell }) =>
          () =>
            tell(end),
      ),
    );
  }

  reloadEnded({ result, generation, failure }: OrderOf<'reload-ended'>): void {
    const { machine, pool, roster } = this.#context;
    const { log, clock, spawner, sharedSocket } = machine;
    const message = failure ? describeReloadFailure(failure, spawner.pathOf(generation), machine) : '';
    const words = failure?.kind === 'no-answer' ? this.#trialWords : [];
    this.#context.takeSteps(() => this.#ends.afterNewGeneration(result === 'reloaded'));
    const left = this.#ends.left.all(roster.in('retiree').map(({ pid }) => pid));
    // Old and new workers are in service, as after any reload that was done in part.
    const outcome = result === 'reloaded' && left.length > 0 ? 'partly' : result;
    const reasons = [message, left.length > 0 ? describeLeft(left) : ''].filter((text) => text !== '');
    this.#lastReload = { result: outcome, atMs: clock.nowMs(), message: reasons.join('; '), words };
    if (result === 'reloaded') sharedSocket.settle();
    else sharedSocket.revert();
    const end = { result: outcome, generation, serving: pool.generation };
    const reason = failure ? { reason: message, ...(words.length > 0 ? { words } : {}) } : {};
    log.write({ event: 'reload-finished', ...end, ...reason, ...whatIs(left) });
    this.letGoOfReleases();
    this.#end({ kind: 'reload', ...end, message, ...whatIs(left) });
  }

  restartEnded({ isUp, generation }: OrderOf<'restart-ended'>): void {
    const { log, sharedSocket, spawner } = this.#context.machine;
    const left = this.#ends.left.all();
    log.write({ event: 'restart-finished', generation, isUp, ...whatIs(left) });
    sharedSocket.settle();
    spawner.keepOnly([generation]);
    this.#end({ kind: 'restart', isUp, generation, ...whatIs(left) });
  }

  /** A release is kept for the pool's slots, and while a worker of it lives. */
  letGoOfReleases(): void {
    const { machine, pool, roster } = this.#context;
    machine.spawner.keepOnly([...new Set([pool.generation, ...roster.generations])]);
  }

  /** The pool stops: nothing else will end. */
  stop(): void {
    const waiting = this.#nextListeners.splice(0);
    this.#context.takeSteps(
      () => this.#end({ kind: 'stopped' }),
      ...waiting.map(
        ({ tell }) =>
          () =>
            tell({ kind: 'stopped' }),
      ),
    );
  }

  #begin(listeners: readonly ReloadListener[]): void {
    this.#operation = { sinceMs: this.#context.machine.clock.nowMs(), listeners };
  }

  #stopTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #end(end: OperationEnd): void {
    this.#stopTimer();
    const listeners = this.#operation?.listeners ?? [];
    this.#operation = undefined;
    for (const { tell } of listeners) tell(end);
  }
}

/** For an event. */
function whatIs(left: readonly LeftProcess[]): { readonly left?: readonly LeftProcess[] } {
  return left.length > 0 ? { left } : {};
}
