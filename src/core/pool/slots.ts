// The slots of a pool and who has them: filled, vacated, added, taken away. The table of slot-state.ts says what becomes of
// one; the pool and its operations say what is done with which.
import type { RestartPolicy } from '../config.ts';
import type { PoolOrder } from './orders.ts';
import { freshMemory, noteRecycling, type EndClass } from './restart-policy.ts';
import { Roster } from './roster.ts';
import { advance, emptySlot, livePid, type Slot, type SlotEvent, type Step } from './slot-state.ts';

/** A worker that has no slot yet, and is up. */
export interface UpWorker {
  readonly pid: number;
  readonly startedAtMs: number;
  readonly upAtMs: number;
}

export class Slots {
  readonly roster: Roster;
  readonly #policy: RestartPolicy;
  readonly #slots: Slot[];
  /** Of each slot's latest worker, or of the one that is to come. */
  readonly #generations: number[];
  /** Slots that were added and have had no worker that was up. */
  readonly #grown = new Set<number>();
  #serving = 1;
  #latest = 1;
  #steps = 0;
  /** Whether workers of the generation in service have recycled themselves. */
  #recycles = false;

  constructor(count: number, policy: RestartPolicy, roster: Roster) {
    this.roster = roster;
    this.#policy = policy;
    this.#slots = Array.from({ length: count }, () => emptySlot);
    this.#generations = this.#slots.map(() => this.#serving);
  }

  get all(): readonly Slot[] {
    return this.#slots;
  }

  get count(): number {
    return this.#slots.length;
  }

  get numbers(): number[] {
    return this.#slots.map((_slot, index) => index);
  }

  /** The generation in service. */
  get generation(): number {
    return this.#serving;
  }

  /** The generation of the slot's latest worker, whether it lives or not. */
  generationOf(slot: number): number {
    return this.#generations[slot] ?? this.#serving;
  }

  livePid(slot: number): number | undefined {
    return livePid(this.#slots[slot] ?? emptySlot);
  }

  /** Whether the slot was added since the start and never had a worker that was up. */
  isGrown(slot: number): boolean {
    return this.#grown.has(slot);
  }

  /** Whether every slot is empty, and nobody is waited for. */
  get isEmpty(): boolean {
    return this.#slots.every(({ state }) => state.kind === 'exited') && !this.hasOthers;
  }

  get hasRetirees(): boolean {
    return this.roster.in('retiree').length > 0;
  }

  /** Workers without a slot. */
  get hasOthers(): boolean {
    return this.hasRetirees || this.roster.spares.length > 0;
  }

  /** PIDs of all that the pool has or waits for. */
  livePids(): number[] {
    const members = this.#slots.map(livePid).filter((pid) => pid !== undefined);
    const others = [...this.roster.in('retiree', 'candidate'), ...this.roster.spares];
    return [...members, ...others.map(({ pid }) => pid)];
  }

  /** A number that no generation has had. */
  newGeneration(): number {
    return ++this.#latest;
  }

  /** A number that no step of an operation has had: what comes late belongs to no other one. */
  newStep(): number {
    return ++this.#steps;
  }

  /** What workers of another generation used to do says nothing of this one. */
  serve(generation: number): void {
    if (generation !== this.#serving) this.#recycles = false;
    this.#serving = generation;
  }

  /** What is started from now on in slots without a worker is of the generation in service. */
  alignEmpty(): void {
    for (const slot of this.numbers)
      if (this.livePid(slot) === undefined) this.#generations[slot] = this.#serving;
  }

  setGeneration(slot: number, generation: number): void {
    this.#generations[slot] = generation;
  }

  /** What the event makes of the slot. */
  advance(slot: number, event: SlotEvent): Step {
    const before = this.#slots[slot] ?? emptySlot;
    const step = advance(before, event, this.#policy);
    if (slot in this.#slots) this.#slots[slot] = step.slot;
    if (event.kind === 'up') this.#grown.delete(slot);
    return step;
  }

  /** A worker was started for the slot. */
  admit(slot: number, pid: number, atMs: number): void {
    const generation = this.generationOf(slot);
    this.roster.add({ pid, role: 'member', slot, generation, startedAtMs: atMs });
  }

  /** It came too late: the pool stops. */
  endLatecomer(slot: number, pid: number): PoolOrder[] {
    const { memory } = this.#slots[slot] ?? emptySlot;
    this.#slots[slot] = { state: { kind: 'stopping', pid }, memory };
    return [{ kind: 'terminate', slot, pid }];
  }

  /** Its worker is gone, and the slot remembers nothing of it. */
  clear(slot: number): void {
    this.#slots[slot] = emptySlot;
  }

  /** Ends a worker that has no slot. */
  retire(slot: number, pid: number): PoolOrder[] {
    this.roster.change(pid, 'retiree');
    return [{ kind: 'terminate', slot, pid }];
  }

  /** Empties a slot: its worker is ended gracefully, its retry is called off. */
  vacate(slot: number): PoolOrder[] {
    const { state } = this.#slots[slot] ?? emptySlot;
    this.clear(slot);
    if ('pid' in state) return this.retire(slot, state.pid);
    return state.kind === 'backoff' ? [{ kind: 'cancel-retry', slot }] : [];
  }

  /** Gives an empty slot a worker of this generation. */
  fill(slot: number, generation: number): PoolOrder[] {
    const orders = this.vacate(slot);
    this.#generations[slot] = generation;
    return [...orders, { kind: 'spawn', slot }];
  }

  /** Gives the slot to a worker that is up; whoever had it is ended gracefully. */
  install(slot: number, generation: number, worker: UpWorker): PoolOrder[] {
    const orders = this.vacate(slot);
    this.#grown.delete(slot);
    this.#slots[slot] = { state: { kind: 'running', ...worker, isSeen: true }, memory: freshMemory };
    this.#generations[slot] = generation;
    this.roster.change(worker.pid, 'member');
    return [{ kind: 'promoted', slot, pid: worker.pid }, ...orders];
  }

  /** One more, which gets a worker of the generation in service. */
  grow(): PoolOrder[] {
    const slot = this.#slots.push(emptySlot) - 1;
    this.#grown.add(slot);
    return this.fill(slot, this.#serving);
  }

  /** One less, the last one. */
  shrink(): PoolOrder[] {
    const slot = this.#slots.length - 1;
    const orders = this.vacate(slot);
    this.#slots.pop();
    this.#generations.pop();
    this.#grown.delete(slot);
    return orders;
  }

  /**
   * Where recycling is usual, or once a worker has lived for a while, a planned exit is no failure of its release; nor is
   * a request that was stuck.
   */
  isRecycling({ state }: Slot, end: EndClass, atMs: number): boolean {
    if (end === 'stuck') return true;
    if (end !== 'planned' || state.kind !== 'running') return false;
    return this.#recycles || atMs - state.startedAtMs >= this.#policy.minUptimeMs;
  }

  /** What one slot's worker did tells of the others: of their workers many end before anybody looks. */
  noteRecycling(generation: number): void {
    if (generation === this.#serving) this.#recycles = true;
    this.#slots.forEach((slot, index) => {
      if (this.#generations[index] !== generation) return;
      const memory = noteRecycling(slot.memory);
      // Mostly it is known already, and the respawn waits.
      if (memory !== slot.memory) this.#slots[index] = { ...slot, memory };
    });
  }
}
