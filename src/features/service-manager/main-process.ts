// When another supervisor has taken the pool over: the manager must watch that one from now on, and only the old main
// process can say so. It must not be said too early. systemd asks once, when it hears of it, whether the new process is
// its child; of one that is not it awaits no end, and a stop would be a KILL right behind the TERM. A supervisor in the
// background is a child of its command first.
import type { Clock } from '../../core/machine.ts';
import { controlGroupsOf } from '../../sys/process/control-group.ts';
import type { ProcFs } from '../../sys/proc/proc-fs.ts';

const lookMs = 10;
/** Its command ends within milliseconds. */
const patienceMs = 3000;

export interface MainProcessOptions {
  readonly proc: ProcFs | undefined;
  readonly clock: Clock;
  readonly tell: (pid: number) => void;
}

export class MainProcess {
  readonly #options: MainProcessOptions;
  #isAwaited = false;
  #whenTold: (() => void) | undefined;

  constructor(options: MainProcessOptions) {
    this.#options = options;
  }

  /** The pool is that process's. False: it belongs to another unit, or to none, and this one ends. */
  handOver(taker: number): boolean {
    const { proc, clock } = this.#options;
    if (proc && controlGroupsOf(proc, taker)?.unit !== controlGroupsOf(proc, 'self')?.unit) return false;
    this.#isAwaited = true;
    this.#look(taker, clock.nowMs() + patienceMs);
    return true;
  }

  /** Calls `done` when it has been told, or nothing is to tell. */
  whenTold(done: () => void): void {
    if (this.#isAwaited) this.#whenTold = done;
    else done();
  }

  #look(taker: number, deadlineMs: number): void {
    const { proc, clock, tell } = this.#options;
    const parent = proc?.stat(taker)?.parent;
    const isAdopted = parent === undefined || parent === 1 || parent === process.ppid;
    if (!isAdopted && clock.nowMs() < deadlineMs) {
      clock.after(lookMs, () => this.#look(taker, deadlineMs));
      return;
    }
    this.#isAwaited = false;
    tell(taker);
    this.#whenTold?.();
  }
}
