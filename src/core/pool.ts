// The plan of one pool: its slots, the verdict on the first start, the start limit,
// scaling, and the one operation under way. Pure: events in, orders out.
import type { RestartPolicy } from './config.ts';
import { Life } from './life.ts';
import { orderTraits, type OrderOf, type PoolOrder } from './orders.ts';
import { Reload } from './reload.ts';
import type { EndClass } from './restart-policy.ts';
import type { Roster } from './roster.ts';
import type { Slot, SlotEvent, SlotOrder } from './slot-state.ts';
import { Slots } from './slots.ts';
import type { WorkerEnd, WorkerExit } from './worker-exit.ts';

/** How far its life is, for people and clients. */
export type PoolPhase = 'starting' | 'serving' | 'stopping' | 'stopped';

/** A slot's part in a start: undecided, up, or how its first worker ended. */
type Verdict = 'pending' | 'up' | WorkerEnd;

/** All old workers end, then new ones start: `verdicts` once they were started. */
interface Restart {
  readonly generation: number;
  verdicts: Verdict[] | undefined;
}

/** When something happened; `random` in [0, 1) feeds the jitter of a delayed restart. */
export interface Moment {
  readonly atMs: number;
  readonly random: number;
}

/** What is told of a slot, not of its worker. */
type SlotFact = Exclude<SlotEvent, { kind: 'up' | 'ended' }>;

export class Pool {
  readonly life = new Life();
  readonly #policy: RestartPolicy;
  readonly #probes: boolean;
  readonly #slots: Slots;
  readonly #verdicts: Verdict[];
  /** Restarts of slots whose first worker died wait until the start is decided. */
  #withheld: PoolOrder[] = [];
  #recentFailuresMs: number[] = [];
  #reload: Reload | undefined;
  #restart: Restart | undefined;
  #isHandingOver = false;
  /** Asked for while something else was under way. */
  #isReloadDue = false;
  #wanted: number;

  constructor(workers: number, policy: RestartPolicy, options: { readonly probes?: boolean } = {}) {
    this.#policy = policy;
    this.#probes = options.probes ?? false;
    this.#wanted = workers;
    this.#slots = new Slots(workers, policy);
    this.#verdicts = this.#slots.all.map(() => 'pending');
  }

  get phase(): PoolPhase {
    const { state } = this.life;
    if (state.kind === 'starting' || state.kind === 'serving') return state.kind;
    return state.hasWorkers ? 'stopping' : 'stopped';
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
    return this.#wanted;
  }

  get reload(): Pick<Reload, 'stage' | 'slot' | 'candidate' | 'to'> | undefined {
    return this.#reload;
  }

  get isReloadDue(): boolean {
    return this.#isReloadDue;
  }

