// What is said of workers that ended, or could not be started.
import { isForkError } from '../core/errors.ts';
import { describeChildEnd, describeSpawnFailure } from '../core/text/end-text.ts';
import type { PoolEvent } from '../core/text/pool-event.ts';
import type { OrderOf, ReloadFailure } from '../core/pool/orders.ts';
import type { WorkerEnd } from '../core/worker-exit.ts';
import type { Machine } from '../core/machine.ts';

type Names = Pick<Machine, 'describeErrno' | 'signalName'>;

/** Why a reload failed, for people; `path` is that of the program. */
export function describeReloadFailure(failure: ReloadFailure, path: string, names: Names): string {
  switch (failure.kind) {
    case 'late':
      return `the new worker of slot ${failure.slot} was not up within --ready-timeout`;
    case 'no-answer':
      return failure.reason;
    case 'ended': {
      const { end, slot, pid } = failure;
      if (end.kind === 'not-executed') {
        const error = names.describeErrno(end.errno);
        return isForkError(end.errno)
          ? describeSpawnFailure(end.errno, error)
          : `exec of '${path}' failed: ${error}`;
      }
      return `the new worker of slot ${slot} (PID ${pid}) ${describeChildEnd(end, names.signalName)}`;
    }
  }
}

/** Why a slot's last worker is gone, in the few words that a table has room for. */
export function describeEnd(end: WorkerEnd, { describeErrno, signalName }: Names): string {
  if (end.kind !== 'not-executed') return describeChildEnd(end, signalName);
  return `${isForkError(end.errno) ? 'fork' : 'exec'} failed: ${describeErrno(end.errno)}`;
}

/** The event for a worker's end; times in milliseconds. */
export function endEvent(
  { slot, end, class: endClass, delayMs }: OrderOf<'report-end'>,
  {
    workerPid,
    path,
    uptimeMs,
    successorPid,
  }: {
    readonly workerPid: number;
    readonly path: string;
    readonly uptimeMs: number;
    readonly successorPid: number | undefined;
  },
  { describeErrno, signalName: nameOf }: Names,
): PoolEvent {
  if (end.kind === 'not-executed') {
    const error = describeErrno(end.errno);
    return isForkError(end.errno)
      ? { event: 'spawn-failed', slot, errno: end.errno, error, delayMs }
      : { event: 'exec-failed', slot, path, errno: end.errno, error, delayMs };
  }
  const signalName = end.kind === 'signaled' ? nameOf(end.signal) : undefined;
  const facts = { slot, workerPid, end, signalName, uptimeMs, class: endClass, delayMs };
  return { event: 'worker-ended', ...facts, ...(successorPid === undefined ? {} : { successorPid }) };
}
