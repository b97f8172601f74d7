// What a pool's status says of how many workers it has, and why.

/** Between which numbers of workers the load decides; both are the same where it does not. */
export interface ScalingStatus {
  readonly min: number;
  readonly max: number;
  /** How many `auto` was taken for; null: nobody has asked for that, or for something else since. */
  readonly processors: number | null;
  /** What the load did last; null: nothing since somebody has asked for a number, or for other bounds. */
  readonly last: {
    readonly from: number;
    readonly to: number;
    readonly reason: string;
    readonly agoMs: number;
  } | null;
  /** What it cannot go by, for people. */
  readonly note: string | null;
}
