// What a pool's status says of where its workers' output goes.

/** Where what workers print goes, as --output says. */
export interface OutputStatus {
  readonly target: string;
  /** Absolute, as seen from outside a chroot. */
  readonly files: readonly string[];
  readonly program: LogProgramStatus | null;
}

/** What reads it: `--output '|COMMAND'`. */
interface LogProgramStatus {
  /** Null: it is not running, and is started again. */
  readonly pid: number | null;
  readonly restarts: number;
  readonly lastExit: string | null;
  /** Bytes that wait for it in the pipe, which holds so many. */
  readonly waiting: number;
  readonly capacity: number;
  /** The pipe is full: workers that print wait. */
  readonly isFull: boolean;
}
