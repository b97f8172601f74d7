// What the parts of a supervisor share: the pool, the machine, and the one way to carry orders out.
import { everyStep } from '../core/every-step.ts';
import type { Life } from '../core/life.ts';
import { OrderQueue, type Hands } from '../core/pool/order-queue.ts';
import type { PoolOrder } from '../core/pool/orders.ts';
import { Pool } from '../core/pool/pool.ts';
import type { PoolBooks } from '../core/pool/pool-options.ts';
import type { Roster } from '../core/pool/roster.ts';
import type { Moment } from '../core/pool/slot-state.ts';
import type { Machine } from '../core/machine.ts';
import type { PoolSettings } from './settings.ts';

/** What others may know of the pool. */
export type PoolView = Pick<
  Pool,
  | 'phase'
  | 'isReloadDue'
  | 'generation'
  | 'wanted'
  | 'slots'
  | 'operation'
  | 'reload'
  | 'replacement'
  | 'generationOf'
  | 'isGrown'
>;

/** What is known of a worker at its end; PID 0 could not be executed. */
export interface EndedWorker {
  readonly pid: number;
  readonly generation: number;
  readonly startedAtMs: number;
  /** The start was not decided yet. */
  readonly isOfStart: boolean;
}

export class Context {
  readonly machine: Machine;
  readonly settings: PoolSettings;
  readonly pool: Pool;
  readonly #orders: OrderQueue<EndedWorker>;
  #settled: (() => void) | undefined;

  constructor(machine: Machine, settings: PoolSettings, books: PoolBooks, hands: Hands<EndedWorker>) {
    this.machine = machine;
    this.settings = settings;
    this.pool = new Pool(settings.workers, settings.restart, {
      probes: settings.isTriedFirst,
      ...books,
    });
    this.#orders = new OrderQueue(this.pool, hands);
  }

  get life(): Life {
    return this.pool.life;
  }

  get roster(): Roster {
    return this.pool.roster;
  }

  now(): Moment {
    return { atMs: this.machine.clock.nowMs(), random: this.machine.random() };
  }

  /** `ended` is the worker whose end led to them. */
  carryOut(orders: readonly PoolOrder[], ended?: EndedWorker): void {
    try {
      this.#orders.carryOut(orders, ended);
    } finally {
      if (this.#settled && !this.#orders.isAtWork) this.#settled();
    }
  }

  /** Runs whenever orders were carried out, with all that they led to: what the pool wants may be another thing now. */
  whenSettled(run: () => void): void {
    this.#settled = run;
  }

  /** To be told after everything that led to it. */
  tellLater(fact: () => void): void {
    this.#orders.tellLater(fact);
  }

  warn(message: string): void {
    this.machine.log.write({ event: 'warning', message });
  }

  /** One that fails keeps no other from happening. */
  takeSteps(...steps: readonly (() => void)[]): void {
    everyStep(({ stack, message }) => this.warn(`internal error: ${stack ?? message}`), ...steps);
  }
}
