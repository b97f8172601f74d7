// The plan of one pool: its life, its slots, the verdict on the first start, the start limit, and the one operation under
// way. Pure: facts in, orders out.
import { Agenda, type Wish } from '../operations/agenda.ts';
import type { RestartPolicy } from '../config.ts';
import { FirstStart } from './first-start.ts';
import { Life, type Abandonment, type PoolPhase } from '../life.ts';
import type { OperationFact, StepFact } from '../operations/operation.ts';
import { orderTraits, type OrderOf, type PoolOrder } from './orders.ts';
import type { PoolOptions } from './pool-options.ts';
import { isFailure } from './restart-policy.ts';
import { Roster } from './roster.ts';
import type { Loss, Moment, Slot, SlotEvent } from './slot-state.ts';
import { Slots } from './slots.ts';
import { StartLimit } from './start-limit.ts';
import type { Verdict } from './verdicts.ts';
import type { WorkerEnd, WorkerExit } from '../worker-exit.ts';

/** What is told of a slot, not of its worker. */
type SlotFact = Exclude<SlotEvent, { kind: 'up' | 'ended' }>;

export class Pool {
  readonly life: Life;
  readonly #slots: Slots;
  readonly #agenda: Agenda;
  readonly #firstStart: FirstStart;
  readonly #startLimit: StartLimit;

  constructor(workers: number, policy: RestartPolicy, options: PoolOptions = {}) {
    const { probes = false, life = new Life(), roster = new Roster() } = options;
    this.life = life;
    this.#slots = new Slots(workers, policy, roster);
    this.#agenda = new Agenda(this.#slots, probes);
    this.#firstStart = new FirstStart(workers);
    this.#startLimit = new StartLimit(policy);
  }

  get phase(): PoolPhase {
    return this.life.phase;
  }

  get slots(): readonly Slot[] {
    return this.#slots.all;
  }

  /** Every process of the pool that is there. */
  get roster(): Roster {
    return this.#slots.roster;
  }

  /** The generation in service. */
  get generation(): number {
    return this.#slots.generation;
  }

  /** How many workers are wanted; during an operation the slots may still differ. */
  get wanted(): number {
    return this.#agenda.wanted;
  }

  get isReloadDue(): boolean {
    return this.#agenda.isReloadDue;
  }

  get reload(): Agenda['reload'] {
    return this.#agenda.reload;
  }

  get operation(): Agenda['operation'] {
    return this.#agenda.operation;
  }

  get replacement(): Agenda['replacement'] {
    return this.#agenda.replacement;
  }

  generationOf(slot: number): number {
    return this.#slots.generationOf(slot);
  }

  /** Whether the slot was added since the start and never had a worker that was up. */
  isGrown(slot: number): boolean {
    return this.#slots.isGrown(slot);
  }

  /** PIDs of all live workers, those that were told to end included. */
  livePids(): number[] {
    return this.#slots.livePids();
  }

  /** Whether the order still holds: nothing begins in a pool that stops, and a slot may be gone or filled by now. */
  heeds(order: PoolOrder): boolean {
    if (orderTraits[order.kind].isBeginning && this.life.ending) return false;
    return order.kind !== 'spawn' || this.slots[order.slot]?.state.kind === 'exited';
  }

  start(): PoolOrder[] {
    return this.#slots.numbers.map((slot) => ({ kind: 'spawn', slot }));
  }

  /** A worker is up: seen to be, or by its age alone. */
  up(pid: number, atMs: number, isSeen: boolean): PoolOrder[] {
    const worker = this.roster.get(pid);
    if (worker?.role === 'candidate') return this.#tell({ kind: 'candidate-up', atMs });
    return worker?.role === 'member' ? this.#advance(worker.slot, { kind: 'up', atMs, isSeen }) : [];
  }

  /** A worker is gone. */
  ended(pid: number, exit: WorkerExit, moment: Moment): PoolOrder[] {
    const worker = this.roster.remove(pid);
    switch (worker?.role) {
      case 'member':
        return this.#advance(worker.slot, { kind: 'ended', exit, ...moment, isStuck: worker.isStuck }, pid);
      case 'candidate':
        return this.#tell({ kind: 'candidate-ended', exit });
      case 'retiree':
      case 'spare':
        return this.#tell({ kind: 'gone', pid });
      default:
        return [];
    }
  }

  /** A worker is there still, and nobody can end it: what waits for that goes on without. */
  leave(pid: number, moment: Moment): PoolOrder[] {
    const worker = this.roster.get(pid);
    const orders = this.ended(pid, { kind: 'signaled', signal: 9 }, moment);
    if (worker) this.roster.leave(worker);
    return orders;
  }

  /** A fact about one slot. `errno` says why, when its worker could not be started. */
  handle(slot: number, fact: SlotFact, errno = 0): PoolOrder[] {
    if (fact.kind === 'spawned') return this.#admit(slot, fact);
    return this.#advance(slot, fact, 0, errno);
  }

