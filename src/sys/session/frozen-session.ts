// The processes of one session while they are stopped, and how each of them is signalled: only right after its session
// was read.
import { constants } from 'node:os';
import type { EndOfIdle } from '../../core/machine.ts';
import { attempt, E, libc } from '../libc/libc.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { actsOnTermAlone } from '../process/term-disposition.ts';
import { sessionOf, type SessionScan } from './session-scan.ts';

const { SIGSTOP, SIGTERM, SIGKILL } = constants.signals;
/** How long one attempt may take to stop a session. A thread in an uninterruptible call cannot be stopped. */
const stopWithinMs = 20;
const firstPauseUs = 10;
const longestPauseUs = 500;

type Delivery = 'sent' | 'gone' | 'refused';

/** A PID is signalled only right after its session was read: the number may be somebody else's by now. */
export function signalMember(proc: ProcFs, leader: number, pid: number, signal: number): Delivery {
  if (pid <= 1 || pid === process.pid || sessionOf(proc, pid) !== leader) return 'gone';
  const result = attempt(() => libc.kill(pid, signal));
  if (result === 0) return 'sent';
  return result === -E.SRCH ? 'gone' : 'refused';
}

/** The processes of one session that we have stopped. */
export class FrozenSession {
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
      if (performance.now() > this.#deadlineMs) return 'busy';
    }
  }

  /** Whether anybody got its signal. The leader comes last: its end would wake those in groups of their own. */
  end(how: EndOfIdle): boolean {
    const isReplaced = how === 'replace' || how === 'replace-quietly';
    const order = [...this.members].sort((a, b) => Number(a === this.#leader) - Number(b === this.#leader));
    const deliveries = order.map((pid) => {
      const isAsked = how === 'ask' || (isReplaced && actsOnTermAlone(this.#proc, pid));
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
      if (performance.now() > this.#deadlineMs) return false;
      // It needs a processor to stop on.
      libc.usleep(pauseUs);
    }
    return true;
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
