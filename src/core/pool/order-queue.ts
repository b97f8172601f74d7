// Carries out a pool's orders one at a time, the urgent kinds first. What an order leads to takes its turn in the same
// loop: nothing is carried out in the middle of something else. Pure: hands do the work.
import { orderTraits, type OrderKind, type OrderOf, type PoolOrder } from './orders.ts';

/** What is done for each kind of order; `cause` is what led to it. */
export type Hands<Cause> = {
  readonly [K in Exclude<OrderKind, 'terminate'>]: (order: OrderOf<K>, cause: Cause | undefined) => void;
} & {
  /** All that wait: they are looked at and signalled together. */
  readonly terminate: (orders: readonly OrderOf<'terminate'>[]) => void;
};

/** Whether an order still holds when its turn comes. */
interface Judge {
  heeds(order: PoolOrder): boolean;
}

interface Entry<Cause> {
  readonly order: PoolOrder;
  readonly cause: Cause | undefined;
}

export class OrderQueue<Cause> {
  readonly #judge: Judge;
  readonly #hands: Hands<Cause>;
  readonly #waiting = { end: [] as Entry<Cause>[], spawn: [] as Entry<Cause>[], rest: [] as Entry<Cause>[] };
  readonly #facts: (() => void)[] = [];
  #isAtWork = false;

  constructor(judge: Judge, hands: Hands<Cause>) {
    this.#judge = judge;
    this.#hands = hands;
  }

  /** Within an order: the rest of it is done first. */
  get isAtWork(): boolean {
    return this.#isAtWork;
  }

  /**
   * Carries the orders out, and all that they lead to; asked by an order, when that is done. One that throws keeps no
   * other from its turn; the first error is thrown at the end.
   */
  carryOut(orders: readonly PoolOrder[], cause?: Cause): void {
    for (const order of orders) this.#waiting[orderTraits[order.kind].class].push({ order, cause });
    if (this.#isAtWork) return;
    const errors: unknown[] = [];
    this.#isAtWork = true;
    for (let next = this.#next(); next; next = this.#next()) {
      try {
        next();
      } catch (error) {
        errors.push(error);
      }
    }
    this.#isAtWork = false;
    if (errors.length > 0) throw errors[0];
  }

  /** A fact that an order brought to light, to be told after everything that led to it. */
  tellLater(fact: () => void): void {
    this.#facts.push(fact);
  }

  #next(): (() => void) | undefined {
    const { end, spawn, rest } = this.#waiting;
    const entry = end.shift() ?? spawn.shift() ?? rest.shift();
    if (!entry) return this.#facts.shift();
    return () => this.#carryOutOne(entry);
  }

  #carryOutOne({ order, cause }: Entry<Cause>): void {
    if (order.kind === 'terminate') this.#hands.terminate([order, ...this.#takeTerminations()]);
    else if (this.#judge.heeds(order)) {
      // The table's type guarantees the pair; TypeScript cannot correlate two unions.
      const hand = this.#hands[order.kind] as (order: PoolOrder, cause: Cause | undefined) => void;
      hand(order, cause);
    }
  }

  #takeTerminations(): OrderOf<'terminate'>[] {
    const all = this.#waiting.end.splice(0);
    this.#waiting.end.push(...all.filter(({ order }) => order.kind !== 'terminate'));
    return all.flatMap(({ order }) => (order.kind === 'terminate' ? [order] : []));
  }
}
