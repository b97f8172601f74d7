// Everything the benchmark starts, so that all of it ends: by PID and start time, never by name.
import { isAlive, readStat, signalProcess } from '../helpers/machine/processes.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';

const started = new Map<number, number>();
let ending = false;

/** Remembers a process of ours; one that is gone already needs no ending. */
export function remember(pid: number): void {
  const startTime = readStat(pid)?.startTime;
  if (startTime !== undefined) started.set(pid, startTime);
}

function isRunning(pid: number): boolean {
  return isAlive(pid, started.get(pid));
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) signalProcess(pid, started.get(pid) ?? -1, signal);
}

async function allGone(pids: readonly number[], timeoutMs: number): Promise<boolean> {
  const gone = (): boolean => !pids.some(isRunning);
  return waitFor('processes to end', gone, { timeoutMs }).catch(() => false);
}

/** TERM, and KILL after five seconds; returns when all of them are gone. */
export async function endAll(pids: readonly number[]): Promise<void> {
  signalAll(pids, 'SIGTERM');
  if (!(await allGone(pids, 5_000))) {
    signalAll(pids, 'SIGKILL');
    if (!(await allGone(pids, 5_000))) throw new Error('a process survived SIGKILL');
  }
  for (const pid of pids) started.delete(pid);
}

/** For a benchmark that fails or is interrupted: supervisors, the first started, go before their workers. */
export async function endWhatIsLeft(): Promise<void> {
  ending = true;
  for (const pid of started.keys()) await endAll([pid]);
}

/** An interrupted measurement goes on until it next starts something: here. */
export function refuseWhileEnding(): void {
  if (ending) throw new Error('interrupted');
}
