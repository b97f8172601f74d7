// How a process ended or could not be started or ended, and what becomes of its slot.
import { forkLimit } from '../errors.ts';
import type { WorkerEnd, WorkerExit } from '../worker-exit.ts';
import { describeMs } from './amount-text.ts';

/** Why no process could be started, and where the limit is. */
export function describeSpawnFailure(errno: number, error: string): string {
  return `cannot start a worker: ${error} (${forkLimit(errno)})`;
}

/** Processes of another user, by a set-user-ID bit, that a supervisor without privileges cannot end. */
export function describeRefused(pids: readonly number[], what: 'a worker' | 'left of a worker'): string {
  return `may not end PID ${pids.join(' ')}, ${what}: Operation not permitted`;
}

export function describeEnd(end: WorkerEnd, signalName: string | undefined): string {
  if (end.kind === 'not-executed') return 'could not be executed';
  return describeChildEnd(end, () => signalName);
}

/** How a process ended, for people: `exited with 3`, `was killed by SIGKILL`. */
export function describeChildEnd(
  end: WorkerExit,
  signalName: (signal: number) => string | undefined,
): string {
  return end.kind === 'exited'
    ? `exited with ${end.status}`
    : `was killed by ${signalName(end.signal) ?? `signal ${end.signal}`}`;
}

export function describeNext(delayMs: number | undefined, successorPid?: number): string {
  if (delayMs === undefined) return 'not restarted';
  if (successorPid !== undefined) return `restarted as PID ${successorPid}`;
  return delayMs === 0 ? 'restarting' : `restarting in ${describeMs(delayMs)}`;
}
