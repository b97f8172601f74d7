// What the supervisor needs of the machine: small interfaces that src/sys
// implements and tests fake. cli joins them.
import type { PoolEvent } from '../core/event-text.ts';

export interface Clock {
  /** Monotonic time in milliseconds. */
  nowMs(): number;
  /** Runs once after the delay; the result cancels it. */
  after(delayMs: number, run: () => void): () => void;
}

export interface Spawner {
  /** Starts a worker: its PID, or the errno of fork or exec. */
  spawn(): { readonly pid: number } | { readonly errno: number };
}

export interface SessionMember {
  readonly pid: number;
  readonly session: number;
}

type EndSignal = 'SIGTERM' | 'SIGKILL';

export interface Sessions {
  /** Signals every process of the sessions of these live workers. */
  signalWorkers(leaders: readonly number[], signal: EndSignal): void;
  /** Signals what is left of the sessions of these dead workers, and names it. */
  signalLeftovers(leaders: readonly number[], signal: EndSignal): SessionMember[];
  leftovers(leaders: readonly number[]): SessionMember[];
  /** Whether the process group of a dead worker still has members: a quick first look. */
  hasGroup(leader: number): boolean;
}

export interface Readiness {
  /** Whether it is dead already, though nobody told us yet. */
  hasEnded(pid: number): boolean;
  /** Whether a thread of the worker's session waits for connections on the listening socket, or serves one. */
  isWaiting(pid: number): boolean;
}

export interface EventLog {
  write(event: PoolEvent): void;
  /** Opens the log's file again by its path; throws when that fails and keeps the old one. */
  reopen(): void;
}

/** Files that tell others about workers: `--worker-pid-file` and the state file. */
export interface WorkerRecords {
  started(slot: number, pid: number): void;
  ended(slot: number): void;
}
