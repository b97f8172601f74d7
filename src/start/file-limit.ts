// Too small a limit on open files: found before anything is made, and said with the way out.
import { readdirSync } from 'node:fs';
import type { Config } from '../core/config.ts';
import { errnoOf, SpawnFcgiError } from '../core/errors.ts';
import { namesSlot } from '../core/slot-pattern.ts';
import { describeFailure } from '../core/text/failure-text.ts';
import { E, libc } from '../sys/libc/libc.ts';
import { getFileLimit } from '../sys/process/resource-limit.ts';

/** A start opens about 15 at the same time; a running pool needs some to look at its workers and to answer. */
const neededFiles = 32;
/** Of each worker PID file, itself and its directory. */
const filesOfPidFile = 2;
/** Nothing is counted where the limit is no matter. */
const amplePerWorker = 4;
const ampleFiles = 1024;

/** Refuses a pool that could start, perhaps, but not look after itself. */
export function requireFiles({
  config: { range, workerPidFile, output },
}: {
  readonly config: Pick<Config, 'range' | 'workerPidFile' | 'output'>;
}): void {
  const { soft } = getFileLimit();
  // Files of slots that the load may need are there from the start.
  const workers = range.max;
  if (soft >= BigInt(ampleFiles + workers * amplePerWorker)) return;
  const outputFiles = output?.kind === 'file' && namesSlot(output.pattern) ? workers : 0;
  const needed = neededFiles + (workerPidFile === undefined ? 0 : workers * filesOfPidFile) + outputFiles;
  if (Number(soft) - countOpen() >= needed) return;
  throw new SpawnFcgiError(`too many open files: the limit of ${soft} is not enough for this pool`, {
    hints: [wayOut(soft, countOpen() + needed)],
  });
}

function countOpen(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}

/** The same failure with the way out, if it comes of a limit on open files: the process's, or the machine's. */
export function explainFileLimit(error: unknown): unknown {
  const errno = findErrno(error, [E.MFILE, E.NFILE]);
  if (errno === undefined) return error;
  const { soft } = getFileLimit();
  const hint =
    errno === E.MFILE ? wayOut(soft, Number(soft) * 2) : 'no process can open a file now: sysctl fs.file-max';
  if (error instanceof SpawnFcgiError) {
    const { message, exitCode, hints } = error;
    return new SpawnFcgiError(message, { exitCode, hints: [...hints, hint], cause: error });
  }
  const message =
    errno === E.MFILE ? `too many open files: the limit is ${soft}` : describeFailure(error, libc.strerror);
  return new SpawnFcgiError(message, { hints: [hint], cause: error });
}

/** The first of these numbers that the failure, or what is behind it, has. */
function findErrno(error: unknown, numbers: readonly number[]): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const errno = errnoOf(error);
  return numbers.includes(errno) ? errno : findErrno((error as { cause?: unknown }).cause, numbers);
}

function wayOut(limit: bigint, needed: number): string {
  const ample = Math.ceil(Math.max(needed, ampleFiles) / ampleFiles) * ampleFiles;
  return `raise the limit on open files, now ${limit}, before the start: ulimit -n ${ample} (systemd: LimitNOFILE=${ample})`;
}
