// How many workers the load asks for, look by look: more while connections wait and nobody is idle, fewer when somebody
// has been idle for long. docs/scaling.md has the rules and what they were measured to do. No clock: looks bring the time.
import type { WorkerRange } from './worker-range.ts';

/** What one look at a serving pool shows. What costs something is asked for only where it decides. */
export interface LoadLook {
  readonly nowMs: number;
  /** Of the pool, with a worker or without. */
  readonly slots: number;
  /** Slots that were added and whose first worker is not up yet: capacity that is ordered. */
  readonly coming: number;
  /** For so long the latest of them has been awaited. */
  readonly comingMs: number;
  /** Other slots whose worker is not up: it is being replaced. */
  readonly missing: number;
  /** Slots that wait for their next try, grown ones too: their workers crash or cannot be started. */
  readonly failing: number;
  /** Connections that wait to be accepted; undefined where the kernel does not tell. */
  readonly queued: number | undefined;
  /** Whether a worker is idle; undefined: none is seen to be, and of some it cannot be told. Kept ones are not idle. */
  anyIdle(): boolean | undefined;
  /** Whether the worker that would go first may: it holds no connection, or there is none. */
  isLastFree(): boolean;
}

/** Which of the two cannot be told: how many connections wait, or what workers do. */
export type Blindness = 'queue' | 'workers' | 'both';

/** What is to be done, and why. */
export type LoadDecision =
  | { readonly kind: 'stay' }
  | { readonly kind: 'scale'; readonly workers: number; readonly reason: string }
  /** It would grow, and may not: told once an episode. */
  | { readonly kind: 'at-max'; readonly queued: number | undefined }
  /** Of the two things that it goes by one cannot be seen, or both: told once. */
  | { readonly kind: 'blind'; readonly to: Blindness };

export interface LoadAnswer {
  readonly decision: LoadDecision;
  /** It wants to look again so soon; undefined: when its turn comes. */
  readonly soonMs?: number;
}

/** A queue that is there at two looks this far apart is no moment's; so long new workers have for it before more come. */
const confirmMs = 50;
/** So long it is looked at oftener whether somebody is idle beside a queue, or is seen between two requests. */
const betweenMs = 500;
/** Without a queue to go by, nobody idle for so long stands for it. */
const blindMs = 2000;
/** So long something cannot be seen before somebody hears of it. */
const blindToldMs = 5000;
/** So long the pool must be at MAX, with connections waiting, before somebody hears of it. */
const exhaustedMs = 3000;
/** A shrink that has to be taken back doubles the wait for the next one, up to this many times --idle-timeout. */
const mostPatience = 8;

interface SeenQueue {
  readonly queued: number;
  readonly atMs: number;
}

const stay: LoadAnswer = { decision: { kind: 'stay' } };

export class LoadScaling {
  readonly #idleTimeoutMs: number;
  readonly #comingTimeoutMs: number;
  /** Of the next growth. */
  #step = 1;
  /** Since when every look has shown connections that wait; without a queue to go by, nobody idle. */
  #pressedSinceMs: number | undefined;
  /** The queue as the workers of now have it, at the look before. */
  #seen: SeenQueue | undefined;
  /** Since when every look has shown somebody idle. */
  #idleSinceMs: number | undefined;
  /** Of the last shrink, unless the pool has grown since. */
  #shrunkAtMs: number | undefined;
  /** How many times --idle-timeout the next shrink takes. */
  #patience = 1;
  #isExhaustionTold = false;
  #blindSinceMs: number | undefined;
  readonly #toldBlindness = new Set<Blindness>();

  /** `comingTimeoutMs`: so long workers that were ordered are waited for; they may never come up. */
  constructor(idleTimeoutMs: number, comingTimeoutMs: number) {
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#comingTimeoutMs = comingTimeoutMs;
  }

  /** One look at a pool that serves, and to which nothing else is being done. */
  look(load: LoadLook, range: WorkerRange): LoadAnswer {
    if (range.min === range.max) return stay;
    const { queued, slots, nowMs } = load;
    if (queued === 0) this.#step = 1;
    // A pool at MIN without a queue is at rest, whatever its workers do: nobody needs to look at them.
    const idle = queued !== 0 || slots > range.min ? load.anyIdle() : true;
    const blind = this.#noteBlindness(load, idle);
    if (blind) return blind;
    if (queued === undefined && idle === undefined) return stay;
    const isWaitedFor = queued === undefined ? idle === false : queued > 0;
    if (isWaitedFor || idle !== true) this.#idleSinceMs = undefined;
    if (!isWaitedFor) {
      this.#pressedSinceMs = this.#seen = undefined;
      return idle === true ? this.#rest(load, range) : stay;
    }
    this.#pressedSinceMs ??= nowMs;
    const pressedMs = nowMs - this.#pressedSinceMs;
    // Between two requests, for an instant; or one that does not accept, and more of its kind would not either.
    if (idle === true) return pressedMs < betweenMs ? { ...stay, soonMs: confirmMs } : stay;
    return this.#grow(load, range, pressedMs);
  }

