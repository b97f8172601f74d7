// One rolling reload: which slot is next, who the candidate is, what turned it
// round. Decides by rollout.ts what is done with the pool's slots.
import type { PoolOrder, ReloadFailure } from './orders.ts';
import {
  decideRollout,
  isReturning,
  type ReloadResult,
  type RolloutEvent,
  type RolloutStage,
} from './rollout.ts';
import type { Slots } from './slots.ts';
import type { WorkerEnd } from './worker-exit.ts';

interface Candidate {
  readonly pid: number;
  readonly startedAtMs: number;
}

export class Reload {
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

  constructor(slots: Slots, generations: { from: number; to: number }, probes: boolean) {
    this.#slots = slots;
    this.from = generations.from;
    this.to = generations.to;
    this.#stage = probes ? 'probing' : 'trying';
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
    if (this.#stage !== 'probing') return this.#next();
    this.#step++;
    return [{ kind: 'probe', generation: this.to, step: this.#step }];
  }

  /** A worker that was started for a step that is over is not wanted any more. */
  awaits(step: number): boolean {
    return step === this.#step && !this.#candidate;
  }

  candidateSpawned(pid: number, startedAtMs: number): PoolOrder[] {
    this.#candidate = { pid, startedAtMs };
    return [];
  }

  candidateUp(atMs: number): PoolOrder[] {
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

  candidateFailed(step: number, errno: number): PoolOrder[] {
    return step === this.#step ? this.candidateLost({ kind: 'not-executed', errno }) : [];
  }

  candidateLost(end: WorkerEnd): PoolOrder[] {
    const pid = this.#candidate?.pid ?? 0;
    this.#candidate = undefined;
    return this.#take('lost', { kind: 'ended', slot: this.#slot, pid, end });
  }

  late(step: number): PoolOrder[] {
    return step === this.#step ? this.#take('late', { kind: 'late', slot: this.#slot }) : [];
  }

  probed(step: number, refusal: string | undefined, isLate: boolean): PoolOrder[] {
    if (step !== this.#step) return [];
    return refusal === undefined
      ? this.#take('answered', undefined)
      : this.#take(isLate ? 'late' : 'lost', { kind: 'no-answer', reason: refusal, isLate });
  }

  settled(step: number): PoolOrder[] {
    return step === this.#step ? this.#take('settled', undefined) : [];
  }

  /** A worker that had been told to end is gone. */
  gone(pid: number): PoolOrder[] {
    return pid === this.#old ? this.#take('gone', undefined) : [];
  }

  /** Whether the unasked end of this slot's worker is the reload's to answer. */
  concerns(slot: number): boolean {
    return this.#slots.generationOf(slot) === this.to;
  }

  /** A worker of the new generation ended unasked; its slot is empty now. */
  fell(slot: number, pid: number, end: WorkerEnd): PoolOrder[] {
    const action = decideRollout(this.#stage, 'fell');
    if (action === 'refill') return this.#slots.fill(slot, this.from);
    return this.#take('fell', { kind: 'ended', slot, pid, end });
  }

  /** The pool stops: the candidate must not be forgotten. */
  abandon(): PoolOrder[] {
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
    this.#step++;
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
    const orders = this.abandon();
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
    const orders = this.abandon();
    const filled = this.#emptied().flatMap((slot) => this.#slots.fill(slot, this.to));
    return [...orders, ...filled, this.#end('partly')];
  }

  #end(result: ReloadResult): PoolOrder {
    return { kind: 'reload-ended', result, generation: this.to, failure: this.#failure };
  }
}
