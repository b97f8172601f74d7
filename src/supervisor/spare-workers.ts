// Workers that have started, and are stopped until a slot needs one: starts them, stops them when they are idle, lets them
// go on. What is to be done with which says core/pool/spares.ts.
import { isForkError } from '../core/errors.ts';
import { spareGoal } from '../core/pool/spare-goal.ts';
import { Spares, type Spare, type SpareOrder } from '../core/pool/spares.ts';
import type { WorkerExit } from '../core/worker-exit.ts';
import type { Spawner } from '../core/machine.ts';
import type { Context } from './context.ts';
import { DueTimer } from './ending/due-timer.ts';
import type { WorkerEnds } from './ending/worker-ends.ts';
import { HoldAttempts } from './hold-attempts.ts';
import { Sight } from './sight.ts';
import { carefulRule } from './up-rules.ts';
import type { StartingWorker } from './up-watch.ts';

export interface SpareParts {
  readonly ends: Pick<WorkerEnds, 'end'>;
  /** Starts a process of the generation; its errno where that has failed. */
  readonly start: Spawner['spawnSpare'];
  /** One is starting: it is to be looked at. */
  readonly watch: () => void;
}

export class SpareWorkers {
  readonly #context: Context;
  readonly #parts: SpareParts;
  readonly #spares: Spares;
  readonly #attempts: HoldAttempts;
  readonly #timer: DueTimer;
  readonly #sight: Sight;
  #retryAtMs = Number.POSITIVE_INFINITY;
  #isAligning = false;

