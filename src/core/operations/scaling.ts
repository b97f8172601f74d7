// Another number of slots: the last ones go, or new ones come. Over at once: nobody waits for those that end.
// By the load nobody is in a hurry: a request that such a worker has taken in the last moment may take its time.
import type { Operation } from './operation.ts';
import type { PoolOrder } from '../pool/orders.ts';
import type { Slots } from '../pool/slots.ts';

export class Scaling implements Operation {
  readonly kind = 'scale';
  readonly isOver = true;
  readonly #slots: Slots;
  readonly #wanted: number;
  readonly #reason: string | undefined;

  /** `reason`: the load's; undefined: somebody has asked. */
  constructor(slots: Slots, wanted: number, reason: string | undefined) {
    this.#slots = slots;
    this.#wanted = wanted;
    this.#reason = reason;
  }

  begin(): PoolOrder[] {
    const orders: PoolOrder[] = [];
    const from = this.#slots.count;
    while (this.#slots.count > this.#wanted) orders.push(...this.#shrink());
    while (this.#slots.count < this.#wanted) orders.push(...this.#slots.grow());
    return [...orders, { kind: 'scaled', workers: this.#wanted, from, reason: this.#reason }];
  }

  #shrink(): PoolOrder[] {
    const orders = this.#slots.shrink();
    if (this.#reason === undefined) return orders;
    return orders.map((order) => (order.kind === 'terminate' ? { ...order, isUnhurried: true } : order));
  }

  tell(): PoolOrder[] {
    return [];
  }

  abandon(): PoolOrder[] {
    return [];
  }
}
