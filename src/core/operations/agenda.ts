// The operation that is under way in a pool, what it was asked for besides, and which of that comes next. An operation
// more is a file like restart.ts, and its lines here.
import { Handover } from './handover.ts';
import type { Operation, OperationFact } from './operation.ts';
import type { PoolOrder } from '../pool/orders.ts';
import { Reload } from './reload.ts';
import { Replacement, type ReplacementWish } from './replacement.ts';
import { Restart } from './restart.ts';
import { Scaling } from './scaling.ts';
import type { Slots } from '../pool/slots.ts';

export type Wish =
  /** A rolling reload; asked for again while it waits, it is one. */
  | { readonly kind: 'reload' }
  /** Not while something else is under way. */
  | { readonly kind: 'restart' }
  /** `reason`: the load's. */
  | { readonly kind: 'scale'; readonly workers: number; readonly reason?: string | undefined }
  /** One worker, by a guard; not while something else waits or is under way. */
  | ({ readonly kind: 'replace' } & ReplacementWish)
  /** The pool is being given to another supervisor, or is not any more. */
  | { readonly kind: 'handover'; readonly isHeld: boolean };

export class Agenda {
  readonly #slots: Slots;
  readonly #probes: boolean;
  #underWay: Operation | undefined;
  #wanted: number;
  /** Why the load wants it. */
  #reason: string | undefined;
  #isReloadDue = false;
  #isRestartDue = false;
  #isHandingOver = false;
  #replacementDue: ReplacementWish | undefined;

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

  get reload(): Pick<Reload, 'stage' | 'slot' | 'candidate' | 'to'> | undefined {
    return this.#underWay instanceof Reload && !this.#underWay.isOver ? this.#underWay : undefined;
  }

  /** What others have to wait for; scaling is over at once, and a replacement gives way. */
  get operation(): 'reload' | 'restart' | 'handover' | undefined {
    const operation = this.#underWay;
    if (!operation || operation.isOver) return undefined;
    return operation.kind === 'scale' || operation.kind === 'replacement' ? undefined : operation.kind;
  }

  /** Under way, or waiting for a worker that ends. */
  get replacement(): { readonly wish: ReplacementWish; readonly stage: string } | undefined {
    if (this.#replacementDue) return { wish: this.#replacementDue, stage: 'waiting' };
    return this.#replacing;
  }

  note(wish: Wish, isServing: boolean): void {
    switch (wish.kind) {
      case 'reload':
        this.#isReloadDue = true;
        return;
      case 'restart':
        this.#isRestartDue = isServing && (!this.#underWay || this.#replacing !== undefined);
        return;
      case 'scale':
        this.#wanted = wish.workers;
        this.#reason = wish.reason;
        return;
      case 'replace':
        if (isServing) this.#replacementDue ??= wish;
        return;
      case 'handover':
        this.#isHandingOver = wish.isHeld;
    }
  }

  tell(fact: OperationFact): PoolOrder[] {
    return this.#underWay?.tell(fact) ?? [];
  }

  awaits(step: number): boolean {
    return this.#underWay?.awaits?.(step) ?? false;
  }

  concerns(slot: number): boolean {
    return this.#underWay?.concerns?.(slot) ?? false;
  }

  generationFor(slot: number): number {
    return this.#underWay?.generationFor?.(slot) ?? this.#slots.generation;
  }

  /** Begins what waits, one after the other, as soon as nothing is under way. */
  goOn(): PoolOrder[] {
    const orders = this.#replacing ? this.#goOnBeside(this.#replacing) : [];
    while (!this.#underWay || this.#underWay.isOver) {
      this.#underWay = this.#next();
      if (!this.#underWay) break;
      orders.push(...this.#underWay.begin());
    }
    return orders;
  }

  /** The pool stops. */
  abandon(): PoolOrder[] {
    this.#isReloadDue = this.#isRestartDue = false;
    this.#replacementDue = undefined;
    const orders = this.#underWay?.abandon() ?? [];
    if (this.#underWay?.isOver) this.#underWay = undefined;
    return orders;
  }

  get #replacing(): Replacement | undefined {
    const operation = this.#underWay;
    return operation instanceof Replacement && !operation.isOver ? operation : undefined;
  }

  /** Another number of slots needs no turn; everything else has the pool to itself. */
  #goOnBeside(replacement: Replacement): PoolOrder[] {
    if (this.#isHandingOver || this.#isRestartDue || this.#isReloadDue) return replacement.giveWay();
    const isScaled = this.#wanted !== this.#slots.count;
    return isScaled ? new Scaling(this.#slots, this.#wanted, this.#reason).begin() : [];
  }

  #next(): Operation | undefined {
    if (this.#isHandingOver) return new Handover(() => this.#isHandingOver);
    if (this.#isRestartDue) {
      this.#isRestartDue = false;
      return new Restart(this.#slots);
    }
    // A slot that is added before a reload would get a worker of the old generation only to replace it.
    const { count } = this.#slots;
    if (this.#wanted < count || (this.#wanted > count && !this.#isReloadDue))
      return new Scaling(this.#slots, this.#wanted, this.#reason);
    if (!this.#isReloadDue) return this.#nextReplacement();
    this.#isReloadDue = false;
    return new Reload(this.#slots, this.#probes);
  }

  /** One at a time: not before every worker that was told to end is gone. */
  #nextReplacement(): Operation | undefined {
    const wish = this.#replacementDue;
    if (!wish || this.#slots.hasRetirees) return undefined;
    this.#replacementDue = undefined;
    return new Replacement(this.#slots, wish);
  }
}
