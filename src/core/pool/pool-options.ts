// What a pool is made with besides its size and its policy.
import type { Life } from '../life.ts';
import type { Roster } from './roster.ts';

/** What others ask as well, who then make it. */
export interface PoolBooks {
  readonly life?: Life;
  readonly roster?: Roster;
}

export interface PoolOptions extends PoolBooks {
  /** A release is tried beside the pool first. */
  readonly probes?: boolean;
}
