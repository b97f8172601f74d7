// The first start of a pool: it is decided when the first worker of each slot is up or dead, and until then no slot whose
// worker died is filled again.
import type { PoolOrder } from './orders.ts';
import { Verdicts, type Verdict } from './verdicts.ts';
import type { WorkerEnd } from './worker-exit.ts';

export class FirstStart {
  readonly #verdicts: Verdicts;
  #withheld: PoolOrder[] = [];

  constructor(slots: number) {
    this.#verdicts = new Verdicts(slots);
  }

  get isDecided(): boolean {
    return this.#verdicts.isDecided;
  }

  get ends(): readonly (WorkerEnd | undefined)[] {
    return this.#verdicts.ends;
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

  /** What was withheld, once. */
  release(): PoolOrder[] {
    return this.#withheld.splice(0);
  }
}
