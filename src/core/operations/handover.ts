// While a pool is being given to another supervisor nothing but replacing ended workers goes on: nothing else begins.
import type { Operation } from './operation.ts';
import type { PoolOrder } from '../pool/orders.ts';

export class Handover implements Operation {
  readonly kind = 'handover';
  readonly #isHeld: () => boolean;

  /** Over when it is held no more: called off, or done. */
  constructor(isHeld: () => boolean) {
    this.#isHeld = isHeld;
  }

  get isOver(): boolean {
    return !this.#isHeld();
  }

  begin(): PoolOrder[] {
    return [];
  }

  tell(): PoolOrder[] {
    return [];
  }

  abandon(): PoolOrder[] {
    return [];
  }
}
