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
  /** Starts a worker of the generation: its PID, or the errno of fork or exec. The first one pins the generation. */
  spawn(generation: number): { readonly pid: number } | { readonly errno: number };
  /** The file that the generation executes, for messages. */
  pathOf(generation: number): string;
  /** Lets go of what belongs to other generations. */
  keepOnly(generations: readonly number[]): void;
}

export interface SessionMember {
  readonly pid: number;
  readonly session: number;
}

type EndSignal = 'SIGTERM' | 'SIGKILL';

/** `signalled`: it was idle and has the signal; `unknown`: its connections cannot be seen. */
export type IdleVerdict = 'signalled' | 'busy' | 'unknown' | 'gone';

export interface Sessions {
  /** Signals every process of the sessions of these live workers. */
  signalWorkers(leaders: readonly number[], signal: `SIG${string}`): void;
  /** Whether the worker's program is known to finish its request on TERM. */
  finishesOnTerm(leader: number): boolean;
  /** Sends the signal to the sessions of those live workers that hold no accepted connection. */
  endIdle(leaders: readonly number[], signal: EndSignal): ReadonlyMap<number, IdleVerdict>;
  /** Signals what is left of the sessions of these dead workers, and names it. */
  signalLeftovers(leaders: readonly number[], signal: EndSignal): SessionMember[];
  leftovers(leaders: readonly number[]): SessionMember[];
  /** Whether the process group of a dead worker still has members: a quick first look. */
  hasGroup(leader: number): boolean;
}

/** `yes`: it waits for connections on our socket, or serves one; `no`: it plainly does not; `unknown`: we may not look. */
export type Evidence = 'yes' | 'no' | 'unknown';

export interface Readiness {
  /** Whether it is dead already, though nobody told us yet. */
  hasEnded(pid: number): boolean;
  /** What the worker's session tells of it. */
  evidenceOf(pid: number): Evidence;
}

export interface EventLog {
  write(event: PoolEvent): void;
  /** Opens the log's file again by its path; throws when that fails and keeps the old one. */
  reopen(): void;
}

/** Files that tell others about workers: `--worker-pid-file` and the state file. */
export interface WorkerRecords {
  /** A worker of the slot; a candidate gets the slot's PID file only when it is promoted. */
  started(slot: number, pid: number, role: 'member' | 'candidate'): void;
  promoted(slot: number, pid: number): void;
  ended(slot: number, pid: number): void;
}

/** Asks one extra worker on a private socket, for `--ready probe`. */
export interface Prober {
  /** Tells undefined for an answer, else why there was none; the extra worker is gone by then. */
  probe(generation: number, timeoutMs: number, done: (refusal: string | undefined) => void): void;
  /** Ends a probe that is under way; its `done` is not called any more. */
  cancel(): void;
}
