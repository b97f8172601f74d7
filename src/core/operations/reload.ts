// One rolling reload: which slot is next, who the candidate is, what turned it
// round. Decides by rollout.ts what is done with the pool's slots.
import type { Operation, OperationFact } from './operation.ts';
import type { PoolOrder, ReloadFailure } from '../pool/orders.ts';
import {
  decideRollout,
  isReturning,
  type ReloadResult,
  type RolloutEvent,
  type RolloutStage,
} from './rollout.ts';
import type { Slots } from '../pool/slots.ts';
import type { WorkerEnd } from '../worker-exit.ts';

interface Candidate {
  readonly pid: number;
  readonly startedAtMs: number;
}

export class Reload implements Operation {
  readonly kind = 'reload';
  readonly from: number;
  readonly to: number;
  readonly #slots: Slots;
  #stage: RolloutStage;
  #slot = -1;
  #candidate: Candidate | undefined;
  /** The worker whose end is waited for. */
  #old: number | undefined;
  #failure: ReloadFailure | undefined;
  /** Timers carry the step that they were armed in; those of an earlier one are late. */
  #step = 0;
  #isOver = false;

  constructor(slots: Slots, probes: boolean) {
    this.#slots = slots;
    this.from = slots.generation;
    this.to = slots.newGeneration();
    this.#stage = probes ? 'probing' : 'trying';
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get stage(): RolloutStage {
    return this.#stage;
  }

  get slot(): number {
    return this.#slot;
  }

  /** The worker that has no slot yet. */
  get candidate(): Candidate | undefined {
    return this.#candidate;
  }

  get #target(): number {
    return isReturning(this.#stage) ? this.from : this.to;
  }

  /** The generation that fills a slot whose worker ended: its own, on the way back the old one. */
  generationFor(slot: number): number {
    return isReturning(this.#stage) ? this.from : this.#slots.generationOf(slot);
  }

  begin(): PoolOrder[] {
    const begun: PoolOrder = { kind: 'reload-begun', generation: this.to };
    if (this.#stage !== 'probing') return [begun, ...this.#next()];
    this.#step = this.#slots.newStep();
    return [begun, { kind: 'probe', generation: this.to, step: this.#step }];
  }

  tell(fact: OperationFact): PoolOrder[] {
    const isNow = !('step' in fact) || fact.step === this.#step;
    switch (fact.kind) {
      case 'candidate-spawned':
        this.#candidate = { pid: fact.pid, startedAtMs: fact.atMs };
        return [];
      case 'candidate-up':
        return this.#candidateUp(fact.atMs);
      case 'candidate-failed':
        return isNow ? this.#candidateLost({ kind: 'not-executed', errno: fact.errno }) : [];
      case 'candidate-ended':
        return this.#candidateLost(fact.exit);
      case 'late':
        return isNow ? this.#take('late', { kind: 'late', slot: this.#slot }) : [];
      case 'probed':
        return isNow ? this.#probed(fact.refusal, fact.isLate ?? false) : [];
      case 'settled':
        return isNow ? this.#take('settled', undefined) : [];
      case 'gone':
        return fact.pid === this.#old ? this.#take('gone', undefined) : [];
      case 'fell':
        return this.#fell(fact.slot, fact.pid, fact.end);
      case 'judged':
        return [];
    }
  }

  awaits(step: number): boolean {
    return step === this.#step && !this.#candidate;
  }

  /** Whether the unasked end of this slot's worker is the reload's to answer. */
  concerns(slot: number): boolean {
    return this.#slots.generationOf(slot) === this.to;
  }

  /** The pool stops: the candidate must not be forgotten. */
  abandon(): PoolOrder[] {
    this.#isOver = true;
    return this.#endCandidate();
  }

  #candidateUp(atMs: number): PoolOrder[] {
    const candidate = this.#candidate;
    if (!candidate || decideRollout(this.#stage, 'up') !== 'promote') return [];
    this.#candidate = undefined;
    const returning = isReturning(this.#stage);
    this.#old = this.#slots.livePid(this.#slot);
    const orders = this.#slots.install(this.#slot, this.#target, { ...candidate, upAtMs: atMs });
    if (this.#old === undefined) return [...orders, ...this.#next()];
    this.#stage = returning ? 'restoring' : 'replacing';
    return orders;
  }

  #candidateLost(end: WorkerEnd): PoolOrder[] {
    const pid = this.#candidate?.pid ?? 0;
    this.#candidate = undefined;
    return this.#take('lost', { kind: 'ended', slot: this.#slot, pid, end });
  }

  #probed(refusal: string | undefined, isLate: boolean): PoolOrder[] {
    return refusal === undefined
      ? this.#take('answered', undefined)
      : this.#take(isLate ? 'late' : 'lost', { kind: 'no-answer', reason: refusal, isLate });
  }

  /** A worker of the new generation ended unasked. */
  #fell(slot: number, pid: number, end: WorkerEnd): PoolOrder[] {
    const action = decideRollout(this.#stage, 'fell');
    if (action === 'refill') return this.#slots.fill(slot, this.from);
    return this.#take('fell', { kind: 'ended', slot, pid, end });
  }

  #endCandidate(): PoolOrder[] {
    const candidate = this.#candidate;
    this.#candidate = undefined;
    return candidate ? this.#slots.retire(this.#slot, candidate.pid) : [];
  }

  #take(event: RolloutEvent, failure: ReloadFailure | undefined): PoolOrder[] {
    switch (decideRollout(this.#stage, event)) {
      case 'next':
        return this.#next();
      case 'fail':
        this.#failure = failure;
        return this.#turnRound();
      case 'give-up':
        return this.#giveUp();
      case 'finish':
        return [this.#end('reloaded')];
      case 'refill':
      case 'promote':
      case 'ignore':
        return [];
    }
  }

  get #isLate(): boolean {
    const failure = this.#failure;
    return failure?.kind === 'late' || (failure?.kind === 'no-answer' && failure.isLate);
  }

  /** The next slot that has not the wanted generation, empty ones first; none left: settle, or the end of the way back. */
  #next(): PoolOrder[] {
    this.#step = this.#slots.newStep();
    this.#old = undefined;
    const returning = isReturning(this.#stage);
    const target = this.#target;
    const left = this.#slots.numbers.filter((slot) => this.#slots.generationOf(slot) !== target);
    const slot = left.find((candidate) => this.#slots.livePid(candidate) === undefined) ?? left[0];
    if (slot !== undefined) {
      this.#stage = returning ? 'reverting' : 'trying';
      this.#slot = slot;
      return [{ kind: 'try', slot, generation: target, step: this.#step }];
    }
    if (returning) return [this.#end(this.#isLate ? 'timed-out' : 'rolled-back')];
    this.#stage = 'settling';
    return [{ kind: 'settle', step: this.#step }];
  }

  /**
   * Empty slots get a worker of the old generation at once, the others one after the other, which proves
   * that the old program still works. Where only empty ones are left, the worker of one has to prove it.
   */
  #turnRound(): PoolOrder[] {
    const orders = this.#endCandidate();
    this.#stage = 'reverting';
    const empty = this.#emptied();
    const isProven = this.#slots.numbers.some(
      (slot) => this.#slots.generationOf(slot) === this.to && !empty.includes(slot),
    );
    const filled = isProven ? empty : empty.slice(1);
    return [...orders, ...filled.flatMap((slot) => this.#slots.fill(slot, this.from)), ...this.#next()];
  }

  /** Slots that the new generation left without a worker. */
  #emptied(): number[] {
    return this.#slots.numbers.filter(
      (slot) => this.#slots.livePid(slot) === undefined && this.#slots.generationOf(slot) === this.to,
    );
  }

  /** The old program is gone too: what is empty is tried again with the new one. */
  #giveUp(): PoolOrder[] {
    const orders = this.#endCandidate();
    const filled = this.#emptied().flatMap((slot) => this.#slots.fill(slot, this.to));
    return [...orders, ...filled, this.#end('partly')];
  }

  /** After it its generation, or the old one, is in service; "partly": what is started comes from the path that still is there. */
  #end(result: ReloadResult): PoolOrder {
    this.#isOver = true;
    this.#slots.serve(result === 'reloaded' || result === 'partly' ? this.to : this.from);
    this.#slots.alignEmpty();
    return { kind: 'reload-ended', result, generation: this.to, failure: this.#failure };
  }
}
