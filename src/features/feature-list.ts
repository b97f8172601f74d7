// The features of one pool, asked in the order of the list.
import { everyStep } from '../core/every-step.ts';
import type { Feature } from '../core/feature.ts';
import type { Evidence, Spawner, WorkerRecords } from '../core/machine.ts';

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
    const variables = this.#features.flatMap((feature) => Object.entries(feature.variables ?? {}));
    if (variables.length === 0) return [...environment];
    const others = environment.filter((entry) => {
      const text = entry.toString('latin1');
      return !variables.some(([name]) => text.startsWith(`${name}=`));
    });
    return [...others, ...variables.map(([name, value]) => Buffer.from(`${name}=${value}`))];
  }

  /** Starts a process of the pool's program by `spawn`. */
  start<T extends ReturnType<Spawner['spawn']>>(spawn: () => T): T {
    for (const feature of this.#features) feature.starting?.();
    const result = spawn();
    for (const feature of this.#features) feature.begun?.('pid' in result ? result.pid : undefined);
    return result;
  }

  evidenceOf(pid: number): Evidence | undefined {
    for (const feature of this.#features) {
      const evidence = feature.evidenceOf?.(pid);
      if (evidence !== undefined) return evidence;
    }
    return undefined;
  }

  reaped(pid: number): void {
    for (const feature of this.#features) feature.reaped?.(pid);
  }

  started(slot: number, pid: number, role: 'member' | 'candidate'): void {
    for (const feature of this.#features) feature.started?.(slot, pid, role);
  }

  promoted(slot: number, pid: number): void {
    for (const feature of this.#features) feature.promoted?.(slot, pid);
  }

  ended(slot: number, pid: number): void {
    for (const feature of this.#features) feature.ended?.(slot, pid);
  }

  adoptedEnded(pid: number): void {
    for (const feature of this.#features) feature.adoptedEnded?.(pid);
  }

  happened(): void {
    for (const feature of this.#features) feature.happened?.();
  }

  said(text: string): void {
    for (const feature of this.#features) feature.said?.(text);
  }

  /** Tells all of a step in the pool's life. */
  live(hook: LifeHook, wasUp = false): void {
    everyStep(this.#report, ...this.#features.map((feature) => () => feature[hook]?.(wasUp)));
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
