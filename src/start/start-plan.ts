// A start as a list of steps: each takes what there is by then and gives what it adds. There is no second function that
// undoes a step: one may make many things, and fail or be killed between two of them. So what it makes it hands to
// the journal together with its undo, at the moment at which it exists: the journal is the list backwards.

export type Step<Have, Made> = (have: Have) => Made | Promise<Made>;

type With<Have, Made> = Made extends object ? Have & Made : Have;

/** Knows no step; one that stands before what it needs does not compile. */
export class Plan<Given extends object, Have> {
  readonly #steps: readonly Step<never, object | void>[];

  private constructor(steps: readonly Step<never, object | void>[]) {
    this.#steps = steps;
  }

  static from<Given extends object>(): Plan<Given, Given> {
    return new Plan([]);
  }

  step<Made extends object | void>(step: Step<Have, Made>): Plan<Given, With<Have, Made>> {
    return new Plan([...this.#steps, step]);
  }

  /** All of it; throws the refusal of the first step that has one. */
  async run(given: Given): Promise<Have> {
    const have: object = { ...given };
    for (const step of this.#steps) Object.assign(have, await step(have as never));
    return have as Have;
  }
}
