// What happened to a pool, as data.
import type { EndClass } from '../pool/restart-policy.ts';
import type { ReloadResult } from '../operations/rollout.ts';
import type { WorkerEnd } from '../worker-exit.ts';
import type { ProcessCall } from '../process-call.ts';
import type { LeftProcess } from './left-process.ts';

export type PoolEvent =
  | { readonly event: 'pool-up'; readonly address: string; readonly workers: number }
  | { readonly event: 'worker-started'; readonly slot: number; readonly workerPid: number }
  | {
      readonly event: 'worker-ended';
      readonly slot: number;
      readonly workerPid: number;
      readonly end: WorkerEnd;
      readonly signalName?: string | undefined;
      readonly uptimeMs: number;
      readonly class: EndClass;
      readonly delayMs: number | undefined;
      /** Who has the slot already. */
      readonly successorPid?: number | undefined;
    }
  /** A worker beside the slots is stopped, and waits there for one that needs it. */
  | { readonly event: 'spare-ready'; readonly workerPid: number; readonly generation: number }
  | { readonly event: 'spare-taken'; readonly slot: number; readonly workerPid: number }
  /** Unasked; without a PID it could not be started. */
  | {
      readonly event: 'spare-ended';
      readonly workerPid?: number;
      readonly end: WorkerEnd;
      readonly signalName?: string | undefined;
      readonly error?: string;
      readonly uptimeMs: number;
      readonly delayMs: number;
    }
  /** Planned exits that were not written one by one. */
  | { readonly event: 'planned-exits'; readonly count: number; readonly withinMs: number }
  | {
      readonly event: 'exec-failed';
      readonly slot: number;
      readonly path: string;
      readonly errno: number;
      readonly error: string;
      readonly delayMs: number | undefined;
    }
  /** There was no process to execute the program in. */
  | {
      readonly event: 'spawn-failed';
      readonly slot: number;
      readonly errno: number;
      readonly error: string;
      readonly delayMs: number | undefined;
    }
  /** A process that has left the session of its worker holds the listening socket. */
  | {
      readonly event: 'socket-held';
      readonly holder: number;
      readonly name: string;
      /** Of the worker that it descends from, while that lives. */
      readonly slot?: number | undefined;
    }
  /** Nobody has asked for what workers print: the first one that would have been worth reading. */
  | { readonly event: 'output-discarded'; readonly slot: number; readonly workerPid: number }
  /** What reads the workers' output; without a PID it could not be started. */
  | {
      readonly event: 'log-program-ended';
      readonly logPid: number | undefined;
      readonly end: WorkerEnd;
      readonly signalName?: string | undefined;
      readonly error?: string;
      readonly uptimeMs: number;
      readonly delayMs: number;
    }
  /** A program that is over a guard's limit as soon as it is up; once a generation. Its workers are left alone. */
  | {
      readonly event: 'over-from-start';
      readonly slot: number;
      readonly workerPid: number;
      readonly generation: number;
      readonly guard: string;
      readonly bytes: number;
      readonly limitBytes: number;
    }
  | { readonly event: 'session-left'; readonly session: number; readonly pids: readonly number[] }
  /** By spawn-fcgictl or who else speaks its protocol; without a user the kernel did not say who. */
  | {
      readonly event: 'change-asked';
      readonly command: string;
      readonly uid: number | undefined;
      readonly clientPid: number | undefined;
    }
  | { readonly event: 'stopping'; readonly reason: string }
  | { readonly event: 'killed'; readonly reason: string; readonly pids: readonly number[] }
  /** A worker was ended before its time although it was at work: connections it held, and since when at least. */
  | {
      readonly event: 'request-cut';
      readonly slot: number | undefined;
      readonly workerPid: number;
      readonly connections: number;
      readonly ageMs: number;
      readonly reason: string;
    }
  /** A request has been in progress for half of `--request-timeout`. */
  | {
      readonly event: 'request-slow';
      readonly slot: number;
      readonly workerPid: number;
      /** At least. */
      readonly ageMs: number;
      readonly timeoutMs: number;
      /** Where the processes that are at work on it are. */
      readonly doing: readonly ProcessCall[];
    }
  /** For all of it. */
  | {
      readonly event: 'request-stuck';
      readonly slot: number;
      readonly workerPid: number;
      readonly ageMs: number;
      readonly timeoutMs: number;
      /** `spared`: one of them is stopped, by a debugger or SIGSTOP. */
      readonly outcome: 'spared' | 'signalled' | 'killed';
      /** The processes that are at work on it, which are to end. */
      readonly pids: readonly number[];
      /** `--stuck-signal`, and who has got it: those to whom it says something. */
      readonly signal?: string | undefined;
      readonly signalled?: readonly number[];
      readonly doing: readonly ProcessCall[];
    }
  | { readonly event: 'stopped' }
  | { readonly event: 'reload-started'; readonly generation: number }
  | {
      readonly event: 'worker-replaced';
      readonly slot: number;
      readonly workerPid: number;
      readonly generation: number;
      /** By a guard, which is called as its option: who had the slot, and why it has it no more. */
      readonly formerPid?: number;
      readonly guard?: string;
      readonly reason?: string;
    }
  /** A worker that a guard wants replaced serves on, since its successor did not come up. */
  | {
      readonly event: 'replacement-failed';
      readonly slot: number;
      readonly workerPid: number;
      readonly guard: string;
      /** Why it was to be replaced. */
      readonly reason: string;
      /** Why it could not be. */
      readonly error: string;
      readonly delayMs: number;
    }
  | {
      readonly event: 'reload-finished';
      readonly result: ReloadResult;
      /** The one that was tried. */
      readonly generation: number;
      /** The one that new workers are of from now on. */
      readonly serving: number;
      readonly reason?: string;
      /** What the program said last on its trial. */
      readonly words?: readonly string[];
      /** What could not be ended. */
      readonly left?: readonly LeftProcess[];
    }
  | { readonly event: 'restart-started'; readonly generation: number }
  | {
      readonly event: 'restart-finished';
      readonly generation: number;
      readonly isUp: boolean;
      readonly left?: readonly LeftProcess[];
    }
  | {
      readonly event: 'scaled';
      readonly workers: number;
      readonly from: number;
      /** The load's; missing: somebody has asked. */
      readonly reason?: string;
    }
  /** The pool has as many workers as it may, and connections have waited for a while. */
  | { readonly event: 'workers-exhausted'; readonly workers: number; readonly queued?: number | undefined }
  | { readonly event: 'handover-started'; readonly to: number }
  | { readonly event: 'handover-failed'; readonly reason: string }
  | { readonly event: 'handed-over'; readonly to: number }
  | {
      readonly event: 'taken-over';
      readonly from: number;
      readonly workerPids: readonly number[];
      /** They had no supervisor: 1.6 has started them. Missing: they had one. */
      readonly unsupervised?: true;
    }
  | { readonly event: 'start-limit-reached'; readonly count: number; readonly withinMs: number }
  | { readonly event: 'signal-ignored'; readonly signal: string }
  | { readonly event: 'logs-reopened' }
  | {
      readonly event: 'socket-renewed';
      readonly address: string;
      readonly was: 'gone' | 'replaced' | 'unreachable';
    }
  | { readonly event: 'warning'; readonly message: string };

export type EventOf<K extends PoolEvent['event']> = Extract<PoolEvent, { readonly event: K }>;
