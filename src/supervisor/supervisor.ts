// The supervisor of one pool: what happened (exit, signal, command) becomes the pool's facts, and the pool's orders become
// the work of its parts. No system call here.
import type { LeftProcess } from '../core/text/left-process.ts';
import type { ReplacementWish } from '../core/operations/replacement.ts';
import type { Hands } from '../core/pool/order-queue.ts';
import type { OrderOf } from '../core/pool/orders.ts';
import type { Abandonment, PoolPhase } from '../core/life.ts';
import type { PoolBooks } from '../core/pool/pool-options.ts';
import type { AdoptedWorker, PoolWorker, Roster } from '../core/pool/roster.ts';
import type { WorkerEnd, WorkerExit } from '../core/worker-exit.ts';
import { Context, type EndedWorker, type PoolView } from './context.ts';
import type { Machine, SocketHolder } from '../core/machine.ts';
import { OperationWatch } from './operation-watch.ts';
import type { LastReload, OperationListener, Outcome, ReplacementEnd } from './outcome.ts';
import { PoolEnd } from './pool-end.ts';
import type { PoolSettings } from './settings.ts';
import type { SlotFacts } from './slot-facts.ts';
import { SlotWatch } from './slot-watch.ts';
import type { SpareWorkers } from './spare-workers.ts';
import { StuckEnds } from './ending/stuck-ends.ts';
import { WorkerEnds } from './ending/worker-ends.ts';
import { WorkerStarts } from './worker-starts.ts';

export class Supervisor {
  readonly #context: Context;
  readonly #outcome: Outcome;
  readonly #starts: WorkerStarts;
  readonly #ends: WorkerEnds;
  readonly #slots: SlotWatch;
  readonly #operations: OperationWatch;
  readonly #end: PoolEnd;
  /** Workers whose request is stuck. */
  readonly stuck: StuckEnds;

