// The first start of a pool: it is decided when the first worker of each slot is up or dead, and until then no slot whose
// worker died is filled again.
import type { PoolOrder } from './orders.ts';
import { Verdicts, type Verdict } from './verdicts.ts';

export class FirstStart {
  readonly #verdicts: Verdicts;
  readonly #withheld: PoolOrder[] = [];

  constructor(slots: number) {
    this.#verdicts = new Verdicts(slots);
  }

  get isDecided(): boolean {
    return this.#verdicts.isDecided;
  }

  /** True when it was the slot's first worker that died. */
  judge(slot: number, verdict: Verdict): boolean {
    return this.#verdicts.judge(slot, verdict) && verdict !== 'up';
  }

  /** Whether nothing may be started in the slot. */
  holdsBack(slot: number): boolean {
    return this.#verdicts.isDead(slot);
  }

  withhold(orders: readonly PoolOrder[]): void {
    this.#withheld.push(...orders);
  }

  /** The verdict, once it is decided: it failed if no worker was up. */
  decide(): { readonly isUp: boolean; readonly orders: PoolOrder[] } {
    const { ends: firstEnds } = this.#verdicts;
    const dead = firstEnds.filter((end) => end !== undefined);
    if (dead.length === firstEnds.length)
      return { isUp: false, orders: [{ kind: 'start-failed', firstEnds: dead }] };
    return { isUp: true, orders: [{ kind: 'report-up', firstEnds }, ...this.#withheld] };
  }
}
