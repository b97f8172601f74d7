// The validated configuration of one pool and its documented defaults.
// Nothing here reads the command line or the machine.

import type { OutputTarget } from './output-target.ts';
import type { WorkerRange } from './scaling/worker-range.ts';
import type { WorkerAttributes } from './worker-attributes.ts';

/** How the program is run: by execv, or by `/bin/sh -c "exec COMMAND"` (-f). */
export type Program =
  | { readonly kind: 'argv'; readonly argv: readonly [string, ...string[]] }
  | { readonly kind: 'shell'; readonly command: string };

/** Where the pool listens, as the user wrote it. */
export type ListenAddress =
  | { readonly kind: 'tcp'; readonly host: string | undefined; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }
  /** A socket that the caller has opened; `name` is `--listen-fd`'s. `backlog`: undefined leaves its own. */
  | { readonly kind: 'given'; readonly name: string | undefined; readonly backlog: number | undefined };

/** `--status-socket`: where the supervisor answers requests for the pool's status. */
export type StatusAddress = Exclude<ListenAddress, { kind: 'given' }>;

/**
 * Who is in charge afterwards: `exec` the process becomes the program (-n);
 * `foreground` and `background` a supervisor; `unsupervised` nobody, as with 1.6.
 */
export type Model = 'exec' | 'foreground' | 'background' | 'unsupervised';

/** `--stop-signal`: `auto`, `idle-kill`, or the name of a signal on which the program finishes its request. */
export type StopMethod = 'auto' | 'idle-kill' | `SIG${string}`;

/** `--ready`: seen waiting for connections, answering a FastCGI management record, or saying so itself. */
export type ReadyRule = 'evidence' | 'probe' | 'notify';

/** When a worker that ended is started again; all times in milliseconds. */
export interface RestartPolicy {
  readonly minUptimeMs: number;
  readonly delayMs: number;
  readonly maxDelayMs: number;
  /** Crashes and failed starts of the whole pool that end it, within a time. */
  readonly startLimit: { readonly count: number; readonly withinMs: number } | undefined;
}

/** What the workers of a pool that serves are watched for; undefined: not for that. */
export interface GuardLimits {
  readonly maxMemoryBytes: number | undefined;
  readonly maxAgeMs: number | undefined;
  /** A request that takes longer is stuck. */
  readonly requestTimeoutMs: number | undefined;
  /** What its processes get before they are killed, to say where they are. */
  readonly stuckSignal: `SIG${string}` | undefined;
}

export interface Config {
  readonly program: Program;
  readonly model: Model;
  /** The first word of the supervisor's command line: `--name`, or the program as written. */
  readonly argv0: string;
  /** The pool's name and the supervisor's process name: the base name of argv0. */
  readonly name: string;
  readonly listen: ListenAddress;
  readonly backlog: number;
  readonly socketMode: number | undefined;
  readonly socketUser: string | undefined;
  readonly socketGroup: string | undefined;
  /** Whose members may ask the supervisor, and change nothing. */
  readonly controlGroup: string | undefined;
  readonly user: string | undefined;
  readonly group: string | undefined;
  readonly chroot: string | undefined;
  readonly socketBeforeChroot: boolean;
  readonly directory: string | undefined;
  /** Of the first start. */
  readonly workers: number;
  /** Started workers that wait beside them. */
  readonly spares: number;
  /** Between which the load decides; twice the same number where it does not. */
  readonly range: WorkerRange;
  /** How many `auto` was taken for; undefined: nobody has asked for that. */
  readonly processors: number | undefined;
  /** So long somebody must be idle before one worker less is needed. */
  readonly idleTimeoutMs: number;
  /** `--env`; %i in a value is the slot. */
  readonly variables: Readonly<Record<string, string>>;
  readonly phpChildren: number | undefined;
  readonly pidFile: string | undefined;
  readonly workerPidFile: string | undefined;
  readonly stateDir: string | undefined;
  readonly attributes: WorkerAttributes;
  /** Of workers; undefined: our own and a little more. */
  readonly oomScoreAdj: number | undefined;
  /** Take a running pool on the address over. */
  readonly replace: boolean;
  readonly stopTimeoutMs: number;
  readonly stopMethod: StopMethod;
  /** So long nothing may happen on a connection before it counts as kept, where the kernel does not tell that it was answered. */
  readonly keepaliveQuietMs: number;
  readonly ready: ReadyRule;
  /** `--notify-fd`: a descriptor of the caller's that gets a newline when the pool is up. */
  readonly notifyFd: number | undefined;
  readonly readyTimeoutMs: number;
  readonly settleMs: number;
  readonly restart: RestartPolicy;
  readonly guards: GuardLimits;
  /** Where what workers print goes; undefined: by the model. */
  readonly output: OutputTarget | undefined;
  /** Where the supervisor itself answers; undefined: nowhere. */
  readonly statusSocket: StatusAddress | undefined;
  readonly logFile: string | undefined;
  readonly logFormat: 'human' | 'json';
  /** Lines to print as hints before anything is done. */
  readonly hints: readonly string[];
}

export const defaults = {
  backlog: 1024,
  workers: 1,
  idleTimeoutMs: 60_000,
  stopTimeoutMs: 9000,
  keepaliveQuietMs: 2000,
  readyTimeoutMs: 60_000,
  settleMs: 5000,
  minUptimeMs: 1000,
  restartDelayMs: 100,
  restartMaxDelayMs: 30_000,
  /** 1.6 waits this long for a child to die before it calls it started. */
  upAfterMs: 100,
  /** A worker that was up this long has its slot's backoff reset. */
  backoffResetMs: 10_000,
  /** Planned exits of one slot that are replaced at once within a second. */
  plannedRestartsPerSecond: 10,
  /** A worker that ends younger than this may be one of a loop that costs a processor. */
  briefLifeMs: 1000,
  /** Brief lives that end with 0, or by a crash, in a row before the next such end is answered by backoff. */
  briefLives: 5,
  /**
   * The same for exits with 0 where workers were seen to recycle themselves. Of workers of one request under
   * saturation every second one ends before anybody looks: even a long row of those must not be taken for a loop.
   */
  unseenRecycles: 100,
} as const;
