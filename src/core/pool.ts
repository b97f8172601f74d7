// The plan of one pool: its slots, the verdict on the first start, the start limit,
// scaling, and the one operation under way. Pure: events in, orders out.
import type { RestartPolicy } from './config.ts';
import { orderTraits, type PoolOrder } from './orders.ts';
import { Reload, type SlotKeeper, type UpWorker } from './reload.ts';
import { freshMemory, noteRecycling, type EndClass } from './restart-policy.ts';
import { advance, emptySlot, livePid, type Slot, type SlotEvent, type SlotOrder } from './slot-state.ts';
import type { WorkerEnd, WorkerExit } from './worker-exit.ts';

export type PoolPhase = 'starting' | 'serving' | 'stopping' | 'stopped';

/** A slot's part in a start: undecided, up, or how its first worker ended. */
type Verdict = 'pending' | 'up' | WorkerEnd;

/** All old workers end, then new ones start: `verdicts` once they were started. */
interface Restart {
  readonly generation: number;
  verdicts: Verdict[] | undefined;
}

export class Pool {
  readonly #policy: RestartPolicy;
  readonly #probes: boolean;
  readonly #slots: Slot[];
  /** Slots that were added and have had no worker that was up. */
  readonly #grown = new Set<number>();
  /** Of each slot's latest worker. */
  readonly #generations: number[];
  readonly #verdicts: Verdict[];
  /** Workers without a slot that were told to end, with the slot that they had. */
  readonly #retirees = new Map<number, number>();
  /** Restarts of slots whose first worker died wait until the start is decided. */
  #withheld: PoolOrder[] = [];
  #recentFailuresMs: number[] = [];
  #phase: PoolPhase = 'starting';
  #generation = 1;
  #lastGeneration = 1;
  #reload: Reload | undefined;
  #restart: Restart | undefined;
  #isHandingOver = false;
  /** Asked for while something else was under way. */
  #isReloadDue = false;
  #wanted: number;
  /** Whether workers of the generation in service have recycled themselves. */
  #recycles = false;

  constructor(workers: number, policy: RestartPolicy, options: { readonly probes?: boolean } = {}) {
    this.#policy = policy;
    this.#probes = options.probes ?? false;
    this.#wanted = workers;
    this.#slots = Array.from({ length: workers }, () => emptySlot);
    this.#generations = this.#slots.map(() => this.#generation);
    this.#verdicts = this.#slots.map(() => 'pending');
  }

  get phase(): PoolPhase {
    return this.#phase;
  }

  get slots(): readonly Slot[] {
    return this.#slots;
  }

