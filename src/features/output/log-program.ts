// `--output '|COMMAND'`: one program that reads what all workers print, started again whenever it ends. It is never
// killed, since it may be writing: it ends by itself at the end of file.
import type { RestartPolicy } from '../../core/config.ts';
import { defaults } from '../../core/config.ts';
import type { Clock, EventLog } from '../../core/machine.ts';
import type { WorkerEnd, WorkerExit } from '../../core/worker-exit.ts';
import type { SpawnResult } from '../../sys/process/spawn-worker.ts';

export interface LogProgramOptions {
  readonly spawn: () => SpawnResult;
  readonly clock: Clock;
  readonly log: Pick<EventLog, 'write'>;
  readonly restart: Pick<RestartPolicy, 'delayMs' | 'maxDelayMs' | 'minUptimeMs'>;
  readonly signalName: (signal: number) => string | undefined;
  readonly describeErrno: (errno: number) => string;
}

/** Workers may wait for it: its delays grow to this and no further. */
const longestDelayMs = 2000;
/** A shell ends so for a program that was killed by a signal. */
const signalBase = 128;

export class LogProgram {
  readonly #options: LogProgramOptions;
  #running: { readonly pid: number; readonly sinceMs: number } | undefined;
  #failures = 0;
  /** Undefined: it is not about to be started again. */
  #cancelRetry: (() => void) | undefined;
  /** Its pipe is closed: nothing new will come. */
  #isOver = false;
  #whenGone: (() => void) | undefined;
  lastEnd: WorkerEnd | undefined;
  restarts = 0;

  constructor(options: LogProgramOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#running?.pid;
  }

  /** The errno of a shell that cannot be executed. */
  start(): number | undefined {
    const { spawn, clock } = this.#options;
    this.#cancelRetry = undefined;
    const result = spawn();
    if ('pid' in result) {
      this.#running = { pid: result.pid, sinceMs: clock.nowMs() };
      return undefined;
    }
    if (!this.#isOver) this.#retry({ kind: 'not-executed', errno: result.errno }, 0, undefined);
    return result.errno;
  }

  /** A child ended. */
  reaped(pid: number, exit: WorkerExit): void {
    const running = this.#running;
    if (running?.pid !== pid) return;
    this.#running = undefined;
    this.#whenGone?.();
    if (!this.#isOver) this.#retry(unwrap(exit), this.#options.clock.nowMs() - running.sinceMs, pid);
  }

  /** Nobody writes any more: it will see the end of file. What waits in the pipe is not left there for a delay. */
  finish(): void {
    this.#isOver = true;
    if (!this.#cancelRetry) return;
    this.#cancelRetry();
    this.start();
  }

  /** Calls `done` when it is gone, or after that time. */
  awaitEnd(patienceMs: number, done: () => void): void {
    if (!this.#running) return done();
    const cancel = this.#options.clock.after(patienceMs, () => {
      this.#whenGone = undefined;
      done();
    });
    this.#whenGone = () => {
      cancel();
      done();
    };
  }

  #retry(end: WorkerEnd, uptimeMs: number, logPid: number | undefined): void {
    const { clock, log, restart, signalName, describeErrno } = this.#options;
    this.lastEnd = end;
    this.restarts++;
    if (uptimeMs >= defaults.backoffResetMs) this.#failures = 0;
    const longestMs = Math.min(longestDelayMs, restart.maxDelayMs);
    const delayMs =
      uptimeMs >= restart.minUptimeMs
        ? 0
        : Math.min(restart.delayMs * 2 ** Math.min(this.#failures, 20), longestMs);
    // One that never comes up is told of while its delays grow, and is in status from then on.
    const isToldOf = delayMs < longestMs || this.#failures < 1;
    this.#failures++;
    this.#cancelRetry = clock.after(delayMs, () => void this.start());
    if (!isToldOf) return;
    const name = end.kind === 'signaled' ? signalName(end.signal) : undefined;
    const error = end.kind === 'not-executed' ? describeErrno(end.errno) : undefined;
    log.write({
      event: 'log-program-ended',
      logPid,
      end,
      ...(name === undefined ? {} : { signalName: name }),
      ...(error === undefined ? {} : { error }),
      uptimeMs: Math.round(uptimeMs),
      delayMs,
    });
  }
}

function unwrap(exit: WorkerExit): WorkerExit {
  return exit.kind === 'exited' && exit.status > signalBase && exit.status <= signalBase + 64
    ? { kind: 'signaled', signal: exit.status - signalBase }
    : exit;
}
