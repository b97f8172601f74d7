// Idle stop: ends a worker only while it serves nobody. Its whole session is
// stopped, looked at, signalled if it holds no connection, and continued. A stopped
// process cannot accept, and a signal sent while it is stopped comes first.
import { constants } from 'node:os';
import type { EndOfIdle, IdleVerdict } from '../../core/machine.ts';
import { accepted, connectionsOf, type Connection, type Held } from '../proc/accepted-connection.ts';
import { attempt, E, libc } from '../libc/libc.ts';
import type { ListenSocket } from '../socket/listen-socket.ts';
import { inodesOf } from '../socket/socket-inodes.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { SessionScan, sessionOf } from './session-scan.ts';
import { actsOnTermAlone } from '../process/term-disposition.ts';
import { processRests, processWaits } from '../proc/waiting.ts';

export type Activity = 'idle' | 'busy' | 'unknown';

const { SIGSTOP, SIGCONT, SIGTERM, SIGKILL } = constants.signals;
/** How long one attempt may take to stop a session. A thread in an uninterruptible call cannot be stopped. */
const stopWithinMs = 20;
const firstPauseUs = 10;
const longestPauseUs = 500;

export class SessionFreezer {
  readonly #proc: ProcFs | undefined;
  readonly #listening: ListenSocket;

  constructor(proc: ProcFs | undefined, listening: ListenSocket) {
    this.#proc = proc;
    this.#listening = listening;
  }

  /** One walk through /proc that the calls of one pass over many workers can share; undefined without /proc. */
  scan(leaders: readonly number[]): SessionScan | undefined {
    return this.#proc && new SessionScan(this.#proc, leaders);
  }

  /**
   * Ends every process of the worker's session if none of them holds a connection that it
   * has accepted: `ask` by TERM, `kill` by KILL, `kill-waiting` the same if one is seen to wait for the next
   * connection, `replace` by TERM only where the program can
   * act on it before one of its threads could accept again. Takes at most some 20 ms; afterwards nobody is
   * stopped. A worker that is not our child must just have been proven to be the one
   * that is meant, by its start time.
   */
  endIfIdle(leader: number, isOurChild: boolean, how: EndOfIdle, scan = this.scan([leader])): IdleVerdict {
    const proc = this.#proc;
    if (!proc || !scan || !isForeignSession(leader)) return 'unknown';
    // A busy worker is not disturbed: most need not be stopped to be seen busy.
    const members = scan.membersOf(leader);
    const { activity, forgetful } = this.#look(members);
    if (activity !== 'idle') return activity;
    if (how === 'kill-waiting' && !members.some((pid) => this.#waits(pid))) return 'busy';
    const frozen = new FrozenSession(proc, leader, isOurChild);
    try {
      const stop = frozen.stop(scan);
      if (stop !== 'stopped') return stop;
      const held = this.#judge(frozen.members, (pid, end) => forgetful.get(pid) === end);
      if (held !== 'idle') return held;
      return frozen.end(how) ? 'signalled' : 'gone';
    } finally {
      frozen.signal(SIGCONT);
    }
  }

  /** Whether the worker serves somebody, looked at as it runs: for showing, not for deciding. */
  activity(leader: number, scan = this.scan([leader])): Activity {
    return scan ? this.#look(scan.membersOf(leader)).activity : 'unknown';
  }

  /** The connections that the worker holds, as far as they can be seen. */
  connections(leader: number, scan = this.scan([leader])): Connection[] {
    const proc = this.#proc;
    if (!proc || !scan) return [];
    const all = scan.membersOf(leader).flatMap((pid) => [...connectionsOf(proc, pid, this.#listening)]);
    const found = all.filter((connection) => connection !== 'unknown').filter(({ end }) => end !== 'closed');
    // Children share what their parent has accepted.
    return [...new Map(found.map((connection) => [connection.inode, connection])).values()];
  }

  /** Lets a session go on that somebody left stopped. The leader must just have been proven to be the one meant. */
  thaw(leader: number): void {
    const proc = this.#proc;
    if (!proc || !isForeignSession(leader)) return;
    for (const pid of new SessionScan(proc, [leader]).membersOf(leader)) {
      signalMember(proc, leader, pid, SIGCONT);
    }
  }

  /**
   * What processes that run do, and which of them are forgetful: they have moved on, and still hold
   * connections that have ended, of this kind at most.
   */
  #look(pids: readonly number[]): {
    readonly activity: Activity;
    readonly forgetful: ReadonlyMap<number, Held>;
  } {
    const forgetful = new Map<number, Held>();
    const activity = this.#judge(pids, (pid, end) => {
      const hasMovedOn = end === 'closed' ? this.#waits(pid) : this.#rests(pid);
      if (hasMovedOn) forgetful.set(pid, end);
      return hasMovedOn;
    });
    return { activity, forgetful };
  }

  /** `hasMovedOn` is asked of those that hold nothing but connections that have ended. */
  #judge(pids: readonly number[], hasMovedOn: (pid: number, end: 'hung-up' | 'closed') => boolean): Activity {
    let answer: Activity = 'idle';
    for (const pid of pids) {
      const held = this.#proc ? accepted(this.#proc, pid, this.#listening) : 'unknown';
      if (held === 'open') return 'busy';
      if ((held === 'hung-up' || held === 'closed') && !hasMovedOn(pid, held)) return 'busy';
      if (held === 'unknown') answer = 'unknown';
    }
    return answer;
  }

  #rests(pid: number): boolean {
    return this.#proc !== undefined && processRests(this.#proc, pid, inodesOf(this.#listening));
  }

