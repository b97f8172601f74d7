// One worker replaced by a new one of the generation in service, because a guard asks for it: new before old, and the old
// one ends when its requests have. Gives way to every other operation at any moment.
import type { Operation, OperationFact } from './operation.ts';
import type { PoolOrder, ReloadFailure } from '../pool/orders.ts';
import type { Slots } from '../pool/slots.ts';

/** Why a worker is replaced: by which guard, as its option is called, and in words for people. */
export interface ReplacementReason {
  readonly guard: string;
  readonly text: string;
}

/** Who is to be replaced; a worker that has not the slot any more needs no successor. */
export interface ReplacementWish {
  readonly slot: number;
  readonly pid: number;
  readonly reason: ReplacementReason;
}

/** `moot`: the worker is gone in another way, or the slot is; `interrupted`: something else was asked for. */
export type ReplacementResult = 'replaced' | 'failed' | 'moot' | 'interrupted';

interface Candidate {
  readonly pid: number;
  readonly startedAtMs: number;
}

export class Replacement implements Operation {
  readonly kind = 'replacement';
  readonly wish: ReplacementWish;
  readonly #slots: Slots;
  readonly #step: number;
  readonly #generation: number;
  /** `trying`: a new worker beside the old one; `ending`: that has the slot, and the old one ends. */
  #stage: 'trying' | 'ending' | 'over' = 'trying';
  #candidate: Candidate | undefined;

  constructor(slots: Slots, wish: ReplacementWish) {
    this.wish = wish;
    this.#slots = slots;
    this.#step = slots.newStep();
    this.#generation = slots.generation;
  }

  get isOver(): boolean {
    return this.#stage === 'over';
  }

  get stage(): 'trying' | 'ending' | 'over' {
    return this.#stage;
  }

  begin(): PoolOrder[] {
    const { slot, pid } = this.wish;
    const state = this.#slots.all[slot]?.state;
    if (state?.kind !== 'running' || state.pid !== pid) return this.#end('moot');
    return [{ kind: 'try', slot, generation: this.#generation, step: this.#step, isReload: false }];
  }

  tell(fact: OperationFact): PoolOrder[] {
    const { slot } = this.wish;
    switch (fact.kind) {
      case 'candidate-spawned':
        this.#candidate = { pid: fact.pid, startedAtMs: fact.atMs };
        return [];
      case 'candidate-up':
        return this.#candidateUp(fact.atMs);
      case 'candidate-failed':
        if (fact.step !== this.#step) return [];
        return this.#fail({ kind: 'ended', slot, pid: 0, end: { kind: 'not-executed', errno: fact.errno } });
      case 'candidate-ended':
        return this.#candidateEnded(fact);
      case 'late':
        return fact.step === this.#step ? this.#fail({ kind: 'late', slot }) : [];
      case 'gone':
        return this.#stage === 'ending' && fact.pid === this.wish.pid ? this.#end('replaced') : [];
      case 'probed':
      case 'settled':
      case 'judged':
      // Its successor is on its way already.
      case 'fell':
        return [];
    }
  }

  awaits(step: number): boolean {
    return this.#stage === 'trying' && step === this.#step && !this.#candidate;
  }

  /** The old worker may end by itself meanwhile. */
  concerns(slot: number): boolean {
    return this.#stage === 'trying' && slot === this.wish.slot;
  }

  /** Something else begins: what was begun here is undone, or goes on by itself with the patience of a reload. */
  giveWay(): PoolOrder[] {
    const { slot, pid } = this.wish;
    if (this.#stage === 'trying') return this.#undo('interrupted');
    return [{ kind: 'terminate', slot, pid }, ...this.#end('replaced')];
  }

  abandon(): PoolOrder[] {
    this.#stage = 'over';
    return this.#endCandidate();
  }

  #candidateUp(atMs: number): PoolOrder[] {
    const candidate = this.#candidate;
    const { slot, pid } = this.wish;
    if (!candidate || this.#stage !== 'trying') return [];
    const owner = this.#slots.livePid(slot);
    const isWanted = this.#slots.all[slot] !== undefined && (owner === undefined || owner === pid);
    if (!isWanted) return this.#undo('moot');
    this.#candidate = undefined;
    const installed = this.#slots.install(slot, this.#generation, { ...candidate, upAtMs: atMs });
    const orders = installed.map((order) =>
      order.kind === 'terminate' ? { ...order, isUnhurried: true } : order,
    );
    if (owner === undefined) return [...orders, ...this.#end('replaced')];
    this.#stage = 'ending';
    return orders;
  }

  #candidateEnded({ exit }: Extract<OperationFact, { kind: 'candidate-ended' }>): PoolOrder[] {
    const pid = this.#candidate?.pid ?? 0;
    this.#candidate = undefined;
    return this.#fail({ kind: 'ended', slot: this.wish.slot, pid, end: exit });
  }

  #fail(failure: ReloadFailure): PoolOrder[] {
    return this.#stage === 'trying' ? this.#undo('failed', failure) : [];
  }

  /** The old worker serves on; if it is gone, the slot is filled as it would have been. */
  #undo(result: ReplacementResult, failure?: ReloadFailure): PoolOrder[] {
    const { slot } = this.wish;
    const orders = this.#endCandidate();
    const isEmpty = this.#slots.all[slot]?.state.kind === 'exited';
    const filled = isEmpty ? this.#slots.fill(slot, this.#slots.generation) : [];
    return [...orders, ...filled, ...this.#end(result, failure)];
  }

  #endCandidate(): PoolOrder[] {
    const candidate = this.#candidate;
    this.#candidate = undefined;
    return candidate ? this.#slots.retire(this.wish.slot, candidate.pid) : [];
  }

  #end(result: ReplacementResult, failure?: ReloadFailure): PoolOrder[] {
    this.#stage = 'over';
    return [{ kind: 'replacement-ended', wish: this.wish, result, failure }];
  }
}