  constructor(machine: Machine, settings: PoolSettings, outcome: Outcome, books: PoolBooks = {}) {
    const context = new Context(machine, settings, books, this.#hands());
    this.#context = context;
    this.#outcome = outcome;
    this.#ends = new WorkerEnds(context);
    this.#starts = new WorkerStarts(context, this.#ends);
    this.stuck = new StuckEnds(context, this.#ends);
    this.#slots = new SlotWatch(context);
    this.#operations = new OperationWatch(context, this.#ends);
    const parts = { outcome, ends: this.#ends, slots: this.#slots, operations: this.#operations };
    this.#end = new PoolEnd(context, parts);
  }

  get phase(): PoolPhase {
    return this.#context.pool.phase;
  }

  get pool(): PoolView {
    return this.#context.pool;
  }

  /** Every process of the pool that is there. */
  get roster(): Roster {
    return this.#context.roster;
  }

  /** Undefined: the pool has none. */
  get spares(): SpareWorkers | undefined {
    return this.#starts.spares;
  }

  get facts(): SlotFacts {
    return this.#slots.facts;
  }

  /** What could not be ended, and is there still. */
  get left(): readonly LeftProcess[] {
    return this.#ends.left.all();
  }

  /** Why workers cannot be replaced; undefined: nothing is known against it. */
  get unendable(): string | undefined {
    return this.#ends.unendable;
  }

  /** Who holds the listening socket outside the sessions of workers. */
  get socketHolders(): readonly SocketHolder[] {
    return this.#ends.holders;
  }

  get operationSinceMs(): number | undefined {
    return this.#operations.sinceMs;
  }

  get lastReload(): LastReload | undefined {
    return this.#operations.lastReload;
  }

  /** Whether looking at workers of this program shows anything: one that serves is seen to. */
  looksWork(): boolean {
    return this.#starts.looksWork();
  }

  /** Starts every worker; the outcome is told later. */
  start(): void {
    this.#context.carryOut(this.#context.pool.start());
  }

  /** A child of ours ended; strangers are ignored. */
  childEnded(pid: number, exit: WorkerExit): void {
    const { machine, roster } = this.#context;
    const one = roster.find(pid);
    if (!one) return machine.stopGuard.childEnded(pid);
    if (one.role !== 'trial') return this.#workerEnded(one, exit);
    roster.remove(pid);
    one.onEnd(exit);
  }

  #workerEnded(worker: PoolWorker, exit: WorkerExit): void {
    const { machine, pool, life } = this.#context;
    const { pid } = worker;
    const now = this.#context.now();
    const ended = { ...worker, isOfStart: life.state.kind === 'starting' };
    this.#context.takeSteps(
      () => machine.sharedSocket.restore(),
      () => machine.records.ended(worker.slot, pid),
      () => this.#ends.ended(pid, exit),
      () => this.spares?.ended(pid, exit),
    );
    // Replace first, clean up behind it afterwards: the respawn is what users wait for.
    this.#context.carryOut(pool.ended(pid, exit, now), ended);
    this.#ends.seeToSession(pid);
    // One that outlived the operation may have been the last of its release.
    if (worker.generation !== pool.generation && !pool.operation) this.#operations.letGoOfReleases();
  }

  /** Ends the pool; asked a second time, with KILL at once. With an abandonment it undoes a start. */
  stop(reason: string, abandonment?: Abandonment): void {
    const { machine, pool, life } = this.#context;
    const isFirst = !life.ending;
    const orders = pool.stop('stop', abandonment);
    if (!isFirst) return;
    machine.log.write({ event: 'stopping', reason });
    this.#end.begin();
    this.#context.carryOut(orders);
  }

  /** Another supervisor, the heir, has the pool now: our workers end, and nothing else. */
  drain(heir: AdoptedWorker | undefined): void {
    const { pool, life } = this.#context;
    if (life.ending) return;
    const orders = pool.stop('drain');
    this.#end.begin(heir);
    this.#context.carryOut(orders);
  }

  /** A rolling reload; during one, one more afterwards, for everybody who asked. `isEarly`: see ReloadListener. */
  reload(listener?: OperationListener, isEarly = false): void {
    const { pool, life } = this.#context;
    if (life.ending) return listener?.({ kind: 'stopped' });
    if (listener) this.#operations.awaitReload({ tell: listener, isEarly });
    this.#context.carryOut(pool.ask({ kind: 'reload' }));
  }

  /** Old workers end, then new ones start; false when something else is under way. */
  restart(listener?: OperationListener): boolean {
    const { pool } = this.#context;
    if (pool.operation || pool.phase !== 'serving') return false;
    this.#operations.expectRestart(listener);
    this.#context.carryOut(pool.ask({ kind: 'restart' }));
    return true;
  }

  /** Asks for that many workers, at least one; `reason`: the load's, which is in no hurry with those that go. */
  scale(workers: number, reason?: string): void {
    const { pool } = this.#context;
    this.#context.carryOut(pool.ask({ kind: 'scale', workers: Math.max(1, workers), reason }));
  }

  /**
   * A new worker in the place of this one, which ends when its requests have; false when something else is under way.
   * `tell` hears how it ended, unless the pool stops first.
   */
  replace(wish: ReplacementWish, tell: (end: ReplacementEnd) => void): boolean {
    return this.#operations.replace(wish, tell);
  }

  /** `taker`: the supervisor that takes the pool over. */
  setHandingOver(isHandingOver: boolean, taker = 0): void {
    const { machine, pool } = this.#context;
    // A worker may have started it, by a deploy script for example: it would be one of those that have left then.
    if (isHandingOver && taker > 0) machine.socketHolders.spare(taker);
    this.#operations.setHandingOver(isHandingOver);
    this.#context.carryOut(pool.ask({ kind: 'handover', isHeld: isHandingOver }));
  }

  /** Workers of another supervisor are ended gracefully; they are part of the pool until then. */
  endAdopted(workers: readonly AdoptedWorker[]): void {
    this.#ends.endAdopted(workers);
  }

  #hands(): Hands<EndedWorker> {
    return {
      terminate: (orders) => this.#ends.end(orders),
      'reset-socket': () => this.#resetSocket(),
      spawn: ({ slot }) => this.#starts.spawn(slot),
      'retry-after': (order) => this.#slots.retryAfter(order),
      'cancel-retry': ({ slot }) => this.#slots.cancelRetry(slot),
      'report-end': (order, ended) => this.#slots.reportEnd(order, ended),
      'report-up': ({ firstEnds }) => this.#reportUp(firstEnds),
      'start-failed': ({ firstEnds }) => this.#end.failStart(firstEnds),
      'start-limit-reached': () => this.#end.reachStartLimit(),
      stopped: () => this.#end.awaitEmptySessions((status) => this.#outcome.stopped(status)),
      try: (order) => this.#try(order),
      probe: (order) => this.#operations.probe(order, () => this.looksWork()),
      promoted: (order) => this.#operations.promoted(order),
      settle: (order) => this.#operations.settling(order),
      'reload-begun': (order) => this.#operations.reloadBegun(order),
      'reload-ended': (order) => this.#operations.reloadEnded(order),
      'replacement-ended': (order) => this.#operations.replacementEnded(order),
      'restart-begun': ({ generation }) => this.#log({ event: 'restart-started', generation }),
      'restart-ended': (order) => this.#operations.restartEnded(order),
      scaled: ({ workers, from, reason }) =>
        this.#log({ event: 'scaled', workers, from, ...(reason === undefined ? {} : { reason }) }),
    };
  }

  #log(event: Parameters<Machine['log']['write']>[0]): void {
    this.#context.machine.log.write(event);
  }

  #resetSocket(): void {
    this.#context.takeSteps(
      () => this.#context.machine.sharedSocket.reset(),
      // No worker is left that one of them could be of, but the old ones.
      () => this.#ends.endStrays(),
    );
  }

  #try(order: OrderOf<'try'>): void {
    const { pool, settings } = this.#context;
    const { step, isReload = true } = order;
    if (isReload) this.#context.takeSteps(() => this.#ends.beforeNewGeneration());
    if (this.#starts.try(order))
      this.#operations.after(settings.readyTimeoutMs, () => pool.tell({ kind: 'late', step }));
  }

  #reportUp(firstEnds: readonly (WorkerEnd | undefined)[]): void {
    this.#context.machine.sharedSocket.settle();
    this.#outcome.up(firstEnds);
  }
}
