// Slots between two workers: the timer of the next try, and what the log and the status hear of the end of the last one.
import type { OrderOf } from '../core/pool/orders.ts';
import { emptySlot, livePid } from '../core/pool/slot-state.ts';
import type { Context, EndedWorker } from './context.ts';
import { endEvent } from './end-report.ts';
import { SlotFacts } from './slot-facts.ts';

export class SlotWatch {
  readonly facts = new SlotFacts();
  readonly #context: Context;
  readonly #retries = new Map<number, () => void>();
  /** Slots whose next worker the log waits for. */
  readonly #delayed = new Set<number>();

  constructor(context: Context) {
    this.#context = context;
  }

  retryAfter({ slot, delayMs }: OrderOf<'retry-after'>): void {
    const { machine, pool } = this.#context;
    this.#retries.get(slot)?.();
    const cancel = machine.clock.after(delayMs, () => {
      this.#retries.delete(slot);
      const isAwaited = this.#delayed.delete(slot);
      this.#context.carryOut(pool.handle(slot, { kind: 'retry-due' }));
      const workerPid = this.#pidOf(slot);
      if (isAwaited && workerPid !== undefined)
        machine.log.write({ event: 'worker-started', slot, workerPid });
    });
    this.#retries.set(slot, cancel);
  }

  cancelRetry(slot: number): void {
    this.#delayed.delete(slot);
    this.#retries.get(slot)?.();
    this.#retries.delete(slot);
  }

  /** The pool stops. */
  cancelRetries(): void {
    for (const cancel of this.#retries.values()) cancel();
    this.#retries.clear();
  }

  reportEnd(order: OrderOf<'report-end'>, ended: EndedWorker | undefined): void {
    // The verdict on a first start is the command's to print.
    if (ended?.isOfStart) return;
    const { machine, pool } = this.#context;
    const { slot, end } = order;
    this.facts.noteEnd(slot, end);
    const path = machine.spawner.pathOf(ended?.generation ?? pool.generationOf(slot));
    const nowMs = machine.clock.nowMs();
    const uptimeMs = Math.round(nowMs - (ended?.startedAtMs ?? nowMs));
    // The respawn went first; of a later one the log hears when it is there.
    const successorPid = order.delayMs === 0 ? this.#pidOf(slot) : undefined;
    if ((order.delayMs ?? 0) > 0 && order.class !== 'planned') this.#delayed.add(slot);
    const facts = { workerPid: ended?.pid ?? 0, path, uptimeMs, successorPid };
    machine.log.write(endEvent(order, facts, machine));
  }

  #pidOf(slot: number): number | undefined {
    return livePid(this.#context.pool.slots[slot] ?? emptySlot);
  }
}
