// `--env`: variables that each worker gets, in the place of what the caller has by their names.
import { forSlot, namesSlot } from '../core/slot-pattern.ts';
import type { Feature, ProcessPlace, Variables } from './feature.ts';

export class WorkerVariables implements Feature {
  /** The same for every slot. */
  readonly variables: Variables;
  readonly #bySlot: readonly (readonly [string, string])[];

  constructor(variables: Variables) {
    const all = Object.entries(variables);
    this.variables = Object.fromEntries(all.filter(([, value]) => !namesSlot(value)));
    this.#bySlot = all.filter(([, value]) => namesSlot(value));
  }

  variablesOf({ slot }: ProcessPlace): Variables | undefined {
    return this.#bySlot.length === 0
      ? undefined
      : Object.fromEntries(this.#bySlot.map(([name, value]) => [name, forSlot(value, slot)]));
  }
}
