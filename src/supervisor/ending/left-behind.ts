// What could not be ended, from the moment that somebody gave it up until it is gone after all. Whoever ends an
// operation asks what is left of it.
import type { LeftProcess, WhyLeft } from '../../core/text/left-process.ts';
import type { Machine, SessionMember } from '../../core/machine.ts';

type Surroundings = Pick<Machine, 'sessions' | 'adoptedSessions' | 'trials' | 'maySignal' | 'membersOf'>;

interface Entry {
  readonly why: WhyLeft;
  /** Knows the process from a later one of the same number. */
  readonly isThere: () => boolean;
  /** The whole session is meant. */
  readonly isLeader: boolean;
}

export class LeftBehind {
  readonly #machine: Surroundings;
  readonly #isOurWorker: (pid: number) => boolean;
  readonly #byPid = new Map<number, Entry>();

  constructor(machine: Surroundings, isOurWorker: (pid: number) => boolean) {
    this.#machine = machine;
    this.#isOurWorker = isOurWorker;
  }

  /** A worker that is our child. */
  noteWorker(pid: number, why: WhyLeft): void {
    this.#byPid.set(pid, { why, isThere: () => this.#isOurWorker(pid), isLeader: true });
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
      const pids = isLeader ? new Set([pid, ...this.#machine.membersOf(pid)]) : [pid];
      for (const each of pids) found.set(each, { pid: each, why });
    }
    for (const process of this.#machine.trials.left()) found.set(process.pid, process);
    return [...found.values()];
  }
}