  /** The worker that was started for a `try` order. */
  tried({ slot, generation, step }: OrderOf<'try'>, pid: number, atMs: number): PoolOrder[] {
    this.roster.add({ pid, role: 'candidate', slot, generation, startedAtMs: atMs });
    if (!this.#agenda.awaits(step)) return this.#slots.retire(slot, pid);
    return this.#tell({ kind: 'candidate-spawned', pid, atMs });
  }

  /** How a step of the operation went. */
  tell(fact: StepFact): PoolOrder[] {
    return this.#tell(fact);
  }

  /** Asks for an operation, now or after what is under way; a pool that stops begins none. */
  ask(wish: Wish): PoolOrder[] {
    if (this.life.ending && wish.kind !== 'handover') return [];
    this.#agenda.note(wish, this.phase === 'serving');
    return this.#settle();
  }

  /** Ends every worker; no slot is filled again. A pool that is drained has its heirs at work. */
  stop(why: 'stop' | 'drain' | 'limited' = 'stop', abandonment?: Abandonment): PoolOrder[] {
    const isFirst = !this.life.ending;
    this.life.change(why, abandonment);
    if (!isFirst) return [];
    const abandoned = this.#agenda.abandon();
    const stopped = this.#slots.numbers.flatMap((slot) => this.#advance(slot, { kind: 'stop' }));
    return [...abandoned, ...stopped, ...this.#settle()];
  }

  #tell(fact: OperationFact): PoolOrder[] {
    return [...this.#agenda.tell(fact), ...this.#settle()];
  }

  #admit(slot: number, event: Extract<SlotEvent, { kind: 'spawned' }>): PoolOrder[] {
    const { pid, atMs } = event;
    this.#slots.admit(slot, pid, atMs);
    if (!this.slots[slot]) return this.#slots.retire(slot, pid);
    return this.phase === 'stopping' ? this.#slots.endLatecomer(slot, pid) : this.#advance(slot, event);
  }

  #advance(index: number, event: SlotEvent, pid = 0, errno = 0): PoolOrder[] {
    const slot = this.slots[index];
    if (!slot || this.phase === 'stopped') return [];
    // Starts are ordered together: the first failure may have reached the start limit.
    if (event.kind === 'spawn-failed' && this.life.ending) return [];
    if (event.kind === 'retry-due' && this.phase === 'starting' && this.#firstStart.holdsBack(index))
      return [];
    const step = this.#slots.advance(index, event);
    const orders: PoolOrder[] = step.orders.map((order) => ({ ...order, slot: index }));
    if (step.end) {
      const end: WorkerEnd = event.kind === 'ended' ? event.exit : { kind: 'not-executed', errno };
      const isRecycling = event.kind === 'ended' && this.#slots.isRecycling(slot, step.end.class, event.atMs);
      const atMs = 'atMs' in event ? event.atMs : 0;
      return this.#answerEnd({ ...step.end, slot: index, pid, end, atMs, isRecycling }, orders);
    }
    const concluded = event.kind === 'up' ? this.#judge(index, 'up') : [];
    return [...orders, ...concluded, ...this.#settle()];
  }

  /** The slot's worker ended unasked, or there was none; `orders` would fill the slot again. */
  #answerEnd(loss: Loss, orders: readonly PoolOrder[]): PoolOrder[] {
    const { slot, pid, end, class: endClass, delayMs } = loss;
    const report: PoolOrder = { kind: 'report-end', slot, end, class: endClass, delayMs };
    const verdict = loss.wasUp ? 'up' : end;
    if (this.phase === 'starting' && this.#firstStart.judge(slot, verdict)) {
      this.#firstStart.withhold(orders);
      return [report, ...this.#settle()];
    }
    if (endClass === 'planned' && loss.wasSeen) this.#slots.noteRecycling(this.generationOf(slot));
    if (this.#agenda.concerns(slot) && !loss.isRecycling) {
      this.#slots.clear(slot);
      return [{ ...report, delayMs: 0 }, ...this.#tell({ kind: 'fell', slot, pid, end })];
    }
    if (isFailure(endClass) && this.phase === 'serving' && this.#startLimit.isReachedBy(loss.atMs))
      return [{ ...report, delayMs: undefined }, { kind: 'start-limit-reached' }, ...this.stop('limited')];
    this.#slots.setGeneration(slot, this.#agenda.generationFor(slot));
    return [report, ...orders, ...this.#judge(slot, verdict), ...this.#settle()];
  }

  #judge(slot: number, verdict: Verdict): PoolOrder[] {
    if (this.phase === 'starting') this.#firstStart.judge(slot, verdict);
    return this.#agenda.tell({ kind: 'judged', slot, verdict });
  }

  /** Decides the start and the stop once every slot has its part; then begins what waits. */
  #settle(): PoolOrder[] {
    switch (this.phase) {
      case 'starting':
        return this.#firstStart.isDecided ? this.#decideStart() : [];
      case 'serving':
        return this.#agenda.goOn();
      case 'stopping':
        if (!this.#slots.isEmpty) return [];
        this.life.change('emptied');
        return [{ kind: 'stopped' }];
      case 'stopped':
        return [];
    }
  }

  #decideStart(): PoolOrder[] {
    const { isUp, orders } = this.#firstStart.decide();
    this.life.change(isUp ? 'up' : 'failed');
    return [...orders, ...this.#settle()];
  }
}
