// The features of one pool, asked in the order of the list.
import { everyStep } from '../core/every-step.ts';
import type { WorkerExit } from '../core/worker-exit.ts';
import type { PoolEvent } from '../core/text/pool-event.ts';
import type { Feature, ProcessPlace, Variables } from './feature.ts';
import type { PoolStatus, WorkerStatus } from '../control/protocol.ts';
import type { Command } from '../control/server.ts';
import type { Evidence, WorkerRecords } from '../core/machine.ts';
import { libc } from '../sys/libc/libc.ts';
import type { Gift } from '../start/source/handover-lines.ts';
import { withVariables, type OwnParts, type SpawnResult } from '../sys/process/spawn-worker.ts';

/** Hooks of the pool's life, which cannot keep one another from their turn. */
type LifeHook = 'beginning' | 'up' | 'serving' | 'stopping' | 'undo' | 'release';

export class FeatureList implements WorkerRecords {
  readonly #features: Feature[] = [];
  readonly #report: (error: Error) => void;

  /** `report` hears of what failed. */
  constructor(report: (error: Error) => void) {
    this.#report = report;
  }

  add(...features: readonly Feature[]): void {
    this.#features.push(...features);
  }

  /** An environment with the variables of the features. */
  equip(environment: readonly Buffer[]): Buffer[] {
    const all = this.#features.map(({ variables }) => variables ?? {});
    return withVariables(environment, merge(all));
  }

