// The one error class of the program and the exit statuses that users see.
// It only carries facts; printing and exiting happen in the mains and src/run.

/** Exit statuses with a meaning of their own; docs/options.md has the table for users. */
export const exitStatus = {
  ok: 0,
  /** An unexpected error, or the first worker died of a signal (1.6: rc = 1). */
  failed: 1,
  /** `--start-limit` reached: sysexits' EX_TEMPFAIL. */
  startLimit: 75,
  /** Not up within `--ready-timeout`. */
  notReady: 75,
  /** Refused before any worker ran (1.6: return -1). */
  refused: 255,
} as const;

/**
 * A refusal or failure with the line 1.6 would print (without the leading
 * `spawn-fcgi: `), the status to exit with, and hints that say the way out.
 */
export class SpawnFcgiError extends Error {
  override readonly name = 'SpawnFcgiError';
  readonly exitCode: number;
  readonly hints: readonly string[];

  constructor(
    message: string,
    options: { exitCode?: number; hints?: readonly string[]; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.exitCode = options.exitCode ?? exitStatus.refused;
    this.hints = options.hints ?? [];
  }
}

const EAGAIN = 11;
const ENOMEM = 12;

/** Whether an errno of posix_spawn(3) is fork's, and says nothing of the program: too many processes, or no memory. */
export function isForkError(errno: number): boolean {
  return errno === EAGAIN || errno === ENOMEM;
}

/** Where the limit is that a fork ran into. */
export function forkLimit(errno: number): string {
  return errno === EAGAIN
    ? "see the user's limit of processes (ulimit -u) and pids.max of the cgroup"
    : 'see the memory that is left, and memory.max of the cgroup';
}

/** The kernel's number behind a failure, 0 if there is none. Node has it negative, a SyscallError positive. */
export function errnoOf(error: unknown): number {
  const { errno } = (typeof error === 'object' && error !== null ? error : {}) as { errno?: unknown };
  return typeof errno === 'number' ? Math.abs(errno) : 0;
}

/** A failed system call: `errno` is the kernel's number, `message` the C library's text for it. */
export class SyscallError extends Error {
  override readonly name = 'SyscallError';
  readonly syscall: string;
  readonly errno: number;

  constructor(syscall: string, errno: number, text: string) {
    super(text);
    this.syscall = syscall;
    this.errno = errno;
  }
}
