// A restart: all workers end, then those of a new generation start; over when each is up or has failed.
import type { Operation, OperationFact } from './operation.ts';
import type { PoolOrder } from '../pool/orders.ts';
import type { Slots } from '../pool/slots.ts';
import { Verdicts } from '../pool/verdicts.ts';

export class Restart implements Operation {
  readonly kind = 'restart';
  readonly #slots: Slots;
  readonly #generation: number;
  /** Undefined: old workers are there still. */
  #verdicts: Verdicts | undefined;
  #isOver = false;

  constructor(slots: Slots) {
    this.#slots = slots;
    this.#generation = slots.newGeneration();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  begin(): PoolOrder[] {
    const vacated = this.#slots.numbers.flatMap((slot) => this.#slots.vacate(slot));
    return [{ kind: 'restart-begun', generation: this.#generation }, ...vacated, ...this.#fillWhenEmpty()];
  }

  tell(fact: OperationFact): PoolOrder[] {
    if (fact.kind === 'gone') return this.#fillWhenEmpty();
    if (fact.kind !== 'judged' || !this.#verdicts) return [];
    this.#verdicts.judge(fact.slot, fact.verdict);
    if (!this.#verdicts.isDecided) return [];
    this.#isOver = true;
    return [{ kind: 'restart-ended', isUp: this.#verdicts.areAllUp, generation: this.#generation }];
  }

  abandon(): PoolOrder[] {
    this.#isOver = true;
    return [];
  }

  #fillWhenEmpty(): PoolOrder[] {
    if (this.#verdicts || this.#slots.hasOthers) return [];
    this.#verdicts = new Verdicts(this.#slots.count);
    this.#slots.serve(this.#generation);
    const filled = this.#slots.numbers.flatMap((slot) => this.#slots.fill(slot, this.#generation));
    return [{ kind: 'reset-socket' }, ...filled];
  }
}