  /** Starts a process of the pool's program by `spawn`, which hears what that has and others do not. */
  start(place: ProcessPlace, spawn: (own: OwnParts | undefined) => SpawnResult): SpawnResult {
    let pid: number | undefined;
    try {
      for (const feature of this.#features) feature.starting?.(place);
      const result = spawn(this.ownPartsOf(place));
      if ('pid' in result) ({ pid } = result);
      return result;
    } finally {
      // The process is there: whoever fails to hear of it must not hide it.
      everyStep(this.#report, ...this.#features.map((feature) => () => feature.begun?.(pid, place)));
    }
  }

  /** What a process finds in its environment, for who starts one without us. */
  environmentOf(place: ProcessPlace, environment: readonly Buffer[]): Buffer[] {
    return withVariables(this.equip(environment), this.ownPartsOf(place)?.variables ?? {});
  }

  /** Undefined: it has what the others have. */
  ownPartsOf(place: ProcessPlace): OwnParts | undefined {
    const variables = this.#features.map((feature) => feature.variablesOf?.(place)).filter(isThere);
    const streams = this.#features.map((feature) => feature.streamsOf?.(place)).filter(isThere);
    if (variables.length + streams.length === 0) return undefined;
    const own = variables.length === 0 ? {} : { variables: merge(variables) };
    return Object.assign(own, ...streams) as OwnParts;
  }

  evidenceOf(pid: number): Evidence | undefined {
    for (const feature of this.#features) {
      const evidence = feature.evidenceOf?.(pid);
      if (evidence !== undefined) return evidence;
    }
    return undefined;
  }

  reaped(pid: number, exit: WorkerExit): void {
    for (const feature of this.#features) feature.reaped?.(pid, exit);
  }

  started(slot: number, pid: number, role: 'member' | 'candidate'): void {
    for (const feature of this.#features) feature.started?.(slot, pid, role);
  }

  promoted(slot: number, pid: number): void {
    for (const feature of this.#features) feature.promoted?.(slot, pid);
  }

  ended(slot: number | undefined, pid: number): void {
    for (const feature of this.#features)
      if (slot === undefined) feature.spareEnded?.(pid);
      else feature.ended?.(slot, pid);
  }

  spareStarted(pid: number): void {
    for (const feature of this.#features) feature.spareStarted?.(pid);
  }

  adoptedEnded(pid: number): void {
    for (const feature of this.#features) feature.adoptedEnded?.(pid);
  }

  happened(event?: PoolEvent): void {
    for (const feature of this.#features) feature.happened?.(event);
  }

  said(event: PoolEvent): void {
    for (const feature of this.#features) feature.said?.(event);
  }

  /** The result is what a process there has said since. */
  listenTo(place: ProcessPlace): () => string[] {
    const ears = this.#features.flatMap((feature) => feature.listenTo?.(place) ?? []);
    return () => ears.flatMap((hear) => hear());
  }

  pinning(): void {
    for (const feature of this.#features) feature.pinning?.();
  }

  reopen(): void {
    for (const feature of this.#features) feature.reopen?.();
  }

  /** Tells all of a step in the pool's life. */
  live(hook: LifeHook, wasUp = false): void {
    everyStep(this.#report, ...this.#features.map((feature) => () => feature[hook]?.(wasUp)));
  }

  handedOver(taken: readonly string[]): void {
    everyStep(this.#report, ...this.#features.map((feature) => () => feature.handedOver?.(taken)));
  }

  /** Files that they have from the supervisor before. */
  holds(): string[] {
    return this.#features.flatMap((feature) => this.#answerOf(() => feature.holds?.()) ?? []);
  }

  /** What features answer at the control socket, by name. */
  commands(): Map<string, Command> {
    return new Map(this.#features.flatMap(({ commands }) => Object.entries(commands ?? {})));
  }

  /** What they add to the pool's status. */
  describe(): Partial<PoolStatus> {
    const parts = this.#features.map((feature) => this.#answerOf(() => feature.describe?.()));
    return Object.assign({}, ...parts) as Partial<PoolStatus>;
  }

  describeWorker(slot: number, pid: number | undefined): Partial<WorkerStatus> {
    const parts = this.#features.map((feature) => this.#answerOf(() => feature.describeWorker?.(slot, pid)));
    return Object.assign({}, ...parts) as Partial<WorkerStatus>;
  }

  /** What features have for the supervisor that takes the pool over. */
  gifts(): Gift[] {
    return this.#named().flatMap(([name, feature]) => {
      const gift = this.#answerOf(() => feature.gives?.());
      return gift ? [{ ...gift, feature: name }] : [];
    });
  }

  /** Each gets what its like has given, which may have come in pieces; what nobody wants is closed. */
  take(gifts: readonly Gift[]): void {
    const takers = new Map(this.#named().filter(([, feature]) => 'takes' in feature));
    const whole = new Map<string, Gift>();
    for (const gift of gifts) {
      const { descriptors = [], data = gift.data } = whole.get(gift.feature) ?? {};
      whole.set(gift.feature, { ...gift, data, descriptors: [...descriptors, ...gift.descriptors] });
    }
    const steps = [...whole].map(([name, gift]) => () => {
      const taker = takers.get(name);
      if (taker) taker.takes?.(gift);
      else for (const descriptor of gift.descriptors) libc.close(descriptor);
    });
    everyStep(this.#report, ...steps);
  }

  /** What features have to remember, by name; undefined: none has. */
  memories(): Record<string, unknown> | undefined {
    const known = this.#named()
      .map(([name, feature]) => [name, this.#answerOf(() => feature.remembers?.())] as const)
      .filter(([, memory]) => memory !== undefined);
    return known.length === 0 ? undefined : Object.fromEntries(known);
  }

  recall(memories: Readonly<Record<string, unknown>> = {}): void {
    const steps = this.#named().map(([name, feature]) => () => {
      if (Object.hasOwn(memories, name)) feature.recalls?.(memories[name]);
    });
    everyStep(this.#report, ...steps);
  }

  /** One that fails has nothing to say; the others have. */
  #answerOf<T>(ask: () => T): T | undefined {
    let answer: T | undefined;
    everyStep(this.#report, () => (answer = ask()));
    return answer;
  }

  #named(): [string, Feature][] {
    return this.#features.flatMap((feature) => (feature.name === undefined ? [] : [[feature.name, feature]]));
  }

  /** One after the other, then `done`. */
  farewell(done: () => void): void {
    const all = this.#features.reduceRight(
      (next, feature) => () => (feature.farewell ? feature.farewell(next) : next()),
      done,
    );
    all();
  }
}

function isThere<T>(value: T | undefined): value is T {
  return value !== undefined;
}

/** The later one's value counts, whatever the name. */
function merge(all: readonly Variables[]): Variables {
  return Object.fromEntries(all.flatMap((variables) => Object.entries(variables)));
}
