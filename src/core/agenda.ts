// What a pool was asked for and has not begun, and which of it comes next once nothing else is under way.
import { Handover } from './handover.ts';
import type { Operation } from './operation.ts';
import { Reload } from './reload.ts';
import { Restart } from './restart.ts';
import { Scaling } from './scaling.ts';
import type { Slots } from './slots.ts';

export type Wish =
  /** A rolling reload; asked for again while it waits, it is one. */
  | { readonly kind: 'reload' }
  /** Not while something else is under way. */
  | { readonly kind: 'restart' }
  | { readonly kind: 'scale'; readonly workers: number }
  /** The pool is being given to another supervisor, or is not any more. */
  | { readonly kind: 'handover'; readonly isHeld: boolean };

export class Agenda {
  readonly #slots: Slots;
  readonly #probes: boolean;
  #wanted: number;
  #isReloadDue = false;
  #isRestartDue = false;
  #isHandingOver = false;

  /** `probes`: a reload tries one worker beside the pool first. */
  constructor(slots: Slots, probes: boolean) {
    this.#slots = slots;
    this.#probes = probes;
    this.#wanted = slots.count;
  }

  get wanted(): number {
    return this.#wanted;
  }

  get isReloadDue(): boolean {
    return this.#isReloadDue;
  }

  /** `isFree`: it may begin now. */
  note(wish: Wish, isFree: boolean): void {
    switch (wish.kind) {
      case 'reload':
        this.#isReloadDue = true;
        return;
      case 'restart':
        this.#isRestartDue = isFree;
        return;
      case 'scale':
        this.#wanted = wish.workers;
        return;
      case 'handover':
        this.#isHandingOver = wish.isHeld;
    }
  }

  /** The pool stops. */
  clear(): void {
    this.#isReloadDue = this.#isRestartDue = false;
  }

  next(): Operation | undefined {
    if (this.#isHandingOver) return new Handover(() => this.#isHandingOver);
    if (this.#isRestartDue) {
      this.#isRestartDue = false;
      return new Restart(this.#slots);
    }
    // A slot that is added before a reload would get a worker of the old generation only to replace it.
    const { count } = this.#slots;
    if (this.#wanted < count || (this.#wanted > count && !this.#isReloadDue))
      return new Scaling(this.#slots, this.#wanted);
    if (!this.#isReloadDue) return undefined;
    this.#isReloadDue = false;
    return new Reload(this.#slots, this.#probes);
  }
}
