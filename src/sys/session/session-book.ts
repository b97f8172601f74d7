// Which processes belong to the sessions of workers, kept from one look to the next: only who came since then is asked of
// the kernel. Who asks again and again, about a thousand workers too, pays little for it.
import type { ProcFs } from '../proc/proc-fs.ts';
import { sessionOf } from './session-scan.ts';

/** A number that somebody else has by now, of whatever session, is noticed no later than this. */
const readAnewAfterMs = 30_000;
/** Numbers of processes that have ended are kept until there are so many of them for each that lives. */
const mostEnded = 0.25;

export class SessionBook {
  readonly #proc: ProcFs;
  readonly #sessions = new Map<number, number>();
  /** Without the leaders. */
  readonly #members = new Map<number, number[]>();
  #lastPid: string | undefined;
  #readAnewAtMs = 0;

  constructor(proc: ProcFs) {
    this.#proc = proc;
  }

  /** To be called before a look; the time is monotonic. */
  renew(nowMs: number): void {
    if (nowMs >= this.#readAnewAtMs) this.#beginAnew(nowMs);
    const lastPid = this.#proc.readText('sys/kernel/ns_last_pid');
    // Nobody is new.
    if (lastPid !== undefined && lastPid === this.#lastPid) return;
    const pids = this.#proc.pids();
    if (this.#sessions.size > pids.length * (1 + mostEnded)) this.#beginAnew(nowMs);
    // Who comes while they are listed is new the next time.
    this.#lastPid = lastPid;
    for (const pid of pids) if (!this.#sessions.has(pid)) this.#note(pid);
  }

  /** The leader first. Nobody who has left the session since; one that has ended may be among them. */
  membersOf(leader: number): readonly number[] {
    const others = this.#members.get(leader) ?? [];
    return [leader, ...others.filter((pid) => sessionOf(this.#proc, pid) === leader)];
  }

  #beginAnew(nowMs: number): void {
    this.#sessions.clear();
    this.#members.clear();
    this.#lastPid = undefined;
    this.#readAnewAtMs = nowMs + readAnewAfterMs;
  }

  #note(pid: number): void {
    const session = sessionOf(this.#proc, pid);
    if (session === undefined) return;
    this.#sessions.set(pid, session);
    if (session === pid) return;
    const members = this.#members.get(session);
    if (members) members.push(pid);
    else this.#members.set(session, [pid]);
  }
}
