// Starts workers, in slots, as candidates and as spares, and hears when they are up. A spare that is there already is the
// worker of a slot at once.
import type { SyscallError } from '../core/errors.ts';
import type { OrderOf } from '../core/pool/orders.ts';
import type { Spare } from '../core/pool/spares.ts';
import type { Context } from './context.ts';
import type { WorkerEnds } from './ending/worker-ends.ts';
import type { Spawner } from '../core/machine.ts';
import { SpareWorkers } from './spare-workers.ts';
import { workersToWatch } from './up-rules.ts';
import { UpWatch } from './up-watch.ts';

/** Of a failure that names no number. */
const EIO = 5;

export class WorkerStarts {
  /** Undefined: the pool has none. */
  readonly spares: SpareWorkers | undefined;
  readonly #context: Context;
  readonly #upWatch: UpWatch;

  constructor(context: Context, ends: WorkerEnds) {
    const { machine, pool, settings } = context;
    this.#context = context;
    this.#upWatch = new UpWatch(
      machine.clock,
      machine.readiness,
      () => [...workersToWatch(pool, settings, machine.clock.nowMs()), ...(this.spares?.starting ?? [])],
      ({ pid }, atMs, isSeen) => this.#noteUp(pid, atMs, isSeen),
    );
    if (settings.spares === 0) return;
    this.spares = new SpareWorkers(context, {
      ends,
      start: (generation) => this.#start(() => machine.spawner.spawnSpare(generation)),
      watch: () => this.#upWatch.wake(),
    });
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
    const { pool, life } = this.#context;
    const generation = pool.generationOf(slot);
    const spare = this.spares?.take(generation);
    const result = spare ?? this.#startIn(slot, generation);
    const now = this.#context.now();
    if ('errno' in result) {
      this.#context.tellLater(() => {
        const isOfStart = life.state.kind === 'starting';
        const tried = { pid: 0, startedAtMs: now.atMs, generation, isOfStart };
        this.#context.carryOut(pool.handle(slot, { kind: 'spawn-failed', ...now }, result.errno), tried);
      });
      return;
    }
    const { pid } = result;
    this.#context.carryOut(pool.handle(slot, { kind: 'spawned', pid, atMs: lifeBeganMs(spare, now.atMs) }));
    this.#begun(slot, pid, 'member', spare);
  }

  /** Starts a candidate; false when that has failed. */
  try(order: OrderOf<'try'>): boolean {
    const { pool } = this.#context;
    const { slot, generation, step } = order;
    // The first one of a new generation is started as its spare.
    this.spares?.align();
    const spare = this.spares?.take(generation);
    const result = spare ?? this.#startIn(slot, generation);
    const { atMs } = this.#context.now();
    if ('errno' in result) {
      this.#context.carryOut(pool.tell({ kind: 'candidate-failed', step, errno: result.errno }));
      return false;
    }
    const { pid } = result;
    this.#context.carryOut(pool.tried(order, pid, lifeBeganMs(spare, atMs)));
    this.#begun(slot, pid, 'candidate', spare);
    return true;
  }

  #begun(slot: number, pid: number, role: 'member' | 'candidate', spare: Spare | undefined): void {
    const { machine } = this.#context;
    this.#context.takeSteps(() => machine.records.started(slot, pid, role));
    if (spare)
      this.#context.tellLater(() => machine.log.write({ event: 'spare-taken', slot, workerPid: pid }));
    if (isUp(spare)) this.#noteUp(pid, this.#context.now().atMs, true);
    else this.#upWatch.wake();
  }

  #noteUp(pid: number, atMs: number, isSeen: boolean): void {
    const { machine, pool } = this.#context;
    if (this.spares?.has(pid)) return this.spares.noteUp(pid, atMs);
    if (!pool.reload) machine.sharedSocket.look();
    this.#context.carryOut(pool.up(pid, atMs, isSeen));
  }

  #startIn(slot: number, generation: number): ReturnType<Spawner['spawn']> {
    return this.#start(() => this.#context.machine.spawner.spawn(generation, slot));
  }

  /** Whatever fails on the way to a process is a start that failed, and tried again like any other. */
  #start(spawn: () => ReturnType<Spawner['spawn']>): ReturnType<Spawner['spawn']> {
    try {
      return spawn();
    } catch (error) {
      const { syscall = 'spawn', errno = EIO, message } = error as Partial<SyscallError>;
      this.#context.warn(`a worker could not be started: ${syscall}: ${message}`);
      return { errno: Math.abs(errno) };
    }
  }
}

function isUp(spare: Spare | undefined): boolean {
  return spare !== undefined && spare.stage !== 'starting';
}

/** One that was up begins its life as a worker: what it can do wrong it could not do before. */
function lifeBeganMs(spare: Spare | undefined, nowMs: number): number {
  return spare && !isUp(spare) ? spare.startedAtMs : nowMs;
}
