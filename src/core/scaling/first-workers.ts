// With how many workers a pool begins that goes on where another one was: with as many as that had, as far as the bounds
// of the new command allow, so that nobody waits who did not wait before.
import { within, type WorkerRange } from './worker-range.ts';

/** What a supervisor leaves to the next one. */
export interface WorkerMemory {
  readonly workers: number;
}

/** `memory` may be anything that was found; undefined: there was nobody before. */
export function firstWorkers(range: WorkerRange, memory: unknown): number {
  const workers =
    typeof memory === 'object' && memory !== null ? (memory as Partial<WorkerMemory>).workers : undefined;
  return typeof workers === 'number' && Number.isInteger(workers) ? within(workers, range) : range.min;
}
