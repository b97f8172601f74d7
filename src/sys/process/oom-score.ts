// Which processes the out-of-memory killer takes first (proc(5), oom_score_adj): a worker rather than its supervisor,
// which is larger than a small worker and would leave all of them without anybody. To raise the value needs no
// privilege, and a child inherits it: so ours is raised around each spawn, and put back.
import { totalmem } from 'node:os';
import { closeSync, openSync, writeSync } from 'node:fs';
import { errnoOf, SpawnFcgiError } from '../../core/errors.ts';
import { asUser, type Identity } from './identity.ts';
import { attempt, libc } from '../libc/libc.ts';

/** A supervisor has 57 MB resident at its start. */
const headStartBytes = 64 * 1024 * 1024;
const highest = 1000;

/**
 * How much higher a worker of a few megabytes must be for the killer to see it as larger than its supervisor: a unit is
 * a thousandth of all the memory. Not more, since what leaks elsewhere on the machine should go before our workers do.
 */
export function raiseFor(bytes: number): number {
  return Math.min(highest, Math.ceil((1000 * headStartBytes) / bytes));
}

/** Of the cgroup, where it has a limit, as the killer counts there; else of the machine. */
export function memoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

export class WorkerOomScore {
  /** Opened before privileges are dropped: afterwards the file is root's. */
  readonly #descriptor: number;
  readonly #wanted: number | undefined;
  readonly #raise = raiseFor(memoryBytes());
  readonly #buffer = Buffer.alloc(16);

  private constructor(descriptor: number, wanted: number | undefined) {
    this.#descriptor = descriptor;
    this.#wanted = wanted;
  }

  /**
   * `wanted` instead of our own value and a head start. Undefined where the kernel lets nobody choose; throws the refusal
   * where somebody has.
   */
  static open(hasProc: boolean, wanted: number | undefined, identity: Identity): WorkerOomScore | undefined {
    try {
      if (!hasProc) throw new Error("/proc is not mounted, or is not this PID namespace's");
      const score = new WorkerOomScore(openSync('/proc/self/oom_score_adj', 'r+'), wanted);
      score.#allowWanted(identity);
      return score;
    } catch (error) {
      if (wanted === undefined) return undefined;
      const errno = errnoOf(error);
      const why = errno === 0 ? (error as Error).message : libc.strerror(errno);
      throw new SpawnFcgiError(`cannot set --oom-score-adj ${wanted}: ${why}`, {
        cause: error,
        hints: [
          'a value below that of the caller (/proc/self/oom_score_adj) may need the capability CAP_SYS_RESOURCE',
        ],
      });
    }
  }

  /** What `spawn` starts gets the worker's value. */
  during<T>(spawn: () => T): T {
    const own = this.#own();
    const isSet = own !== undefined && this.#set(this.#wanted ?? Math.min(highest, own + this.#raise));
    try {
      return spawn();
    } finally {
      if (isSet) this.#set(own);
    }
  }

  /**
   * The lowest value that we may set without privileges is the last one that was set with them (CAP_SYS_RESOURCE):
   * one that is lower than ours becomes that, while we may.
   */
  #allowWanted(identity: Identity): void {
    const own = this.#own();
    if (own === undefined || this.#wanted === undefined || this.#wanted >= own) return;
    try {
      writeSync(this.#descriptor, String(this.#wanted));
    } catch (error) {
      closeSync(this.#descriptor);
      throw error;
    }
    asUser(identity, () => this.#set(own));
  }

  /** Read each time: choom(1) may have changed it. By libc: a respawn waits for it, and node:fs takes three times as long. */
  #own(): number | undefined {
    const length = attempt(() => libc.pread(this.#descriptor, this.#buffer, this.#buffer.length, 0));
    return length < 0 ? undefined : Number.parseInt(this.#buffer.toString('latin1', 0, length), 10);
  }

  #set(value: number): boolean {
    const length = this.#buffer.write(String(value), 'latin1');
    return attempt(() => libc.pwrite(this.#descriptor, this.#buffer, length, 0)) >= 0;
  }
}
