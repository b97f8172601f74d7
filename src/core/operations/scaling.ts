// Another number of slots: the last ones go, or new ones come. Over at once: nobody waits for those that end.
import type { Operation } from './operation.ts';
import type { PoolOrder } from '../pool/orders.ts';
import type { Slots } from '../pool/slots.ts';

export class Scaling implements Operation {
  readonly kind = 'scale';
  readonly isOver = true;
  readonly #slots: Slots;
  readonly #wanted: number;

  constructor(slots: Slots, wanted: number) {
    this.#slots = slots;
    this.#wanted = wanted;
  }

  begin(): PoolOrder[] {
    const orders: PoolOrder[] = [];
    while (this.#slots.count > this.#wanted) orders.push(...this.#slots.shrink());
    while (this.#slots.count < this.#wanted) orders.push(...this.#slots.grow());
    return [...orders, { kind: 'scaled', workers: this.#wanted }];
  }

  tell(): PoolOrder[] {
    return [];
  }

  abandon(): PoolOrder[] {
    return [];
  }
}
