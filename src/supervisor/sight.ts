// Whether it can be seen that workers of a program wait for connections: asked of those that serve, since to find it out
// by a spare would cost the requests that it takes.
import type { Context } from './context.ts';

export class Sight {
  readonly #context: Context;
  /** The generation of which a worker could be looked into. */
  #seen: number | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Whether no worker of the generation can be looked into; where none serves nobody knows. */
  isMissing(generation: number): boolean {
    const { machine, pool } = this.#context;
    if (this.#seen === generation) return false;
    const pids = pool.slots.flatMap(({ state }, slot) =>
      state.kind === 'running' && pool.generationOf(slot) === generation ? [state.pid] : [],
    );
    if (pids.length === 0) return false;
    if (pids.every((pid) => machine.readiness.evidenceOf(pid) === 'unknown')) return true;
    this.#seen = generation;
    return false;
  }
}
