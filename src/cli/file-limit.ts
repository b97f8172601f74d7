// Too small a limit on open files: found before anything is made, and said with the way out.
import { readdirSync } from 'node:fs';
import type { Config } from '../core/config.ts';
import { SpawnFcgiError } from '../core/errors.ts';
import { E } from '../sys/libc.ts';
import { getFileLimit } from '../sys/resource-limit.ts';

/** A start opens about 15 at the same time; a running pool needs some to look at its workers and to answer. */
const neededFiles = 32;
/** Of each worker PID file, itself and its directory. */
const filesOfPidFile = 2;
/** Nothing is counted where the limit is no matter. */
const amplePerWorker = 4;
const ampleFiles = 1024;

/** Refuses a pool that could start, perhaps, but not look after itself. */
export function requireFiles({ workers, workerPidFile }: Pick<Config, 'workers' | 'workerPidFile'>): void {
  const { soft } = getFileLimit();
  if (soft >= BigInt(ampleFiles + workers * amplePerWorker)) return;
  const needed = neededFiles + (workerPidFile === undefined ? 0 : workers * filesOfPidFile);
  if (Number(soft) - countOpen() >= needed) return;
  throw new SpawnFcgiError(`too many open files: the limit of ${soft} is not enough for this pool`, {
    hints: [wayOut(soft)],
  });
}

function countOpen(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}

/** The same failure with the way out, if it comes of the limit on open files. */
export function explainFileLimit(error: unknown): unknown {
  if (!hasHitLimit(error)) return error;
  const { soft } = getFileLimit();
  if (!(error instanceof SpawnFcgiError))
    return new SpawnFcgiError(`too many open files: the limit is ${soft}`, {
      hints: [wayOut(soft)],
      cause: error,
    });
  const { message, exitCode, hints } = error;
  return new SpawnFcgiError(message, { exitCode, hints: [...hints, wayOut(soft)], cause: error });
}

function hasHitLimit(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { errno = 0, cause } = error as { errno?: number; cause?: unknown };
  // Node has its numbers negative.
  return Math.abs(errno) === E.MFILE || hasHitLimit(cause);
}

function wayOut(limit: bigint): string {
  return `raise the limit on open files, now ${limit}, before the start: ulimit -n ${ampleFiles} (systemd: LimitNOFILE=${ampleFiles})`;
}