  get operation(): 'reload' | 'restart' | 'handover' | undefined {
    if (this.#reload) return 'reload';
    if (this.#restart) return 'restart';
    return this.#isHandingOver ? 'handover' : undefined;
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
    if (worker?.role === 'candidate') return this.#advanceReload((reload) => reload.candidateUp(atMs));
    return worker?.role === 'member' ? this.#advance(worker.slot, { kind: 'up', atMs, isSeen }) : [];
  }

  /** A worker is gone. */
  ended(pid: number, exit: WorkerExit, moment: Moment): PoolOrder[] {
    const worker = this.roster.remove(pid);
    switch (worker?.role) {
      case 'member':
        return this.#advance(worker.slot, { kind: 'ended', exit, ...moment }, pid);
      case 'candidate':
        return this.#advanceReload((reload) => reload.candidateLost(exit));
      case 'retiree':
        return this.#reload ? this.#advanceReload((reload) => reload.gone(pid)) : this.#settle();
      case 'left':
      case undefined:
        return [];
    }
  }

  /** A worker is there still, and nobody can end it: what waits for that goes on without. */
  leave(pid: number, moment: Moment): PoolOrder[] {
    const worker = this.roster.get(pid);
    const orders = this.ended(pid, { kind: 'signaled', signal: 9 }, moment);
    if (worker) this.roster.add({ ...worker, role: 'left' });
    return orders;
  }

  /** A fact about one slot. `errno` says why, when its worker could not be started. */
  handle(slot: number, fact: SlotFact, errno = 0): PoolOrder[] {
    if (fact.kind === 'spawned') return this.#admit(slot, fact);
    return this.#advance(slot, fact, 0, errno);
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
    if (event.kind === 'spawn-failed' && this.phase === 'stopping') return [];
    if (event.kind === 'retry-due' && this.#isWithheld(index)) return [];
    const step = this.#slots.advance(index, event);
    const orders = step.orders.map((order) => addressOrder(index, order));
    if (event.kind === 'up') this.#judge(index, 'up');
    if (!step.end) return [...orders, ...this.#settle()];

    const end: WorkerEnd = event.kind === 'ended' ? event.exit : { kind: 'not-executed', errno };
    const { class: endClass, delayMs, wasUp, wasSeen } = step.end;
    const report: PoolOrder = { kind: 'report-end', slot: index, end, class: endClass, delayMs };
    if (this.#judge(index, wasUp ? 'up' : end)) {
      this.#withheld.push(...orders);
      return [report, ...this.#settle()];
    }
    if (endClass === 'planned' && wasSeen) this.#slots.noteRecycling(this.generationOf(index));
    if (this.#reload?.concerns(index) && !this.#isRecycling(slot, endClass, event)) {
      this.#slots.clear(index);
      const answer = this.#advanceReload((reload) => reload.fell(index, pid, end));
      return [{ ...report, delayMs: 0 }, ...answer];
    }
    if (this.#exceedsStartLimit(endClass, event))
      return [{ ...report, delayMs: undefined }, ...this.#giveUp()];
    this.#slots.setGeneration(index, this.#reload?.generationFor(index) ?? this.generation);
    return [report, ...orders, ...this.#settle()];
  }

  /** Ends every worker; no slot is filled again. A pool that is drained has its heirs at work. */
  stop(how: 'stop' | 'drain' = 'stop'): PoolOrder[] {
    return this.#end(how);
  }

  #end(why: 'stop' | 'drain' | 'limited'): PoolOrder[] {
    const isFirst = !this.life.ending;
    this.life.change(why);
    if (!isFirst) return [];
    this.#withheld = [];
    this.#isReloadDue = false;
    const orders = this.#reload?.abandon() ?? [];
    this.#reload = undefined;
    this.#restart = undefined;
    orders.push(...this.#slots.numbers.flatMap((slot) => this.#advance(slot, { kind: 'stop' })));
    return [...orders, ...this.#settle()];
  }

  /** A rolling reload, now or after what is under way; ignored when stopping. */
  requestReload(): PoolOrder[] {
    if (this.life.ending) return [];
    this.#isReloadDue = true;
    return this.#settle();
  }

  /** All workers end, then those of a new generation start; the caller checks that nothing is under way. */
  requestRestart(): PoolOrder[] {
    if (this.phase !== 'serving' || this.operation) return [];
    const generation = this.#slots.newGeneration();
    this.#restart = { generation, verdicts: undefined };
    const orders: PoolOrder[] = [{ kind: 'restart-begun', generation }];
    for (const slot of this.#slots.numbers) orders.push(...this.#slots.vacate(slot));
    return [...orders, ...this.#settle()];
  }

  /** Asks for another number of workers; during an operation it is applied at its end. */
  scale(workers: number): PoolOrder[] {
    if (this.life.ending) return [];
    this.#wanted = workers;
    return this.#settle();
  }

  /** While the pool is being given to another supervisor nothing but replacing ended workers goes on. */
  setHandingOver(isHandingOver: boolean): PoolOrder[] {
    this.#isHandingOver = isHandingOver;
    return this.#settle();
  }

  /** The worker that was started for a `try` order. */
  tried({ slot, generation, step }: OrderOf<'try'>, pid: number, atMs: number): PoolOrder[] {
    this.roster.add({ pid, role: 'candidate', slot, generation, startedAtMs: atMs });
    return this.#reload?.awaits(step)
      ? this.#reload.candidateSpawned(pid, atMs)
      : this.#slots.retire(slot, pid);
  }

  candidateFailed(step: number, errno: number): PoolOrder[] {
    return this.#advanceReload((reload) => reload.candidateFailed(step, errno));
  }

  /** `--ready-timeout` is over for the step. */
  late(step: number): PoolOrder[] {
    return this.#advanceReload((reload) => reload.late(step));
  }

  /** The probe's answer: undefined is good, a text says why not. */
  probed(step: number, refusal: string | undefined, isLate = false): PoolOrder[] {
    return this.#advanceReload((reload) => reload.probed(step, refusal, isLate));
  }

  settled(step: number): PoolOrder[] {
    return this.#advanceReload((reload) => reload.settled(step));
  }

  #advanceReload(step: (reload: Reload) => PoolOrder[]): PoolOrder[] {
    if (!this.#reload) return [];
    return [...this.#concludeReload(step(this.#reload)), ...this.#settle()];
  }

  /** After the last order of a reload its generation, or the old one, is in service. */
  #concludeReload(orders: PoolOrder[]): PoolOrder[] {
    const end = orders.find((order) => order.kind === 'reload-ended');
    if (!end || !this.#reload) return orders;
    const { from, to } = this.#reload;
    // "partly": whatever is started from now on comes from the path that still is there.
    this.#slots.serve(end.result === 'reloaded' || end.result === 'partly' ? to : from);
    this.#reload = undefined;
    this.#slots.alignEmpty();
    return orders;
  }

  /** The slot's first worker died and the start is not decided: nothing may be started there. */
  #isWithheld(index: number): boolean {
    return this.phase === 'starting' && typeof this.#verdicts[index] === 'object';
  }

  /** A planned exit fails no reload where recycling is usual, or once the worker has lived for a while. */
  #isRecycling(slot: Slot, endClass: EndClass, event: SlotEvent): boolean {
    if (endClass !== 'planned' || event.kind !== 'ended' || slot.state.kind !== 'running') return false;
    return this.#slots.recycles || event.atMs - slot.state.startedAtMs >= this.#policy.minUptimeMs;
  }

  /** Records the slot's verdict on the first start; true when it was the slot's first worker that died. */
  #judge(index: number, verdict: Verdict): boolean {
    if (this.#restart?.verdicts?.[index] === 'pending') this.#restart.verdicts[index] = verdict;
    if (this.phase !== 'starting' || this.#verdicts[index] !== 'pending') return false;
    this.#verdicts[index] = verdict;
    return verdict !== 'up';
  }

  /** Decides the start, a restart and the stop once every slot has its part; then begins what waits. */
  #settle(): PoolOrder[] {
    if (this.phase === 'starting' && !this.#verdicts.includes('pending')) return this.#decideStart();
    if (this.phase === 'stopping' && this.#slots.isEmpty) {
      this.life.change('emptied');
      return [{ kind: 'stopped' }];
    }
    if (this.phase !== 'serving') return [];
    const orders = this.#restart ? this.#goOnRestarting(this.#restart) : [];
    return this.operation ? orders : [...orders, ...this.#beginWhatWaits()];
  }

  #goOnRestarting(restart: Restart): PoolOrder[] {
    if (restart.verdicts === undefined) {
      if (this.#slots.hasRetirees) return [];
      restart.verdicts = this.slots.map(() => 'pending');
      this.#slots.serve(restart.generation);
      const spawns = this.#slots.numbers.flatMap((slot) => this.#slots.fill(slot, restart.generation));
      return [{ kind: 'reset-socket' }, ...spawns];
    }
    if (restart.verdicts.includes('pending')) return [];
    this.#restart = undefined;
    const isUp = restart.verdicts.every((verdict) => verdict === 'up');
    return [{ kind: 'restart-ended', isUp, generation: restart.generation }];
  }

  #beginWhatWaits(): PoolOrder[] {
    // A slot that is added before a reload would get a worker of the old generation only to replace it.
    const isScaledFirst = this.#wanted < this.#slots.count || !this.#isReloadDue;
    const orders = isScaledFirst && this.#wanted !== this.#slots.count ? this.#applyScale() : [];
    if (!this.#isReloadDue) return orders;
    this.#isReloadDue = false;
    const generation = this.#slots.newGeneration();
    this.#reload = new Reload(this.#slots, { from: this.generation, to: generation }, this.#probes);
    return [...orders, { kind: 'reload-begun', generation }, ...this.#reload.begin()];
  }

  #applyScale(): PoolOrder[] {
    const orders: PoolOrder[] = [];
    while (this.#slots.count > this.#wanted) orders.push(...this.#slots.shrink());
    while (this.#slots.count < this.#wanted) orders.push(...this.#slots.grow());
    return [...orders, { kind: 'scaled', workers: this.#wanted }];
  }

  #decideStart(): PoolOrder[] {
    const firstEnds = this.#verdicts.map((verdict) => (typeof verdict === 'string' ? undefined : verdict));
    const dead = firstEnds.filter((end) => end !== undefined);
    if (dead.length === this.#verdicts.length) {
      this.life.change('failed');
      return [{ kind: 'start-failed', firstEnds: dead }];
    }
    this.life.change('up');
    const orders = this.#withheld;
    this.#withheld = [];
    return [{ kind: 'report-up', firstEnds }, ...orders, ...this.#settle()];
  }

  #exceedsStartLimit(end: EndClass, event: SlotEvent): boolean {
    const limit = this.#policy.startLimit;
    if (!limit || end === 'planned' || !('atMs' in event) || this.phase !== 'serving') return false;
    this.#recentFailuresMs = [...this.#recentFailuresMs, event.atMs].filter(
      (at) => event.atMs - at < limit.withinMs,
    );
    return this.#recentFailuresMs.length >= limit.count;
  }

  #giveUp(): PoolOrder[] {
    return [{ kind: 'start-limit-reached' }, ...this.#end('limited')];
  }
}

function addressOrder(slot: number, order: SlotOrder): PoolOrder {
  return { ...order, slot };
}