  /** The generation in service. */
  get generation(): number {
    return this.#generation;
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

  get retirees(): ReadonlyMap<number, number> {
    return this.#retirees;
  }

  generationOf(slot: number): number {
    return this.#generations[slot] ?? this.#generation;
  }

  /** PIDs of all live workers, those that were told to end included. */
  livePids(): number[] {
    const candidate = this.#reload?.candidate?.pid;
    const members = this.#slots.map(livePid).filter((pid) => pid !== undefined);
    return [...members, ...this.#retirees.keys(), ...(candidate === undefined ? [] : [candidate])];
  }

  /** Whether the order still holds: nothing begins in a pool that stops, and a slot may be gone or filled by now. */
  heeds(order: PoolOrder): boolean {
    if (orderTraits[order.kind].isBeginning && this.#isEnding) return false;
    return order.kind !== 'spawn' || this.#slots[order.slot]?.state.kind === 'exited';
  }

  get #isEnding(): boolean {
    return this.#phase === 'stopping' || this.#phase === 'stopped';
  }

  start(): PoolOrder[] {
    return this.#slots.map((_slot, index) => ({ kind: 'spawn', slot: index }));
  }

  /** A fact about one slot. `errno` says why, when its worker could not be started. */
  handle(index: number, event: SlotEvent, errno = 0): PoolOrder[] {
    const slot = this.#slots[index];
    if (!slot) return event.kind === 'spawned' ? this.#retire(index, event.pid) : [];
    if (this.#phase === 'stopped') return [];
    if (event.kind === 'spawned' && this.#phase === 'stopping') return this.#endLatecomer(index, event.pid);
    // Starts are ordered together: the first failure may have reached the start limit.
    if (event.kind === 'spawn-failed' && this.#phase === 'stopping') return [];
    if (event.kind === 'retry-due' && this.#isWithheld(index)) return [];
    const pid = livePid(slot) ?? 0;
    const step = advance(slot, event, this.#policy);
    this.#slots[index] = step.slot;
    const orders = step.orders.map((order) => addressOrder(index, order));
    if (event.kind === 'up') {
      this.#grown.delete(index);
      this.#judge(index, 'up');
    }
    if (!step.end) return [...orders, ...this.#settle()];

    const end: WorkerEnd = event.kind === 'ended' ? event.exit : { kind: 'not-executed', errno };
    const { class: endClass, delayMs, wasUp, wasSeen } = step.end;
    const report: PoolOrder = { kind: 'report-end', slot: index, end, class: endClass, delayMs };
    if (this.#judge(index, wasUp ? 'up' : end)) {
      this.#withheld.push(...orders);
      return [report, ...this.#settle()];
    }
    if (endClass === 'planned' && wasSeen) this.#noteRecycling(this.generationOf(index));
    if (this.#reload?.concerns(index) && !this.#isRecycling(slot, endClass, event)) {
      this.#slots[index] = emptySlot;
      const answer = this.#advanceReload((reload) => reload.fell(index, pid, end));
      return [{ ...report, delayMs: 0 }, ...answer];
    }
    if (this.#exceedsStartLimit(endClass, event))
      return [{ ...report, delayMs: undefined }, ...this.#giveUp()];
    this.#generations[index] = this.#reload?.generationFor(index) ?? this.#generation;
    return [report, ...orders, ...this.#settle()];
  }

  /** Ends every worker; no slot is filled again. */
  stop(): PoolOrder[] {
    if (this.#isEnding) return [];
    this.#phase = 'stopping';
    this.#withheld = [];
    this.#isReloadDue = false;
    const orders = this.#reload?.abandon() ?? [];
    this.#reload = undefined;
    this.#restart = undefined;
    orders.push(...this.#slots.flatMap((_slot, index) => this.handle(index, { kind: 'stop' })));
    return [...orders, ...this.#settle()];
  }

  /** A rolling reload, now or after what is under way; ignored when stopping. */
  requestReload(): PoolOrder[] {
    if (this.#isEnding) return [];
    this.#isReloadDue = true;
    return this.#settle();
  }

  /** All workers end, then those of a new generation start; the caller checks that nothing is under way. */
  requestRestart(): PoolOrder[] {
    if (this.#phase !== 'serving' || this.operation) return [];
    const generation = ++this.#lastGeneration;
    this.#restart = { generation, verdicts: undefined };
    const orders: PoolOrder[] = [{ kind: 'restart-begun', generation }];
    this.#slots.forEach((_slot, index) => orders.push(...this.#vacate(index)));
    return [...orders, ...this.#settle()];
  }

  /** Asks for another number of workers; during an operation it is applied at its end. */
  scale(workers: number): PoolOrder[] {
    if (this.#isEnding) return [];
    this.#wanted = workers;
    return this.#settle();
  }

  /** While the pool is being given to another supervisor nothing but replacing ended workers goes on. */
  setHandingOver(isHandingOver: boolean): PoolOrder[] {
    this.#isHandingOver = isHandingOver;
    return this.#settle();
  }

  /** The worker that was started for a `try` order. */
  candidateSpawned(step: number, pid: number, atMs: number): PoolOrder[] {
    if (this.#reload) return this.#reload.candidateSpawned(step, pid, atMs);
    return this.#retire(0, pid);
  }

  candidateFailed(step: number, errno: number): PoolOrder[] {
    return this.#advanceReload((reload) => reload.candidateFailed(step, errno));
  }

  candidateUp(atMs: number): PoolOrder[] {
    return this.#advanceReload((reload) => reload.candidateUp(atMs));
  }

  candidateEnded(exit: WorkerExit): PoolOrder[] {
    return this.#advanceReload((reload) => reload.candidateLost(exit));
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

  /** A worker that had no slot any more is gone. */
  retireeEnded(pid: number): PoolOrder[] {
    if (!this.#retirees.delete(pid)) return [];
    return this.#reload ? this.#advanceReload((reload) => reload.gone(pid)) : this.#settle();
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
    this.#serve(end.result === 'reloaded' || end.result === 'partly' ? to : from);
    this.#reload = undefined;
    this.#slots.forEach((slot, index) => {
      if (livePid(slot) === undefined) this.#generations[index] = this.#generation;
    });
    return orders;
  }

  /** What workers of another generation used to do says nothing of this one. */
  #serve(generation: number): void {
    if (generation !== this.#generation) this.#recycles = false;
    this.#generation = generation;
  }

  /** What one slot's worker did tells of the others: of their workers many end before anybody looks. */
  #noteRecycling(generation: number): void {
    if (generation === this.#generation) this.#recycles = true;
    this.#slots.forEach((slot, index) => {
      if (this.#generations[index] === generation)
        this.#slots[index] = { ...slot, memory: noteRecycling(slot.memory) };
    });
  }

  /** The slot's first worker died and the start is not decided: nothing may be started there. */
  #isWithheld(index: number): boolean {
    return this.#phase === 'starting' && typeof this.#verdicts[index] === 'object';
  }

  /** A planned exit fails no reload where recycling is usual, or once the worker has lived for a while. */
  #isRecycling(slot: Slot, endClass: EndClass, event: SlotEvent): boolean {
    if (endClass !== 'planned' || event.kind !== 'ended' || slot.state.kind !== 'running') return false;
    return this.#recycles || event.atMs - slot.state.startedAtMs >= this.#policy.minUptimeMs;
  }

  #endLatecomer(index: number, pid: number): PoolOrder[] {
    this.#slots[index] = { ...(this.#slots[index] ?? emptySlot), state: { kind: 'stopping', pid } };
    return [{ kind: 'terminate', slot: index, pid }];
  }

  #retire(slot: number, pid: number): PoolOrder[] {
    this.#retirees.set(pid, slot);
    return [{ kind: 'terminate', slot, pid }];
  }

  /** Empties a slot: its worker is ended gracefully, its retry is called off. */
  #vacate(index: number): PoolOrder[] {
    const slot = this.#slots[index] ?? emptySlot;
    const pid = livePid(slot);
    this.#slots[index] = emptySlot;
    if (pid !== undefined) return this.#retire(index, pid);
    return slot.state.kind === 'backoff' ? [{ kind: 'cancel-retry', slot: index }] : [];
  }

  /** Records the slot's verdict on the first start; true when it was the slot's first worker that died. */
  #judge(index: number, verdict: Verdict): boolean {
    if (this.#restart?.verdicts?.[index] === 'pending') this.#restart.verdicts[index] = verdict;
    if (this.#phase !== 'starting' || this.#verdicts[index] !== 'pending') return false;
    this.#verdicts[index] = verdict;
    return verdict !== 'up';
  }

  /** Decides the start, a restart and the stop once every slot has its part; then begins what waits. */
  #settle(): PoolOrder[] {
    if (this.#phase === 'starting' && !this.#verdicts.includes('pending')) return this.#decideStart();
    if (this.#phase === 'stopping' && this.#isEmpty()) {
      this.#phase = 'stopped';
      return [{ kind: 'stopped' }];
    }
    if (this.#phase !== 'serving') return [];
    const orders = this.#restart ? this.#goOnRestarting(this.#restart) : [];
    return this.operation ? orders : [...orders, ...this.#beginWhatWaits()];
  }

  #isEmpty(): boolean {
    return this.#retirees.size === 0 && this.#slots.every((slot) => slot.state.kind === 'exited');
  }

  #goOnRestarting(restart: Restart): PoolOrder[] {
    if (restart.verdicts === undefined) {
      if (this.#retirees.size > 0) return [];
      restart.verdicts = this.#slots.map(() => 'pending');
      this.#serve(restart.generation);
      const spawns = this.#slots.flatMap((_slot, index) => this.#fill(index, restart.generation));
      return [{ kind: 'reset-socket' }, ...spawns];
    }
    if (restart.verdicts.includes('pending')) return [];
    this.#restart = undefined;
    const isUp = restart.verdicts.every((verdict) => verdict === 'up');
    return [{ kind: 'restart-ended', isUp, generation: restart.generation }];
  }

  #beginWhatWaits(): PoolOrder[] {
    // A slot that is added before a reload would get a worker of the old generation only to replace it.
    const isScaledFirst = this.#wanted < this.#slots.length || !this.#isReloadDue;
    const orders = isScaledFirst && this.#wanted !== this.#slots.length ? this.#applyScale() : [];
    if (!this.#isReloadDue) return orders;
    this.#isReloadDue = false;
    const generation = ++this.#lastGeneration;
    this.#reload = new Reload(this.#keeper, { from: this.#generation, to: generation }, this.#probes);
    return [...orders, { kind: 'reload-begun', generation }, ...this.#reload.begin()];
  }

  /** Whether the slot was added since the start and never had a worker that was up. */
  isGrown(slot: number): boolean {
    return this.#grown.has(slot);
  }

  #applyScale(): PoolOrder[] {
    const orders: PoolOrder[] = [];
    while (this.#slots.length > this.#wanted) {
      orders.push(...this.#vacate(this.#slots.length - 1));
      this.#slots.pop();
      this.#generations.pop();
      this.#grown.delete(this.#slots.length);
    }
    while (this.#slots.length < this.#wanted) {
      this.#grown.add(this.#slots.length);
      this.#slots.push(emptySlot);
      orders.push(...this.#fill(this.#slots.length - 1, this.#generation));
    }
    return [...orders, { kind: 'scaled', workers: this.#wanted }];
  }

  #fill(slot: number, generation: number): PoolOrder[] {
    const orders = this.#vacate(slot);
    this.#generations[slot] = generation;
    return [...orders, { kind: 'spawn', slot }];
  }

  readonly #keeper: SlotKeeper = (() => {
    const slots = (): readonly Slot[] => this.#slots;
    return {
      get count(): number {
        return slots().length;
      },
      generationOf: (slot) => this.generationOf(slot),
      livePid: (slot) => livePid(this.#slots[slot] ?? emptySlot),
      fill: (slot, generation) => this.#fill(slot, generation),
      install: (slot, generation, worker) => this.#install(slot, generation, worker),
      retire: (slot, pid) => this.#retire(slot, pid),
    };
  })();

  #install(index: number, generation: number, worker: UpWorker): PoolOrder[] {
    const orders = this.#vacate(index);
    this.#grown.delete(index);
    this.#slots[index] = { state: { kind: 'running', ...worker, isSeen: true }, memory: freshMemory };
    this.#generations[index] = generation;
    return [{ kind: 'promoted', slot: index, pid: worker.pid }, ...orders];
  }

  #decideStart(): PoolOrder[] {
    const firstEnds = this.#verdicts.map((verdict) => (typeof verdict === 'string' ? undefined : verdict));
    const dead = firstEnds.filter((end) => end !== undefined);
    if (dead.length === this.#verdicts.length) {
      this.#phase = 'stopped';
      return [{ kind: 'start-failed', firstEnds: dead }];
    }
    this.#phase = 'serving';
    const orders = this.#withheld;
    this.#withheld = [];
    return [{ kind: 'report-up', firstEnds }, ...orders, ...this.#settle()];
  }

  #exceedsStartLimit(end: EndClass, event: SlotEvent): boolean {
    const limit = this.#policy.startLimit;
    if (!limit || end === 'planned' || !('atMs' in event) || this.#phase !== 'serving') return false;
    this.#recentFailuresMs = [...this.#recentFailuresMs, event.atMs].filter(
      (at) => event.atMs - at < limit.withinMs,
    );
    return this.#recentFailuresMs.length >= limit.count;
  }

  #giveUp(): PoolOrder[] {
    return [{ kind: 'start-limit-reached' }, ...this.stop()];
  }
}

function addressOrder(slot: number, order: SlotOrder): PoolOrder {
  return { ...order, slot };
}