  constructor(context: Context, parts: SpareParts) {
    const { machine, settings, life } = context;
    this.#context = context;
    this.#parts = parts;
    this.#attempts = new HoldAttempts(machine.heldSessions);
    this.#spares = new Spares(settings.spares, settings.restart);
    this.#sight = new Sight(context);
    this.#timer = new DueTimer(
      machine.clock,
      () => this.#dueMs,
      () => this.#tick(),
    );
    context.whenSettled(() => this.align());
    life.subscribe((now) => {
      // Whoever waits for the start is told first.
      if (now.kind === 'serving') machine.clock.after(0, () => this.align());
    });
  }

  get all(): readonly Spare[] {
    return this.#spares.all;
  }

  /** False: it cannot be seen whether a worker waits for connections, and there are none. */
  get isPossible(): boolean {
    return this.#spares.isPossible;
  }

  has(pid: number): boolean {
    return this.#spares.get(pid) !== undefined;
  }

  /** Those that are not seen to wait yet. */
  get starting(): readonly StartingWorker[] {
    const rule = carefulRule(this.#context.settings);
    return this.all.filter(({ stage }) => stage === 'starting').map((spare) => ({ ...spare, ...rule }));
  }

  /** Sees to it that there are as many as are wanted, of the generation that is. To be called after whatever changes that. */
  align(): void {
    if (this.#isAligning) return;
    this.#isAligning = true;
    const { machine, pool, roster } = this.#context;
    // What could not be ended is none of these any more.
    for (const { pid } of this.all) if (roster.get(pid)?.role !== 'spare') this.#spares.take(pid);
    this.#retryAtMs = Number.POSITIVE_INFINITY;
    const orders = this.#spares.plan(spareGoal(pool), machine.clock.nowMs());
    // After a start that has failed nobody tries another one at once.
    this.#context.takeSteps(() => void orders.every((order) => this.#carryOut(order)));
    this.#isAligning = false;
    this.#timer.renew();
  }

  /** The process that a slot of this generation gets; it goes on, and is none of the spares any more. */
  take(generation: number): Spare | undefined {
    for (;;) {
      const spare = this.#spares.next(generation);
      if (!spare) return undefined;
      this.#attempts.forget(spare.pid);
      if (this.#isFit(spare)) {
        this.#spares.take(spare.pid);
        return spare;
      }
      this.#spares.spoilt(spare.pid);
      this.#context.tellLater(() => this.#end(spare.pid));
    }
  }

  /** It was seen to wait for connections, or may not be looked into. */
  noteUp(pid: number, atMs: number): void {
    const { generation = 0 } = this.#spares.get(pid) ?? {};
    if (this.#context.machine.readiness.evidenceOf(pid) === 'unknown') return this.#giveUp(generation);
    this.#spares.up(pid, atMs);
    this.#attempts.begin(pid, atMs);
    this.#tick();
  }

  /** Before the pool hears of it. */
  ended(pid: number, exit: WorkerExit): void {
    const { machine } = this.#context;
    const spare = this.#spares.get(pid);
    const now = this.#context.now();
    this.#attempts.forget(pid);
    const delayMs = this.#spares.ended(pid, now);
    if (!spare || delayMs === undefined) return;
    const signalName = exit.kind === 'signaled' ? machine.signalName(exit.signal) : undefined;
    const uptimeMs = Math.round(now.atMs - spare.startedAtMs);
    machine.log.write({ event: 'spare-ended', workerPid: pid, end: exit, signalName, uptimeMs, delayMs });
  }

  /** A child of ours has been stopped, has gone on or has ended: it may be one that somebody lets go on. */
  lookAgain(): void {
    const { machine } = this.#context;
    const nowMs = machine.clock.nowMs();
    for (const { pid, stage } of this.all) {
      if (stage !== 'ready' || !machine.heldSessions.isReleased(pid)) continue;
      this.#spares.released(pid);
      this.#attempts.beginSoon(pid, nowMs);
    }
    this.#timer.renew();
  }

  /** The socket was bound anew: nobody reaches those that wait on the one before. */
  discard(): void {
    for (const { pid, stage } of this.all) {
      if (stage === 'ending') continue;
      this.#spares.spoilt(pid);
      this.#end(pid);
    }
    this.align();
  }

  /** Whether there is anything to go on with. */
  #isFit({ pid, stage }: Spare): boolean {
    const { readiness, heldSessions } = this.#context.machine;
    return stage === 'ready' ? heldSessions.wake(pid) : !readiness.hasEnded(pid);
  }

  /** False: nothing else is to be started now. */
  #carryOut(order: SpareOrder): boolean {
    switch (order.kind) {
      case 'start':
        return this.#start(order.generation);
      case 'end':
        this.#end(order.pid);
        return true;
      case 'wait':
        this.#retryAtMs = order.untilMs;
        return true;
    }
  }

  #start(generation: number): boolean {
    const { machine, roster } = this.#context;
    if (this.#sight.isMissing(generation)) {
      this.#giveUp(generation);
      return false;
    }
    const result = this.#parts.start(generation);
    const now = this.#context.now();
    if ('errno' in result) {
      this.#failed(result.errno, this.#spares.failed(now));
      this.#retryAtMs = this.#spares.retryAtMs;
      return false;
    }
    const { pid } = result;
    roster.add({ role: 'spare', pid, generation, startedAtMs: now.atMs });
    this.#spares.started(pid, generation, now.atMs);
    this.#context.takeSteps(() => machine.records.spareStarted(pid));
    this.#parts.watch();
    return true;
  }

  #failed(errno: number, delayMs: number): void {
    const { log, describeErrno } = this.#context.machine;
    const error = describeErrno(errno);
    const what = isForkError(errno) ? 'fork' : 'exec';
    const end = { kind: 'not-executed', errno } as const;
    log.write({ event: 'spare-ended', end, error: `${what} failed: ${error}`, uptimeMs: 0, delayMs });
  }

  /** While it is stopped, if it is; of one that has something to finish the end waits for that. */
  #end(pid: number): void {
    const { machine } = this.#context;
    this.#attempts.forget(pid);
    this.#parts.ends.end([{ pid }]);
    machine.heldSessions.wake(pid);
  }

  #tick(): void {
    const nowMs = this.#context.machine.clock.nowMs();
    this.#tryToHold(nowMs);
    this.#endLate(nowMs);
    this.align();
  }

  #tryToHold(nowMs: number): void {
    const { machine, settings } = this.#context;
    for (const { pid, verdict, triedMs } of this.#attempts.tryDue(nowMs)) {
      const { generation = 0 } = this.#spares.get(pid) ?? {};
      if (verdict === 'held') {
        this.#spares.held(pid);
        machine.log.write({ event: 'spare-ready', workerPid: pid, generation });
      } else if (triedMs >= settings.settleMs) this.#giveUp(generation);
    }
  }

  /** Those that are not up in time: nothing says that they ever will be. */
  #endLate(nowMs: number): void {
    const { settings } = this.#context;
    for (const { pid, stage, startedAtMs } of this.all) {
      if (stage !== 'starting' || nowMs - startedAtMs < settings.readyTimeoutMs) continue;
      const delayMs = this.#spares.late(pid, this.#context.now());
      this.#context.warn(`spare PID ${pid} was not up within --ready-timeout; the next one in ${delayMs} ms`);
      this.#end(pid);
    }
  }

  /** Where waiting cannot be seen, nobody can tell when one may be stopped. */
  #giveUp(generation: number): void {
    if (!this.#spares.isPossible) return;
    this.#spares.giveUp(generation);
    this.#context.warn('no spares: it cannot be seen whether a worker waits for connections');
    this.align();
  }

  get #dueMs(): number {
    const { readyTimeoutMs } = this.#context.settings;
    const starting = this.all.filter(({ stage }) => stage === 'starting');
    return Math.min(
      this.#retryAtMs,
      this.#attempts.dueMs,
      ...starting.map(({ startedAtMs }) => startedAtMs + readyTimeoutMs),
    );
  }
}
