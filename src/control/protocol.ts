// The words of the control socket (docs/internals/control-protocol.md), for both sides: types,
// limits, and how a line is written. Opens no socket, knows no clock.

import type { LogPlace } from '../core/log-target.ts';
import type { ReloadResult } from '../core/operations/rollout.ts';
import type { OutputStatus } from './output-status.ts';
import type { ScalingStatus } from './scaling-status.ts';
import type { SparesStatus } from './spare-status.ts';
import { maxWorkers } from '../core/scaling/worker-range.ts';
import type { WorkersWord } from './workers-word.ts';
import type { WatchedStatus } from './watched-status.ts';

export const protocolVersion = 1;

export const limits = {
  requestBytes: 4096,
  /** A status of 65535 workers has about 20 MB; a line beyond this is not one of ours. */
  answerBytes: 64 * 1024 * 1024,
  maxWorkers,
} as const;

export type ControlRequest = PoolRequest | FeatureRequest;

/** What every pool can do. */
export type PoolRequest =
  | { readonly command: 'ping' | 'status' | 'stop' | 'restart' }
  /** `early`: the answer comes when all workers are new and up. An older supervisor knows no such field. */
  | { readonly command: 'reload'; readonly early?: true }
  | { readonly command: 'scale'; readonly workers: WorkersWord };

