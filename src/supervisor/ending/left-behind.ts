// What could not be ended, from the moment that somebody gave it up until it is gone after all. Whoever ends an
// operation asks what is left of it.
import type { Roster } from '../../core/pool/roster.ts';
import type { LeftProcess, WhyLeft } from '../../core/text/left-process.ts';
import type { Machine, SessionMember } from '../../core/machine.ts';

type Surroundings = Pick<Machine, 'sessions' | 'adoptedSessions' | 'maySignal' | 'membersOf'>;

interface Entry {
  readonly why: WhyLeft;
  /** Knows the process from a later one of the same number. */
  readonly isThere: () => boolean;
  /** The whole session is meant. */
  readonly isLeader: boolean;
}

export class LeftBehind {
  readonly #machine: Surroundings;
  readonly #roster: Roster;
  readonly #byPid = new Map<number, Entry>();

  constructor(machine: Surroundings, roster: Roster) {
    this.#machine = machine;
    this.#roster = roster;
  }

  /** A worker that is our child. */
  noteWorker(pid: number, why: WhyLeft): void {
    this.#byPid.set(pid, { why, isThere: () => this.#roster.get(pid) !== undefined, isLeader: true });
  }

  noteAdopted(pid: number, why: WhyLeft): void {
    const isThere = (): boolean => this.#machine.adoptedSessions.isAlive(pid);
    this.#byPid.set(pid, { why, isThere, isLeader: true });
  }

  /** A process of a session whose leader has ended. */
  noteMember({ pid, leader }: SessionMember, why: WhyLeft): void {
    const isThere = (): boolean =>
      this.#machine.sessions.leftovers([leader]).members.some((member) => member.pid === pid);
    this.#byPid.set(pid, { why, isThere, isLeader: false });
  }

  has(pid: number): boolean {
    return this.#byPid.has(pid);
  }

  /** Looks at each of them; `ending` are workers that were told to end: those that may not be signalled will not. */
  all(ending: readonly number[] = []): LeftProcess[] {
    for (const pid of ending) if (!this.#machine.maySignal(pid)) this.noteWorker(pid, 'refused');
    const found = new Map<number, LeftProcess>();
    for (const [pid, { why, isThere, isLeader }] of this.#byPid) {
      if (!isThere()) {
        this.#byPid.delete(pid);
        continue;
      }
      for (const each of isLeader ? this.#sessionOf(pid) : [pid]) found.set(each, { pid: each, why });
    }
    for (const { pid, left } of this.#roster.trials)
      if (left) for (const each of this.#sessionOf(pid)) found.set(each, { pid: each, why: left });
    return [...found.values()];
  }

  #sessionOf(leader: number): ReadonlySet<number> {
    return new Set([leader, ...this.#machine.membersOf(leader)]);
  }
}
