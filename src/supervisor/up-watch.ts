// Finds out when starting workers are up: looked at side by side, often while
// they are young, never again once none is starting.
import { defaults } from '../core/config.ts';
import type { Clock, Readiness } from '../core/machine.ts';

export interface StartingWorker extends UpRule {
  /** Undefined: it is to have one later. */
  readonly slot?: number;
  readonly pid: number;
  readonly startedAtMs: number;
}

/** What a worker has to show. */
export interface UpRule {
  /** After this age it is up although nobody saw it waiting. */
  readonly upByAgeMs: number;
  /** Age counts only where nobody may look; a worker that plainly does not wait is not up. */
  readonly needsEvidence: boolean;
  /** Evidence counts from this age on: a release that dies after a moment must not replace anybody. */
  readonly notBeforeMs: number;
  /** Where nobody may look it is up from the first look on: in its slot workers recycle themselves, maybe young. */
  readonly trustsHidden: boolean;
}

/** A worker that takes long to start is looked at this often at least. */
const longestPauseMs = 50;
/** A worker this young is looked at every few milliseconds. */
const youthMs = 500;

export class UpWatch {
  readonly #clock: Clock;
  readonly #readiness: Readiness;
  readonly #starting: () => readonly StartingWorker[];
  readonly #onUp: (worker: StartingWorker, atMs: number, isSeen: boolean) => void;
  #isArmed = false;

  constructor(
    clock: Clock,
    readiness: Readiness,
    starting: () => readonly StartingWorker[],
    onUp: (worker: StartingWorker, atMs: number, isSeen: boolean) => void,
  ) {
    this.#clock = clock;
    this.#readiness = readiness;
    this.#starting = starting;
    this.#onUp = onUp;
  }

  /** To be called after a spawn; does nothing while the watch runs. */
  wake(): void {
    if (!this.#isArmed) this.#lookAfter(1);
  }

  #look(): void {
    this.#isArmed = false;
    for (const worker of this.#starting()) {
      const nowMs = this.#clock.nowMs();
      const up = this.#judge(worker, nowMs - worker.startedAtMs);
      if (up) this.#onUp(worker, nowMs, up.isSeen);
    }
    const left = this.#starting();
    if (left.length > 0 && !this.#isArmed) this.#lookAfter(this.#pauseMs(left));
  }

  /** Undefined: not up yet. Where nobody may look, living long enough is as good as being seen. */
  #judge(
    { pid, upByAgeMs, needsEvidence, notBeforeMs, trustsHidden }: StartingWorker,
    ageMs: number,
  ): { readonly isSeen: boolean } | undefined {
    if (ageMs < notBeforeMs) return undefined;
    const evidence = this.#readiness.evidenceOf(pid);
    if (evidence === 'yes') return { isSeen: true };
    const isHidden = evidence === 'unknown';
    const isUp = isHidden ? trustsHidden || ageMs >= upByAgeMs : !needsEvidence && ageMs >= upByAgeMs;
    return isUp && !this.#readiness.hasEnded(pid) ? { isSeen: isHidden } : undefined;
  }

  #lookAfter(delayMs: number): void {
    this.#isArmed = true;
    this.#clock.after(delayMs, () => this.#look());
  }

  /** A sixth of the youngest worker's age: fine where it matters, cheap afterwards. */
  #pauseMs(workers: readonly StartingWorker[]): number {
    const nowMs = this.#clock.nowMs();
    const youngest = Math.min(...workers.map((worker) => nowMs - worker.startedAtMs));
    if (youngest > youthMs) return longestPauseMs;
    return Math.min(5, Math.max(1, youngest / 6));
  }
}

/** Being up by its age is known already: only what is seen counts. */
export const seenRule = {
  upByAgeMs: Number.POSITIVE_INFINITY,
  needsEvidence: true,
  notBeforeMs: 0,
  trustsHidden: false,
} as const;

/** How long a worker of a first start or a restart must live to count as up: 1.6's window. */
export const memberRule = {
  upByAgeMs: defaults.upAfterMs,
  needsEvidence: false,
  notBeforeMs: 0,
  trustsHidden: false,
} as const;
