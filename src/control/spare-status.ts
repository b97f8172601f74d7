// What the status of a pool says of its spares.

export const spareStates = ['starting', 'up', 'ready', 'ending'] as const;

/** A worker beside the slots, until one needs it. */
export interface SpareStatus {
  readonly pid: number;
  readonly generation: number;
  /** `up`: it is seen to wait for connections, and accepts them until it is idle and can be stopped; `ready`: it is. */
  readonly state: (typeof spareStates)[number];
  /** Since its start. */
  readonly uptimeMs: number;
  /** Processes of its session. */
  readonly pids: readonly number[];
}

/** `--spare`. */
export interface SparesStatus {
  readonly wanted: number;
  /** False: it cannot be seen whether a worker waits for connections, and there are none. */
  readonly isPossible: boolean;
  readonly workers: readonly SpareStatus[];
}
