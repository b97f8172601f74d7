// What is left of the sessions of workers that have ended: found, proven to be theirs, signalled. A number alone never
// proves it: once the last process of a session is gone the number may be anybody's.
import { constants } from 'node:os';
import type { Leftovers, SessionMember } from '../../core/machine.ts';
import type { Descendants } from './descendants.ts';
import { attempt, E, libc } from '../libc/libc.ts';
import { isRunning, type ProcessStat } from '../proc/process-stat.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { inodesOf, type SocketInodes } from '../socket/socket-inodes.ts';
import { SessionScan } from './session-scan.ts';
import { holds } from './socket-holders.ts';

interface EndedSession {
  readonly session: number;
  /** Whoever started before, in clock ticks since boot, started while the number was the worker's. */
  readonly endTick: number;
  /** Whoever is in it descends from us. */
  readonly isBelow: boolean;
  /** Its leader was waited for: the number is no process's, or a new one's. */
  readonly isLeaderless: boolean;
  /** Those that had their TERM. */
  readonly told: Map<number, string>;
}

interface Session extends EndedSession {
  readonly leader: number;
}

const nobody: Seen = { members: [], signalled: [], isCertain: true };
/** Who forks and ends all the time is hit in the first few; the rest of the pool must not wait. */
const signalForMs = 5;
const looksAtStrangers = 5;

export class SessionLeftovers {
  readonly #proc: ProcFs;
  readonly #descendants: Descendants | undefined;
  readonly #listening: SocketInodes;
  readonly #ended = new Map<number, EndedSession>();

  /** `descendants`: of a process that adopts what its workers leave. */
  constructor(proc: ProcFs, descendants: Descendants | undefined, listening: SocketInodes) {
    this.#proc = proc;
    this.#descendants = descendants;
    this.#listening = listening;
  }

  /** Our child has ended, and was waited for just now: while we did that nobody else can have got its number. */
  childEnded(leader: number): boolean {
    const kind = { isBelow: true, isLeaderless: true, told: new Map<number, string>() };
    return this.#note(leader, { session: leader, endTick: nowTick() + 1, ...kind });
  }

  /** One whom we do not wait for was alive at `aliveTick`, and is not any more; `isBelow`: he descended from us. */
  strangerEnded(leader: number, session: number, aliveTick: number, isBelow: boolean): boolean {
    const kind = { isBelow, isLeaderless: false, told: new Map<number, string>() };
    return this.#note(leader, { session, endTick: aliveTick, ...kind });
  }

  /** Whether that process descends from us. */
  isBelow(pid: number): boolean {
    const stat = this.#proc.stat(pid);
    return stat !== undefined && this.#descendants?.ancestorOf(stat) !== undefined;
  }

  /** Whether what is in that session is left of a worker that has ended. */
  has(session: number): boolean {
    return [...this.#ended.values()].some((ended) => ended.session === session);
  }

  /** The result: nobody can be left of it. */
  #note(leader: number, ended: EndedSession): boolean {
    if (!this.#proc.isNumberInUse(ended.session)) return true;
    this.#ended.set(leader, ended);
    return false;
  }

  look(leaders: readonly number[]): Seen {
    const sessions = this.#sessionsOf(leaders);
    if (sessions.length === 0) return nobody;
    const looks = [
      this.#lookBelow(sessions.filter(({ isBelow }) => isBelow)),
      this.#lookAmongAll(sessions.filter(({ isBelow }) => !isBelow)),
    ];
    const members = looks.flatMap(({ found }) => found);
    const isCertain = looks.every((look) => look.isCertain);
    if (isCertain) this.#prune(leaders, members);
    return { members, signalled: [], isCertain };
  }

  /**
   * KILL to everybody; TERM to those that had none, but not to what somebody starts who is about to end because he had
   * it. Looks again until there is nobody new.
   */
  signal(leaders: readonly number[], signal: 'SIGTERM' | 'SIGKILL'): Leftovers {
    const untilMs = performance.now() + signalForMs;
    const signalled = new Map<string, Member>();
    for (;;) {
      const look = this.look(leaders);
      const fresh = this.#whoIsDue(look.members, signal).filter((member) => !signalled.has(nameOf(member)));
      for (const member of fresh) {
        const delivery = this.#signalMember(member, signal);
        if (delivery !== 'gone')
          signalled.set(nameOf(member), delivery === 'sent' ? member : { ...member, isRefused: true });
      }
      if (fresh.length === 0 || performance.now() > untilMs)
        return { ...look, signalled: [...signalled.values()] };
    }
  }

  #whoIsDue(members: readonly Member[], signal: string): readonly Member[] {
    if (signal === 'SIGKILL') return members;
    return members.filter(({ leader }) => {
      const told = this.#ended.get(leader)?.told;
      return !members.some((other) => other.leader === leader && told?.get(other.pid) === other.startTime);
    });
  }

