// Idle stop: ends a worker only while it serves nobody. Its whole session is
// stopped, looked at, signalled if it holds no connection, and continued. A stopped
// process cannot accept, and a signal sent while it is stopped comes first.
import { constants } from 'node:os';
import { accepted, type Held } from './accepted-connection.ts';
import { attempt, E, libc } from './libc.ts';
import type { ListenSocket } from './listen-socket.ts';
import type { ProcFs } from './proc-fs.ts';
import { SessionScan, sessionOf } from './session-scan.ts';

export type EndOfIdleSession = 'ask' | 'replace' | 'kill';

export type Activity = 'idle' | 'busy' | 'unknown';

/** 'unknown': we may not look, or may not stop it; 'gone': no process is left. */
export type EndOfIdle = 'signalled' | 'busy' | 'unknown' | 'gone';

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
   * has accepted: `ask` by TERM, `kill` by KILL, `replace` by TERM only where the program can
   * act on it before one of its threads could accept again. Takes at most some 20 ms; afterwards nobody is
   * stopped. A worker that is not our child must just have been proven to be the one
   * that is meant, by its start time.
   */
  endIfIdle(
    leader: number,
    isOurChild: boolean,
    how: EndOfIdleSession,
    scan = this.scan([leader]),
  ): EndOfIdle {
    const proc = this.#proc;
    if (!proc || !scan || !isForeignSession(leader)) return 'unknown';
    // A busy worker is not disturbed: most need not be stopped to be seen busy.
    const before = this.#heldBy(scan.membersOf(leader));
    if (before !== 'none') return before === 'some' ? 'busy' : 'unknown';
    const frozen = new FrozenSession(proc, leader, isOurChild);
    try {
      const stop = frozen.stop(scan);
      if (stop !== 'stopped') return stop;
      const held = this.#heldBy(frozen.members);
      if (held !== 'none') return held === 'some' ? 'busy' : 'unknown';
      return frozen.end(how) ? 'signalled' : 'gone';
    } finally {
      frozen.signal(SIGCONT);
    }
  }

  /** Whether the worker serves somebody, looked at as it runs: for showing, not for deciding. */
  activity(leader: number, scan = this.scan([leader])): Activity {
    if (!scan) return 'unknown';
    const held = this.#heldBy(scan.membersOf(leader));
    if (held === 'some') return 'busy';
    return held === 'none' ? 'idle' : 'unknown';
  }

  /** Lets a session go on that somebody left stopped. The leader must just have been proven to be the one meant. */
  thaw(leader: number): void {
    const proc = this.#proc;
    if (!proc || !isForeignSession(leader)) return;
    for (const pid of new SessionScan(proc, [leader]).membersOf(leader)) {
      signalMember(proc, leader, pid, SIGCONT);
    }
  }

  #heldBy(pids: readonly number[]): Held {
    let answer: Held = 'none';
    for (const pid of pids) {
      const held = this.#proc ? accepted(this.#proc, pid, this.#listening) : 'unknown';
      if (held === 'some') return 'some';
      if (held === 'unknown') answer = 'unknown';
    }
    return answer;
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
  end(how: EndOfIdleSession): boolean {
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

/**
 * Whether TERM reaches the program before it could accept again. With several threads one runs the
 * handler while the others go on accepting, and what they accept is lost when the process
 * exits; with TERM at its default nothing of the program would run, so KILL takes nothing from it.
 */
function actsOnTermAlone(proc: ProcFs, pid: number): boolean {
  const status = proc.readText(`${pid}/status`) ?? '';
  const hasTerm = (set: string): boolean =>
    ((BigInt(`0x${new RegExp(`^${set}:\\s*([0-9a-f]+)`, 'm').exec(status)?.[1] ?? '0'}`) >>
      BigInt(SIGTERM - 1)) &
      1n) ===
    1n;
  const isSingle = /^Threads:\s*1$/m.test(status);
  return isSingle && (hasTerm('SigCgt') || hasTerm('SigIgn') || hasTerm('SigBlk'));
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