  #waits(pid: number): boolean {
    return this.#proc !== undefined && processWaits(this.#proc, pid, inodesOf(this.#listening)) === 'yes';
  }
}

/** kill(2) gives 0, 1 and negative numbers other meanings, and our own session would stop us. */
function isForeignSession(leader: number): boolean {
  return Number.isInteger(leader) && leader > 1 && leader !== libc.getsid(0);
}

type Delivery = 'sent' | 'gone' | 'refused';

/** A PID is signalled only right after its session was read: the number may be somebody else's by now. */
function signalMember(proc: ProcFs, leader: number, pid: number, signal: number): Delivery {
  if (pid <= 1 || pid === process.pid || sessionOf(proc, pid) !== leader) return 'gone';
  const result = attempt(() => libc.kill(pid, signal));
  if (result === 0) return 'sent';
  return result === -E.SRCH ? 'gone' : 'refused';
}

/** The processes of one session that we have stopped. */
class FrozenSession {
  readonly #proc: ProcFs;
  readonly #leader: number;
  readonly #isOurChild: boolean;
  readonly #deadlineMs = performance.now() + stopWithinMs;
  /** Got our SIGSTOP; each of them gets SIGCONT whatever happens. */
  readonly members: number[] = [];

  constructor(proc: ProcFs, leader: number, isOurChild: boolean) {
    this.#proc = proc;
    this.#leader = leader;
    this.#isOurChild = isOurChild;
  }

  /** Stops everybody, then looks for what was forked meanwhile, until nothing new is found. */
  stop(scan: SessionScan): 'stopped' | 'busy' | 'unknown' | 'gone' {
    let found = scan.membersOf(this.#leader);
    for (;;) {
      const deliveries = found.map((pid) => this.#stopMember(pid));
      if (deliveries.includes('refused')) return 'unknown';
      if (!found.every((pid) => this.#waitUntilStopped(pid))) return 'busy';
      found = scan.newMembersOf(this.#leader);
      if (found.length === 0 && scan.isComplete) return this.members.length > 0 ? 'stopped' : 'gone';
      if (this.#isLate()) return 'busy';
    }
  }

  /** Whether anybody got its signal. The leader comes last: its end would wake those in groups of their own. */
  end(how: EndOfIdle): boolean {
    const order = [...this.members].sort((a, b) => Number(a === this.#leader) - Number(b === this.#leader));
    const deliveries = order.map((pid) => {
      const isAsked = how === 'ask' || (how === 'replace' && actsOnTermAlone(this.#proc, pid));
      return signalMember(this.#proc, this.#leader, pid, isAsked ? SIGTERM : SIGKILL);
    });
    return deliveries.includes('sent');
  }

  /** Whether anybody got it. */
  signal(signal: number): boolean {
    const deliveries = this.members.map((pid) => signalMember(this.#proc, this.#leader, pid, signal));
    return deliveries.includes('sent');
  }

  #stopMember(pid: number): Delivery {
    const delivery = signalMember(this.#proc, this.#leader, pid, SIGSTOP);
    if (delivery === 'sent') this.members.push(pid);
    return delivery;
  }

  #waitUntilStopped(pid: number): boolean {
    for (let pauseUs = firstPauseUs; !this.#isStopped(pid); pauseUs = Math.min(pauseUs * 2, longestPauseUs)) {
      if (this.#isLate()) return false;
      // It needs a processor to stop on.
      libc.usleep(pauseUs);
    }
    return true;
  }

  #isLate(): boolean {
    return performance.now() > this.#deadlineMs;
  }

  #isStopped(pid: number): boolean {
    const told = this.#isOurChild && pid === this.#leader ? childIsStopped(pid) : undefined;
    return told ?? everyThreadIsStopped(this.#proc, pid);
  }
}

const P_PID = 1;
/** WNOHANG | WSTOPPED | WEXITED | WNOWAIT: takes nothing away from who waits for the child. */
const stopOrEnd = 1 | 2 | 4 | 0x0100_0000;
const siginfo = Buffer.alloc(128);
const CLD_STOPPED = 5;

/** By waitid(2), which says so only when the last thread has stopped; undefined when it is not our child. */
function childIsStopped(pid: number): boolean | undefined {
  siginfo.fill(0);
  if (attempt(() => libc.waitid(P_PID, pid, siginfo, stopOrEnd)) < 0) return undefined;
  const [signal, code] = [siginfo.readInt32LE(0), siginfo.readInt32LE(8)];
  // An end (CLD_EXITED, CLD_KILLED, CLD_DUMPED) is as good as a stop.
  return signal !== 0 && code >= 1 && code <= CLD_STOPPED;
}

/** Once SIGSTOP is pending no thread can be created: the list of threads is complete. */
function everyThreadIsStopped(proc: ProcFs, pid: number): boolean {
  return proc.list(`${pid}/task`).every((task) => {
    const state = proc.readText(`${pid}/task/${task}/stat`)?.split(') ').at(-1)?.[0];
    return state === undefined || 'TtZX'.includes(state);
  });
}
