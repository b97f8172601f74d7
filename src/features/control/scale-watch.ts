// Whether the workers that a `scale` has added are up: looked at while their client waits,
// and only then. Changes nothing.
import type { WorkerEnd } from '../../core/worker-exit.ts';
import { describeEnd } from '../../supervisor/end-report.ts';
import type { Supervisor } from '../../supervisor/supervisor.ts';

type Names = Parameters<typeof describeEnd>[1];

/** Undefined: they are all up. */
export interface Shortfall {
  /** How the first worker of each of these slots ended; undefined: it is not up in time. */
  readonly ends: ReadonlyMap<number, WorkerEnd | undefined>;
}

const namedAtMost = 3;

export class ScaleWatch {
  readonly #supervisor: Supervisor;
  /** What was known of the slots before: their numbers may have been others' in an earlier life. */
  readonly #before: ReadonlyMap<number, WorkerEnd | undefined>;

  /** To be made before the supervisor is told: a program that cannot be executed fails at once. */
  constructor(supervisor: Supervisor, wanted: number) {
    this.#supervisor = supervisor;
    const first = supervisor.pool.slots.length;
    const added = Array.from({ length: Math.max(0, wanted - first) }, (_unused, index) => first + index);
    this.#before = new Map(added.map((slot) => [slot, this.#lastEnd(slot)]));
  }

  /** Each of them is up, or its first attempt has failed: there is nothing to wait for. */
  get isDecided(): boolean {
    return [...this.#before.keys()].every((slot) => this.#isUp(slot) || this.#endSince(slot) !== undefined);
  }

  get shortfall(): Shortfall | undefined {
    const missing = [...this.#before.keys()].filter((slot) => !this.#isUp(slot));
    if (missing.length === 0) return undefined;
    return { ends: new Map(missing.map((slot) => [slot, this.#endSince(slot)])) };
  }

  #isUp(slot: number): boolean {
    return this.#supervisor.pool.slots[slot]?.state.kind === 'running';
  }

  #endSince(slot: number): WorkerEnd | undefined {
    const end = this.#lastEnd(slot);
    return end === this.#before.get(slot) ? undefined : end;
  }

  #lastEnd(slot: number): WorkerEnd | undefined {
    return this.#supervisor.facts.slot(slot).lastExit;
  }
}

/** Which are not up and why, as the end of a sentence. */
export function describeShortfall({ ends }: Shortfall, names: Names): string {
  const told = [...ends]
    .slice(0, namedAtMost)
    .map(
      ([slot, end]) => `slot ${slot} ${end ? `(${describeEnd(end, names)})` : '(--ready-timeout is over)'}`,
    );
  const more = ends.size > namedAtMost ? `, and ${ends.size - namedAtMost} more` : '';
  return `not up: ${told.join(', ')}${more}`;
}