/** What a feature of a pool can do; its fields are judged by who serves it (src/control/server.ts, Command). */
export interface FeatureRequest {
  readonly command: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export const controlErrors = [
  'version',
  'malformed',
  'too-long',
  'unknown-command',
  'invalid',
  'busy',
  'stopping',
  'failed',
  'not-permitted',
] as const;
export type ControlError = (typeof controlErrors)[number];

/** The exit status of spawn-fcgictl that a refusal has, for the `status` of the result. */
export const statusOfError: Readonly<Record<ControlError, number>> = {
  version: 7,
  malformed: 1,
  'too-long': 1,
  'unknown-command': 7,
  invalid: 255,
  busy: 6,
  stopping: 1,
  failed: 1,
  'not-permitted': 5,
};

/** How a reload ended, and its exit status. */
export const statusOfReload: Readonly<Record<ReloadResult, number>> = {
  reloaded: 0,
  'rolled-back': 1,
  partly: 2,
  'timed-out': 3,
};

export const phases = ['starting', 'serving', 'stopping'] as const;
export const workerStates = ['starting', 'running', 'stopping', 'backoff', 'exited'] as const;
export const workerActivities = ['busy', 'idle', 'kept', 'unknown'] as const;
export const socketFiles = ['ours', 'gone', 'replaced'] as const;
export const servings = ['yes', 'no', 'unknown'] as const;

export interface WorkerStatus {
  readonly slot: number;
  /** Null: the slot has no process. */
  readonly pid: number | null;
  readonly generation: number;
  readonly state: (typeof workerStates)[number];
  /** Null without a process. */
  readonly uptimeMs: number | null;
  /**
   * `kept`: it holds connections that clients keep open between two requests; `unknown`: nobody may look, or it waits
   * for a client that may be in the middle of a request.
   */
  readonly activity: (typeof workerActivities)[number];
  readonly restarts: number;
  /** For people, such as `was killed by SIGKILL`; null when none ended yet. */
  readonly lastExit: string | null;
  /** Until the slot is filled again; null when it does not wait. */
  readonly nextTryMs: number | null;
  /** Processes of the worker's session. */
  readonly pids: readonly number[];
  /**
   * How long its oldest request has been in progress, at least, at the last look of --request-timeout; null: it has none.
   * Missing without that.
   */
  readonly requestAgeMs?: number | null;
  /** The last worker of the slot that a guard had replaced; null: none yet. Missing without guards. */
  readonly replaced?: {
    readonly count: number;
    readonly guard: string;
    readonly reason: string;
    readonly agoMs: number;
  } | null;
}

/** A pool without its workers: the answer to `ping`. */
export interface PoolSummary {
  readonly name: string;
  readonly address: string;
  readonly pid: number;
  /** Of the program, as in `spawn-fcgi -v`. */
  readonly version: string;
  readonly phase: (typeof phases)[number];
  readonly generation: number;
  /** Since the pool was up under this supervisor, not since that was started. */
  readonly uptimeMs: number;
  readonly wanted: number;
  readonly idle: number;
  /** Running and not idle: it has what it counts as `kept` in it. */
  readonly busy: number;
  /** Workers that hold nothing but connections between two requests; missing from an older supervisor. */
  readonly kept?: number;
  /** Whether a running worker is seen to wait for connections or to work on one; unknown: nobody may look. */
  readonly serving: (typeof servings)[number];
  /** Slots that wait for their next try. */
  readonly backoff: number;
  /** Connections that wait to be accepted; null where the kernel does not tell. */
  readonly queue: { readonly length: number; readonly backlog: number } | null;
  /** What became of the socket's file: unless it is `ours`, nobody can connect. Null: there is none, as on TCP. */
  readonly socketFile: (typeof socketFiles)[number] | null;
  /** Why no client can reach the socket, for people; null: nothing speaks against it. */
  readonly unreachable: string | null;
  /** What the listening socket is called by who has opened it and given it to the pool. Missing where it is the pool's own. */
  readonly given?: string;
  readonly operation: { readonly kind: string; readonly sinceMs: number; readonly step: string } | null;
  readonly lastReload: {
    readonly result: ReloadResult;
    readonly agoMs: number;
    readonly message: string;
    /** What the program said last on its trial, a line each; control characters are escaped. */
    readonly words: readonly string[];
  } | null;
  readonly command: readonly string[];
  readonly pidFile: string | null;
  readonly stopTimeoutMs: number;
}

/** A process that has left the session of its worker and holds the listening socket. */
export interface SocketHolderStatus {
  readonly pid: number;
  readonly name: string;
  /** Of the live worker that it descends from; null: that has ended, or its own parent has. */
  readonly slot: number | null;
}

/** Optional fields are what features add: missing where a pool has no such feature, and from an older supervisor. */
export interface PoolStatus extends PoolSummary, WatchedStatus {
  /** Missing from an older supervisor. */
  readonly socketHolders?: readonly SocketHolderStatus[];
  /** Where its events go. Missing from an older supervisor. */
  readonly log?: LogPlace;
  /** Missing without --spare. */
  readonly spares?: SparesStatus;
  /** Missing without --output. */
  readonly output?: OutputStatus;
  /** Missing where the number of workers is plainly what the command says, and from an older supervisor. */
  readonly scaling?: ScalingStatus;
  /** How many workers each guard has had replaced, by its option (`max-age`). Missing without guards. */
  readonly replaced?: Readonly<Record<string, number>>;
  /** How many requests have taken half of --request-timeout, and how many all of it. Missing without that. */
  readonly slowRequests?: number;
  readonly stuckRequests?: number;
  readonly workers: readonly WorkerStatus[];
}

export type ControlResult =
  | {
      readonly ok: true;
      readonly status: number;
      readonly message: string;
      readonly pool?: PoolSummary | PoolStatus;
    }
  | { readonly ok: false; readonly status: number; readonly message: string; readonly error: ControlError };

/** A request line that is none: what to answer. */
export interface RequestMistake {
  readonly error: 'version' | 'malformed' | 'unknown-command' | 'invalid';
  readonly message: string;
}

/** One line of the server's, as the client reads it. */
export type Answer =
  | { readonly kind: 'progress'; readonly text: string }
  | { readonly kind: 'result'; readonly result: ControlResult }
  /** A line of the command's own, unjudged. */
  | { readonly kind: 'own'; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly kind: 'version'; readonly version: number }
  | { readonly kind: 'malformed' };

export function formatRequest(request: ControlRequest): string {
  if ('fields' in request) return formatLine({ command: request.command, ...request.fields });
  return formatLine({ ...request });
}

export function formatProgress(text: string): string {
  return formatLine({ progress: text });
}

export function formatResult(result: ControlResult): string {
  return formatLine({ ...result });
}

/** Any line of this protocol. JSON escapes newlines, so that every object is one. */
export function formatLine(fields: object): string {
  return `${JSON.stringify({ v: protocolVersion, ...fields })}\n`;
}

/** The result line of a refusal, with the exit status that belongs to it. */
export function refusal(error: ControlError, message: string): ControlResult {
  return { ok: false, status: statusOfError[error], message, error };
}

/** Whether the answer has the workers, as that to `status` must. */
export function hasWorkers(pool: PoolSummary | PoolStatus | undefined): pool is PoolStatus {
  return pool !== undefined && 'workers' in pool;
}
