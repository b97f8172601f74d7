// How a supervisor is to run its pool.
import type { RestartPolicy, StopMethod } from '../core/config.ts';

export interface PoolSettings {
  readonly workers: number;
  /** Workers beside them that have started, and are stopped until a slot needs one. */
  readonly spares: number;
  readonly restart: RestartPolicy;
  readonly stopTimeoutMs: number;
  readonly stopMethod: StopMethod;
  /** In a reload: life that counts as up where nobody may look, and the watch after the last step. */
  readonly settleMs: number;
  readonly readyTimeoutMs: number;
  /** `--ready notify`: every worker says itself when it is up. */
  readonly isNotified: boolean;
  /** A reload tries one worker of the new generation beside the pool first. */
  readonly isTriedFirst: boolean;
  /** Old workers serve on until ours are up: living alone proves nothing, and all of ours must be up. */
  readonly isTakingOver: boolean;
}
