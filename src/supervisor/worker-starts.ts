// Starts workers, in slots and as candidates, and hears when they are up.
import type { SyscallError } from '../core/errors.ts';
import type { OrderOf } from '../core/pool/orders.ts';
import type { Context } from './context.ts';
import type { Spawner } from '../core/machine.ts';
import { workersToWatch } from './up-rules.ts';
import { UpWatch } from './up-watch.ts';

/** Of a failure that names no number. */
const EIO = 5;

export class WorkerStarts {
  readonly #context: Context;
  readonly #upWatch: UpWatch;

  constructor(context: Context) {
    const { machine, pool, settings } = context;
    this.#context = context;
    this.#upWatch = new UpWatch(
      machine.clock,
      machine.readiness,
      () => workersToWatch(pool, settings, machine.clock.nowMs()),
      ({ pid }, atMs, isSeen) => this.#noteUp(pid, atMs, isSeen),
    );
  }

  /** Whether looking at workers of this program shows anything: one that serves is seen to. */
  looksWork(): boolean {
    const { machine, pool } = this.#context;
    return pool.slots.some(
      ({ state }) => state.kind === 'running' && machine.readiness.evidenceOf(state.pid) === 'yes',
    );
  }

  /** Starts the slot's worker; a failure is told after what led to it. */
  spawn(slot: number): void {
    const { machine, pool, life } = this.#context;
    const generation = pool.generationOf(slot);
    const result = this.#spawnOf(generation, slot);
    const now = this.#context.now();
    if ('errno' in result) {
      this.#context.tellLater(() => {
        const isOfStart = life.state.kind === 'starting';
        const tried = { pid: 0, startedAtMs: now.atMs, generation, isOfStart };
        this.#context.carryOut(pool.handle(slot, { kind: 'spawn-failed', ...now }, result.errno), tried);
      });
      return;
    }
    this.#context.carryOut(pool.handle(slot, { kind: 'spawned', pid: result.pid, atMs: now.atMs }));
    this.#context.takeSteps(() => machine.records.started(slot, result.pid, 'member'));
    this.#upWatch.wake();
  }

  /** Starts a candidate; false when that has failed. */
  try(order: OrderOf<'try'>): boolean {
    const { machine, pool } = this.#context;
    const { slot, generation, step } = order;
    const result = this.#spawnOf(generation, slot);
    const { atMs } = this.#context.now();
    if ('errno' in result) {
      this.#context.carryOut(pool.tell({ kind: 'candidate-failed', step, errno: result.errno }));
      return false;
    }
    this.#context.carryOut(pool.tried(order, result.pid, atMs));
    this.#context.takeSteps(() => machine.records.started(slot, result.pid, 'candidate'));
    this.#upWatch.wake();
    return true;
  }

  #noteUp(pid: number, atMs: number, isSeen: boolean): void {
    const { machine, pool } = this.#context;
    if (!pool.reload) machine.sharedSocket.look();
    this.#context.carryOut(pool.up(pid, atMs, isSeen));
  }

  /** Whatever fails on the way to a process is a start that failed, and tried again like any other. */
  #spawnOf(generation: number, slot: number): ReturnType<Spawner['spawn']> {
    try {
      return this.#context.machine.spawner.spawn(generation, slot);
    } catch (error) {
      const { syscall = 'spawn', errno = EIO, message } = error as Partial<SyscallError>;
      this.#context.warn(`a worker could not be started: ${syscall}: ${message}`);
      return { errno: Math.abs(errno) };
    }
  }
}
