// The plug of a guard: something that looks at the workers of a pool that serves, about once a second. Types only; guards.ts
// has the one timer of all of them.
import type { Request } from '../../core/machine.ts';
import type { ReplacementReason } from '../../core/operations/replacement.ts';
import type { Activity } from '../../sys/session/session-freeze.ts';
import type { Feature } from '../feature.ts';

/** A worker that has its slot and is up. Times are monotonic milliseconds. */
export interface LookedWorker {
  readonly slot: number;
  /** Of the leader of its session. */
  readonly pid: number;
  readonly startedAtMs: number;
  readonly upAtMs: number;
  readonly generation: number;
}

/** A worker that has no slot any more and ends when its requests have, as long as that may take. */
export type LeavingWorker = Omit<LookedWorker, 'upAtMs'>;

/**
 * One look at a pool that serves. What has to be asked of the machine is asked when a guard wants it, and once for all
 * guards; it may be outdated a moment later.
 */
export interface PoolLook {
  readonly nowMs: number;
  /** Every running worker, by slot. */
  readonly workers: readonly LookedWorker[];
  /** Those of them whose turn it is, for what costs something for each worker; everybody's comes every few seconds. */
  readonly turn: readonly LookedWorker[];
  readonly leaving: readonly LeavingWorker[];
  /** How many slots are wanted; more than `workers` has: some are starting, or wait for their next try. */
  readonly wanted: number;
  /** Processes of the worker's session, the leader first, as far as one can see. */
  membersOf(pid: number): readonly number[];
  activityOf(pid: number): Activity;
  /** Accepted connections of the worker, kept ones included. */
  requestsOf(pid: number): readonly Request[];
  /** Connections that wait to be accepted; undefined where the kernel does not tell. */
  queued(): number | undefined;
  /** While something is going on: the next look no later than in so many milliseconds. Never at rest. */
  readonly soon: (ms: number) => void;
  /**
   * Replaces the worker, new before old, never within a request; the reason is told to people. False when that cannot
   * be now, because something else is under way or the last attempt has failed: the guard asks again at a later look,
   * if the reason is there still.
   */
  readonly replace: (worker: LookedWorker, reason: ReplacementReason) => boolean;
}

export interface Guard extends Feature {
  /** What fails is told, once, and keeps no other guard from its turn. */
  look(look: PoolLook): void;
  /** How long nothing can come to be that it would act on, if not for a second. */
  restMs?(look: PoolLook): number;
  /** It has nothing to look at, until Guards.wake() is called for it. */
  isOff?(): boolean;
  /** It has no worker replaced, so there is nothing to tell of that. */
  readonly neverReplaces?: true;
}