  /** What cannot be seen for a moment is not worth a word: a worker may wait for a client. */
  #noteBlindness({ queued, nowMs }: LoadLook, idle: boolean | undefined): LoadAnswer | undefined {
    const to = queued !== undefined ? 'workers' : idle === undefined ? 'both' : 'queue';
    const isBlind = queued === undefined || idle === undefined;
    if (!isBlind) this.#blindSinceMs = undefined;
    if (!isBlind || this.#toldBlindness.has(to)) return undefined;
    this.#blindSinceMs ??= nowMs;
    if (nowMs - this.#blindSinceMs < blindToldMs) return undefined;
    this.#toldBlindness.add(to);
    return { decision: { kind: 'blind', to } };
  }

  /** `pressedMs`: for so long connections have waited, and nobody was idle. */
  #grow(load: LoadLook, { max }: WorkerRange, pressedMs: number): LoadAnswer {
    const { nowMs, queued, slots, coming, comingMs, missing, failing } = load;
    if (slots >= max) return this.#beExhausted(queued, pressedMs);
    // Of a program that fails more would fail.
    if (failing > 0) return stay;
    if (coming > 0 && comingMs < this.#comingTimeoutMs)
      return { ...stay, soonMs: Math.max(confirmMs, comingMs / 4) };
    if (queued === undefined) return pressedMs < blindMs ? stay : this.#growBlindly(load);
    const before = this.#seen;
    this.#seen = { queued, atMs: nowMs };
    if (!before || isGoneSoon(before, this.#seen))
      return { ...stay, soonMs: Math.min(confirmMs * this.#step, 400) };
    const more = Math.min(this.#step, queued - missing, max - slots);
    if (more <= 0) return stay;
    this.#step *= 2;
    this.#seen = undefined;
    return this.#order(load, slots + more, `${waiting(queued)}, nobody idle`);
  }

  /** One at a time, each after a wait of its own. */
  #growBlindly(load: LoadLook): LoadAnswer {
    this.#pressedSinceMs = undefined;
    return this.#order(load, load.slots + 1, `nobody idle for ${blindMs / 1000} s`);
  }

  #order({ nowMs }: LoadLook, workers: number, reason: string): LoadAnswer {
    if (this.#shrunkAtMs !== undefined) this.#judgeShrink(nowMs - this.#shrunkAtMs);
    this.#shrunkAtMs = undefined;
    return { decision: { kind: 'scale', workers, reason }, soonMs: confirmMs };
  }

  /** The pool grows so long after it has shrunk: soon, and that was too early. */
  #judgeShrink(agoMs: number): void {
    const wasEarly = agoMs < this.#idleTimeoutMs * this.#patience;
    this.#patience = wasEarly ? Math.min(this.#patience * 2, mostPatience) : Math.max(this.#patience / 2, 1);
  }

  #beExhausted(queued: number | undefined, pressedMs: number): LoadAnswer {
    if (pressedMs < exhaustedMs || this.#isExhaustionTold) return stay;
    this.#isExhaustionTold = true;
    return { decision: { kind: 'at-max', queued } };
  }

  /** Somebody is idle, or nobody needs to be. */
  #rest(load: LoadLook, { min }: WorkerRange): LoadAnswer {
    const { nowMs, slots } = load;
    this.#idleSinceMs ??= nowMs;
    const idleMs = nowMs - this.#idleSinceMs;
    if (idleMs >= this.#idleTimeoutMs) this.#isExhaustionTold = false;
    if (slots <= min || idleMs < this.#idleTimeoutMs * this.#patience || !load.isLastFree()) return stay;
    this.#idleSinceMs = nowMs;
    // The one before has not been too early.
    if (this.#shrunkAtMs !== undefined) this.#patience = 1;
    this.#shrunkAtMs = nowMs;
    return {
      decision: {
        kind: 'scale',
        workers: slots - 1,
        reason: `somebody idle for ${Math.round(idleMs / 1000)} s`,
      },
    };
  }
}

/** Those who work on it will have done with it within a second, at the pace between two looks. */
function isGoneSoon(before: SeenQueue, now: SeenQueue): boolean {
  const perMs = (before.queued - now.queued) / Math.max(1, now.atMs - before.atMs);
  return perMs > 0 && now.queued / perMs < 1000;
}

function waiting(queued: number): string {
  return queued === 1 ? '1 connection waits' : `${queued} connections wait`;
}
