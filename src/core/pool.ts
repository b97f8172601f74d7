// The plan of one pool: its slots, the verdict on the first start, the start
// limit and the stop. Pure: events in, orders out, in the order to carry them out.
import type { RestartPolicy } from './config.ts';
import type { EndClass } from './restart-policy.ts';
import { advance, emptySlot, livePid, type Slot, type SlotEvent, type SlotOrder } from './slot-state.ts';
import type { WorkerExit } from './worker-exit.ts';

export type PoolPhase = 'starting' | 'serving' | 'stopping' | 'stopped';

/** Why a worker is gone: it ended, or it could not be executed (`errno`). */
export type WorkerEnd = WorkerExit | { readonly kind: 'not-executed'; readonly errno: number };

export type PoolOrder =
  | { readonly kind: 'spawn'; readonly slot: number }
  | { readonly kind: 'retry-after'; readonly slot: number; readonly delayMs: number }
  | { readonly kind: 'terminate'; readonly slot: number; readonly pid: number }
  | {
      readonly kind: 'report-end';
      readonly slot: number;
      readonly end: WorkerEnd;
      readonly class: EndClass;
      /** Until the slot is filled again; undefined: never, the pool ends. */
      readonly delayMs: number | undefined;
    }
  | { readonly kind: 'report-up'; readonly firstEnds: readonly (WorkerEnd | undefined)[] }
  | { readonly kind: 'start-failed'; readonly firstEnds: readonly WorkerEnd[] }
  | { readonly kind: 'start-limit-reached' }
  | { readonly kind: 'stopped' };

/** A slot's part in the first start: undecided, up, or how its first worker ended. */
type Verdict = 'pending' | 'up' | WorkerEnd;

export class Pool {
  readonly #policy: RestartPolicy;
  readonly #slots: Slot[];
  readonly #verdicts: Verdict[];
  /** Restarts of slots whose first worker died wait until the start is decided. */
  #withheld: PoolOrder[] = [];
  #recentFailuresMs: number[] = [];
  #phase: PoolPhase = 'starting';

  constructor(workers: number, policy: RestartPolicy) {
    this.#policy = policy;
    this.#slots = Array.from({ length: workers }, () => emptySlot);
    this.#verdicts = this.#slots.map(() => 'pending');
  }

  get phase(): PoolPhase {
    return this.#phase;
  }

  get slots(): readonly Slot[] {
    return this.#slots;
  }

  /** PIDs of all live workers, stopping ones included. */
  livePids(): number[] {
    return this.#slots.map(livePid).filter((pid) => pid !== undefined);
  }

  start(): PoolOrder[] {
    return this.#slots.map((_slot, index) => ({ kind: 'spawn', slot: index }));
  }

  /** A fact about one slot. `end` says how, for the two events that are an end. */
  handle(index: number, event: SlotEvent, errno = 0): PoolOrder[] {
    const slot = this.#slots[index];
    if (!slot || this.#phase === 'stopped') return [];
    if (event.kind === 'spawned' && this.#phase === 'stopping') return this.#endLatecomer(index, event.pid);
    if (event.kind === 'retry-due' && this.#isWithheld(index)) return [];
    const step = advance(slot, event, this.#policy);
    this.#slots[index] = step.slot;
    const orders = step.orders.map((order) => addressOrder(index, order));
    if (event.kind === 'up') this.#judge(index, 'up');
    if (!step.end) return [...orders, ...this.#settle()];

    const end: WorkerEnd = event.kind === 'ended' ? event.exit : { kind: 'not-executed', errno };
    const { class: endClass, delayMs, wasUp } = step.end;
    const report: PoolOrder = { kind: 'report-end', slot: index, end, class: endClass, delayMs };
    if (this.#judge(index, wasUp ? 'up' : end)) {
      this.#withheld.push(...orders);
      return [report, ...this.#settle()];
    }
    if (this.#exceedsStartLimit(endClass, event))
      return [{ ...report, delayMs: undefined }, ...this.#giveUp()];
    return [report, ...orders, ...this.#settle()];
  }

  /** Ends every worker; no slot is filled again. */
  stop(): PoolOrder[] {
    if (this.#phase === 'stopping' || this.#phase === 'stopped') return [];
    this.#phase = 'stopping';
    this.#withheld = [];
    const orders = this.#slots.flatMap((_slot, index) => this.handle(index, { kind: 'stop' }));
    return [...orders, ...this.#settle()];
  }

  /** The slot's first worker died and the start is not decided: nothing may be started there. */
  #isWithheld(index: number): boolean {
    return this.#phase === 'starting' && typeof this.#verdicts[index] === 'object';
  }

  #endLatecomer(index: number, pid: number): PoolOrder[] {
    this.#slots[index] = { ...(this.#slots[index] ?? emptySlot), state: { kind: 'stopping', pid } };
    return [{ kind: 'terminate', slot: index, pid }];
  }

  /** Records the slot's verdict on the first start; true when it was the slot's first worker that died. */
  #judge(index: number, verdict: Verdict): boolean {
    if (this.#phase !== 'starting' || this.#verdicts[index] !== 'pending') return false;
    this.#verdicts[index] = verdict;
    return verdict !== 'up';
  }

  /** Decides the start once every slot has its verdict, and the stop once every slot is empty. */
  #settle(): PoolOrder[] {
    if (this.#phase === 'starting' && !this.#verdicts.includes('pending')) return this.#decideStart();
    if (this.#phase === 'stopping' && this.#slots.every((slot) => slot.state.kind === 'exited')) {
      this.#phase = 'stopped';
      return [{ kind: 'stopped' }];
    }
    return [];
  }

  #decideStart(): PoolOrder[] {
    const firstEnds = this.#verdicts.map((verdict) => (typeof verdict === 'string' ? undefined : verdict));
    const dead = firstEnds.filter((end) => end !== undefined);
    if (dead.length === this.#verdicts.length) {
      this.#phase = 'stopped';
      return [{ kind: 'start-failed', firstEnds: dead }];
    }
    this.#phase = 'serving';
    const orders = this.#withheld;
    this.#withheld = [];
    return [{ kind: 'report-up', firstEnds }, ...orders];
  }

  #exceedsStartLimit(end: EndClass, event: SlotEvent): boolean {
    const limit = this.#policy.startLimit;
    if (!limit || end === 'planned' || !('atMs' in event) || this.#phase !== 'serving') return false;
    this.#recentFailuresMs = [...this.#recentFailuresMs, event.atMs].filter(
      (at) => event.atMs - at < limit.withinMs,
    );
    return this.#recentFailuresMs.length >= limit.count;
  }

  #giveUp(): PoolOrder[] {
    return [{ kind: 'start-limit-reached' }, ...this.stop()];
  }
}

function addressOrder(slot: number, order: SlotOrder): PoolOrder {
  return { ...order, slot };
}
