// Which processes belong to the sessions of workers: one walk through /proc for any
// number of sessions, and afterwards only what has been created since.
import { attempt, E, libc } from '../libc/libc.ts';
import { isRunning } from '../proc/process-stat.ts';
import type { ProcFs } from '../proc/proc-fs.ts';

/** The process's session by getsid(2), a tenth of what its file in /proc costs; undefined when it has gone. */
export function sessionOf(proc: ProcFs, pid: number): number | undefined {
  const session = attempt(() => libc.getsid(pid));
  if (session >= 0) return session;
  // A security module may forbid to ask that way.
  return session === -E.SRCH ? undefined : proc.stat(pid)?.session;
}

/** Good for one pass over the workers, not to keep: it is a picture of one moment. */
export class SessionScan {
  readonly #proc: ProcFs;
  readonly #leaders: ReadonlySet<number>;
  /** Every process looked at, of whatever session. */
  readonly #seen = new Set<number>();
  readonly #members = new Map<number, number[]>();
  #isComplete = false;
  /** The kernel's last PID before the last look: nobody is new while it stays the same. */
  #lastPid: string | undefined;

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
    const lastPid = this.#proc.readText('sys/kernel/ns_last_pid');
    if (this.#isComplete && lastPid !== undefined && lastPid === this.#lastPid) return;
    this.#lastPid = lastPid;
    this.#isComplete = true;
    for (const pid of this.#proc.pids()) {
      if (this.#seen.has(pid)) continue;
      this.#seen.add(pid);
      this.#take(pid, sessionOf(this.#proc, pid));
    }
  }

  #take(pid: number, session: number | undefined): void {
    if (session !== undefined && !this.#leaders.has(session)) return;
    const stat = session === undefined ? undefined : this.#proc.stat(pid);
    if (session === undefined || !stat || !isRunning(stat)) {
      this.#isComplete = false;
      return;
    }
    const members = this.#members.get(session);
    if (members) members.push(pid);
    else this.#members.set(session, [pid]);
  }
}
