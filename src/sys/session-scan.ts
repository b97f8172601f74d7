// Which processes belong to the sessions of workers: one walk through /proc for any
// number of sessions, and afterwards only what has been created since.
import { isRunning, type ProcFs } from './proc-fs.ts';

/** Good for one pass over the workers, not to keep: it is a picture of one moment. */
export class SessionScan {
  readonly #proc: ProcFs;
  readonly #leaders: ReadonlySet<number>;
  /** Every process looked at, of whatever session. */
  readonly #seen = new Set<number>();
  readonly #members = new Map<number, number[]>();
  #isComplete = true;

  constructor(proc: ProcFs, leaders: readonly number[]) {
    this.#proc = proc;
    this.#leaders = new Set(leaders);
    if (leaders.length > 0) this.#lookAtNew();
  }

  /** Processes of the session as far as seen, zombies excepted. They may have ended since. */
  membersOf(leader: number): readonly number[] {
    return this.#members.get(leader) ?? [];
  }

  /** Looks again; the session's processes that nobody had seen. Numbers are not used again that soon. */
  newMembersOf(leader: number): readonly number[] {
    const known = this.membersOf(leader).length;
    this.#lookAtNew();
    return this.membersOf(leader).slice(known);
  }

  /** False when a process ended while the last look was at it: it may have forked one that was not there yet. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  #lookAtNew(): void {
    this.#isComplete = true;
    for (const pid of this.#proc.pids()) {
      if (this.#seen.has(pid)) continue;
      this.#seen.add(pid);
      const stat = this.#proc.stat(pid);
      if (stat && !this.#leaders.has(stat.session)) continue;
      if (!stat || !isRunning(stat)) {
        this.#isComplete = false;
        continue;
      }
      const members = this.#members.get(stat.session);
      if (members) members.push(pid);
      else this.#members.set(stat.session, [pid]);
    }
  }
}