  #signalMember(
    { pid, leader, session, startTime }: Member,
    signal: NodeJS.Signals,
  ): 'sent' | 'gone' | 'refused' {
    const now = this.#proc.stat(pid);
    if (now?.session !== session || now.startTime !== startTime) return 'gone';
    this.#ended.get(leader)?.told.set(pid, startTime);
    const result = attempt(() => libc.kill(pid, constants.signals[signal]));
    // One that was stopped gets its TERM only when it goes on.
    if (result === 0) attempt(() => libc.kill(pid, constants.signals.SIGCONT));
    if (result === 0) return 'sent';
    return result === -E.PERM ? 'refused' : 'gone';
  }

  #sessionsOf(leaders: readonly number[]): Session[] {
    return leaders.flatMap((leader) => {
      const ended = this.#ended.get(leader);
      return ended ? [{ ...ended, leader }] : [];
    });
  }

  /** By ancestry: in a session of a child of ours there is nobody else. */
  #lookBelow(sessions: readonly Session[]): Found {
    if (sessions.length === 0) return { found: [], isCertain: true };
    if (!this.#descendants) return this.#lookAmongAll(sessions);
    const { found, isCertain } = this.#descendants.look();
    return { found: this.#membersOf(sessions, found), isCertain };
  }

  /** Others end and begin all the time: on a busy machine no look at everybody is ever quite complete. */
  #lookAmongAll(sessions: readonly Session[]): Found {
    if (sessions.length === 0) return { found: [], isCertain: true };
    const failures = this.#proc.failures;
    const numbers = sessions.map(({ session }) => session);
    const scan = new SessionScan(this.#proc, numbers);
    for (let look = 1; look < looksAtStrangers && !scan.isComplete; look++)
      numbers.forEach((number) => scan.newMembersOf(number));
    const pids = numbers.flatMap((number) => scan.membersOf(number));
    const stats = pids.map((pid) => this.#proc.stat(pid)).filter((stat) => stat !== undefined);
    const found = this.#membersOf(sessions, stats);
    const isEmpty = (leader: number): boolean => !found.some((member) => member.leader === leader);
    const isMissed = sessions.some((ended) => isEmpty(ended.leader) && this.#mayBeMissed(ended, scan));
    return { found, isCertain: this.#proc.failures === failures && !isMissed };
  }

  /** Who ended before he was proven, or while the last look was at him, may have forked one whom nobody saw. */
  #mayBeMissed(ended: EndedSession, scan: SessionScan): boolean {
    const { session } = ended;
    if (scan.isComplete && !scan.membersOf(session).some((pid) => this.#hasEnded(pid))) return false;
    return this.#proc.isNumberInUse(session) && !this.#isAnothers(ended);
  }

  /** One on his way out lives, but shows no descriptors to prove him by. */
  #hasEnded(pid: number): boolean {
    const stat = this.#proc.stat(pid);
    return stat === undefined || stat.isExiting || !isRunning(stat);
  }

  #membersOf(sessions: readonly Session[], stats: readonly ProcessStat[]): Member[] {
    const bySession = new Map(sessions.map((session) => [session.session, session]));
    return stats.flatMap((stat) => {
      const ended = bySession.get(stat.session);
      if (!ended || !this.#isProven(ended, stat)) return [];
      const { pid, session, startTime } = stat;
      return [{ pid, session, startTime, leader: ended.leader }];
    });
  }

  #isProven(ended: EndedSession, stat: ProcessStat): boolean {
    if (this.#isAnothers(ended)) return false;
    if (Number(stat.startTime) < ended.endTick) return true;
    if (ended.isBelow && this.#descendants?.areOfWorkers) return true;
    return holds(this.#proc, stat.pid, inodesOf(this.#listening)) === true;
  }

  /** A new process has the number: nobody of the old session is left. */
  #isAnothers({ session, isLeaderless, endTick }: EndedSession): boolean {
    const owner = this.#proc.stat(session);
    return owner !== undefined && (isLeaderless || Number(owner.startTime) >= endTick);
  }

  #prune(leaders: readonly number[], members: readonly Member[]): void {
    for (const leader of leaders)
      if (!members.some((member) => member.leader === leader)) this.#ended.delete(leader);
  }
}

interface Member extends SessionMember {
  readonly session: number;
  readonly startTime: string;
}

interface Seen extends Leftovers {
  readonly members: readonly Member[];
}

interface Found {
  readonly found: readonly Member[];
  readonly isCertain: boolean;
}

function nameOf({ pid, startTime }: Member): string {
  return `${pid}:${startTime}`;
}

const CLOCK_BOOTTIME = 7;
const time = Buffer.alloc(16);

/** The time by which the kernel counts starts of processes (proc(5), USER_HZ). */
export function nowTick(): number {
  libc.clockGettime(CLOCK_BOOTTIME, time);
  return Math.floor(Number(time.readBigInt64LE(0)) * 100 + Number(time.readBigInt64LE(8)) / 1e7);
}
