// Workers beside the slots: how far each of them is, how many are missing, and which one a slot gets. Pure: facts in, orders
// out. docs/internals/spare-workers.md has the states for people.
import type { RestartPolicy } from '../config.ts';
import { decideRestart, freshMemory, type RestartMemory } from './restart-policy.ts';
import type { Moment } from './slot-state.ts';

/**
 * `starting` not seen to wait for connections yet; `up` it was, and accepts like any other until it is seen idle and can be
 * stopped; `ready` stopped; `ending` told to end.
 */
export type SpareStage = 'starting' | 'up' | 'ready' | 'ending';

/** Times on the monotonic clock in milliseconds. */
export interface Spare {
  readonly pid: number;
  readonly generation: number;
  readonly startedAtMs: number;
  readonly stage: SpareStage;
  /** Since when it was up; undefined: never. */
  readonly upAtMs?: number | undefined;
}

/** What the pool has use for; undefined: nothing, and what there is ends. */
export interface SpareGoal {
  readonly generation: number;
  /** False: what there is stays, and nothing is added. */
  readonly mayStart: boolean;
}

export type SpareOrder =
  | { readonly kind: 'start'; readonly generation: number }
  | { readonly kind: 'end'; readonly pid: number }
  /** Nothing is started before. */
  | { readonly kind: 'wait'; readonly untilMs: number };

/** In which order they are of use to a slot. */
const byUse = ['ready', 'up', 'starting'] as const;

export class Spares {
  readonly #wanted: number;
  readonly #policy: RestartPolicy;
  readonly #spares = new Map<number, Spare>();
  /** Of all of them together: they run one program. */
  #memory: RestartMemory = freshMemory;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  /** The last one has failed: the next one has to show first that the program starts. */
  #isDoubtful = false;
  /** Of these nobody can tell whether one waits. */
  #unseen: number | undefined;
  #generation = -1;

  constructor(wanted: number, policy: RestartPolicy) {
    this.#wanted = wanted;
    this.#policy = policy;
  }

  /** Oldest first, those that are ending included. */
  get all(): readonly Spare[] {
    return [...this.#spares.values()];
  }

  /** Nothing is started before. */
  get retryAtMs(): number {
    return this.#retryAtMs;
  }

  get(pid: number): Spare | undefined {
    return this.#spares.get(pid);
  }

  /** What is to be done now. Those that are to end count as ending from here on. */
  plan(goal: SpareGoal | undefined, nowMs: number): SpareOrder[] {
    const { generation = -1, mayStart = false } = goal ?? {};
    this.#generation = generation;
    const live = this.all.filter(({ stage }) => stage !== 'ending');
    const fit = live.filter((spare) => this.isPossible && spare.generation === generation);
    const unfit = live.filter((spare) => !fit.includes(spare));
    for (const { pid } of unfit) this.#become(pid, 'ending');
    const ends: SpareOrder[] = unfit.map(({ pid }) => ({ kind: 'end', pid }));
    const missing = this.#wanted - fit.length;
    if (missing <= 0 || !mayStart || !this.isPossible) return ends;
    if (nowMs < this.#retryAtMs) return [...ends, { kind: 'wait', untilMs: this.#retryAtMs }];
    const isOnTrial = fit.some(({ stage }) => stage === 'starting');
    const count = this.#isDoubtful ? Number(!isOnTrial) : missing;
    const starts = Array.from({ length: count }, (): SpareOrder => ({ kind: 'start', generation }));
    return [...ends, ...starts];
  }

  started(pid: number, generation: number, atMs: number): void {
    this.#spares.set(pid, { pid, generation, startedAtMs: atMs, stage: 'starting' });
  }

  /** It was seen to wait for connections. */
  up(pid: number, atMs: number): void {
    const spare = this.#spares.get(pid);
    if (spare?.stage === 'starting') this.#spares.set(pid, { ...spare, stage: 'up', upAtMs: atMs });
  }

  /** It is stopped, and holds no connection. */
  held(pid: number): void {
    if (this.#spares.get(pid)?.stage !== 'up') return;
    this.#become(pid, 'ready');
    this.#isDoubtful = false;
  }

  /** Somebody else has let it go on. */
  released(pid: number): void {
    if (this.#spares.get(pid)?.stage === 'ready') this.#become(pid, 'up');
  }

  /** It is to end, or is about to: no slot gets it. */
  spoilt(pid: number): void {
    if (this.#spares.has(pid)) this.#become(pid, 'ending');
  }

  /** The one of this generation that is of most use to a slot. */
  next(generation: number): Spare | undefined {
    const fit = this.all.filter((one) => one.generation === generation);
    return byUse.map((stage) => fit.find((one) => one.stage === stage)).find((one) => one !== undefined);
  }

  /** It is none of these any more. */
  take(pid: number): void {
    this.#spares.delete(pid);
  }

  /** It was not up in time, and is to end. The result: how long nothing is started. */
  late(pid: number, moment: Moment): number {
    this.#become(pid, 'ending');
    return this.failed(moment);
  }

  /** Nobody can tell whether one waits: there are none of this generation. */
  giveUp(generation: number): void {
    this.#unseen = generation;
  }

  get isPossible(): boolean {
    return this.#unseen === undefined || this.#unseen !== this.#generation;
  }

  /** It is gone. The result: how long nothing is started, where it has ended unasked. */
  ended(pid: number, moment: Moment): number | undefined {
    const spare = this.#spares.get(pid);
    this.#spares.delete(pid);
    return spare && spare.stage !== 'ending' ? this.#fail(spare, moment) : undefined;
  }

  /** It could not be started. The result: how long nothing is. */
  failed(moment: Moment): number {
    return this.#fail({ startedAtMs: moment.atMs }, moment);
  }

  /** Nobody waits for it: there is no hurry, whatever its end says. */
  #fail({ startedAtMs, upAtMs }: Pick<Spare, 'startedAtMs' | 'upAtMs'>, { atMs, random }: Moment): number {
    const life = { startedAtMs, upAtMs, isSeen: upAtMs !== undefined };
    const { delayMs, memory } = decideRestart('failed-start', life, atMs, this.#memory, this.#policy, random);
    this.#memory = memory;
    this.#isDoubtful = true;
    this.#retryAtMs = atMs + delayMs;
    return delayMs;
  }

  #become(pid: number, stage: SpareStage): void {
    const spare = this.#spares.get(pid);
    if (spare) this.#spares.set(pid, { ...spare, stage });
  }
}
