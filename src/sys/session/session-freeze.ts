// Idle stop: ends a worker only while it serves nobody. Its whole session is
// stopped, looked at, signalled if it holds no connection, and continued. A stopped
// process cannot accept, and a signal sent while it is stopped comes first.
import { constants } from 'node:os';
import { defaults } from '../../core/config.ts';
import type { EndOfIdle, IdleVerdict } from '../../core/machine.ts';
import {
  connectionsOf,
  isPlainlyRequest,
  type Connection,
  type ConnectionEnd,
} from '../proc/accepted-connection.ts';
import { libc } from '../libc/libc.ts';
import type { ListenSocket } from '../socket/listen-socket.ts';
import { inodesOf } from '../socket/socket-inodes.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { FrozenSession, signalMember } from './frozen-session.ts';
import { KeptConnections, type KeptFinds } from './kept-connections.ts';
import { isGapSeen, takeLastRequest } from './last-request.ts';
import { SessionScan } from './session-scan.ts';
import { processRests, processWaits } from '../proc/waiting.ts';

/** `kept`: it holds connections between two requests; `unknown`: it may not be looked at, or may be between two. */
export type Activity = 'idle' | 'kept' | 'busy' | 'unknown';

const { SIGCONT } = constants.signals;

interface Look {
  /** `unclear`: it waits for its client, which may be in the middle of a request. */
  readonly activity: Activity | 'unclear';
  /** Processes that have moved on, and hold connections that have ended, of this kind at most. */
  readonly forgetful: ReadonlyMap<number, ConnectionEnd>;
  readonly finds: KeptFinds;
}

export class SessionFreezer {
  readonly #proc: ProcFs | undefined;
  readonly #listening: ListenSocket;
  readonly #kept: KeptConnections | undefined;

  /** `keepaliveQuietMs`: `--keepalive-quiet`. */
  constructor(
    proc: ProcFs | undefined,
    listening: ListenSocket,
    keepaliveQuietMs: number = defaults.keepaliveQuietMs,
  ) {
    this.#proc = proc;
    this.#listening = listening;
    this.#kept = proc && new KeptConnections(proc, keepaliveQuietMs);
  }

  /** One walk through /proc that the calls of one pass over many workers can share; undefined without /proc. */
  scan(leaders: readonly number[]): SessionScan | undefined {
    return this.#proc && new SessionScan(this.#proc, leaders);
  }

  /**
   * Ends every process of the worker's session if none of them holds a connection that it
   * has accepted, but for those that are kept open between two requests: `ask` by TERM, `kill` by KILL,
   * `kill-waiting` the same if one is seen to wait for the next
   * connection or request, `replace` by TERM only where the program can
   * act on it before one of its threads could accept again. Takes at most some 20 ms; afterwards nobody is
   * stopped. A worker that is not our child must just have been proven to be the one
   * that is meant, by its start time.
   */
  endIfIdle(leader: number, isOurChild: boolean, how: EndOfIdle, scan = this.scan([leader])): IdleVerdict {
    return this.#ifIdle(leader, isOurChild, how, scan);
  }

  /**
   * The same, but the session of this child of ours is not ended: it stays stopped, and `stopped` hears of its processes.
   * Connections that are kept open are closed first, and another attempt is needed.
   */
  holdIfIdle(leader: number, stopped: (members: readonly number[]) => void): IdleVerdict {
    return this.#ifIdle(leader, true, stopped, this.scan([leader]));
  }

  #ifIdle(
    leader: number,
    isOurChild: boolean,
    how: EndOfIdle | ((members: readonly number[]) => void),
    scan: SessionScan | undefined,
  ): IdleVerdict {
    const proc = this.#proc;
    if (!proc || !scan || !isForeignSession(leader)) return 'unknown';
    this.#kept?.begin(leader);
    // A busy worker is not disturbed: most need not be stopped to be seen busy.
    const members = scan.membersOf(leader);
    const look = this.#look(leader, members);
    if (look.activity === 'unknown') return 'unknown';
    const isIdle = look.activity === 'idle' || look.activity === 'kept';
    const { kept, gaps } = look.finds;
    if (!isIdle && !gaps.some((gap) => isGapSeen(proc, gap))) return 'busy';
    if (how === 'kill-waiting' && isIdle && kept.length === 0 && !members.some((pid) => this.#waits(pid)))
      return 'busy';
    const frozen = new FrozenSession(proc, leader, isOurChild);
    let isHeld = false;
    try {
      const stop = frozen.stop(scan);
      if (stop !== 'stopped') return stop;
      if (!isIdle) {
        gaps.some(takeLastRequest);
        return 'busy';
      }
      const held = this.#confirm(frozen.members, look);
      if (held !== 'idle') return held;
      if (kept.length > 0 && this.#kept?.hangUp(kept) !== true) return 'busy';
      const isToStay = typeof how === 'function';
      if (isToStay && kept.length > 0) return 'busy';
      this.#kept?.forget(leader);
      if (!isToStay) return frozen.end(how) ? 'signalled' : 'gone';
      how(frozen.members);
      isHeld = true;
      return 'signalled';
    } finally {
      this.#kept?.noteStop(frozen.members);
      if (!isHeld) frozen.signal(SIGCONT);
    }
  }

  /** The worker has ended. */
  forget(leader: number): void {
    this.#kept?.forget(leader);
  }

  /** Whether the worker serves somebody, looked at as it runs: for showing, not for deciding. */
  activity(leader: number, scan: Pick<SessionScan, 'membersOf'> | undefined = this.scan([leader])): Activity {
    const activity = scan ? this.#look(leader, scan.membersOf(leader)).activity : 'unknown';
    return activity === 'unclear' ? 'unknown' : activity;
  }

  /** Whether the worker is seen to serve somebody, or may be in the middle of it. */
  isAtWork(leader: number, scan = this.scan([leader])): boolean {
    const activity = scan && this.#look(leader, scan.membersOf(leader)).activity;
    return activity === 'busy' || activity === 'unclear';
  }

  /** The connections that the worker holds, as far as they can be seen. */
  connections(
    leader: number,
    scan: Pick<SessionScan, 'membersOf'> | undefined = this.scan([leader]),
  ): Connection[] {
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

  /** What processes that run do. */
  #look(leader: number, pids: readonly number[]): Look {
    const forgetful = new Map<number, ConnectionEnd>();
    const finds: KeptFinds = { kept: [], gaps: [] };
    let activity: Look['activity'] = 'idle';
    for (const pid of pids) {
      const held = this.#held(pid);
      const verdict = this.#judge(leader, pid, held.open, finds);
      const hasMovedOn = held.end === undefined || this.#hasMovedOn(pid, held.end);
      if (verdict === 'busy' || !hasMovedOn) return { activity: 'busy', forgetful, finds };
      if (held.end !== undefined) forgetful.set(pid, held.end);
      activity = lessIdle(activity, held.isComplete ? verdict : 'unknown');
    }
    return { activity, forgetful, finds };
  }

  /** What they do now that they are stopped: `idle` if nothing has changed since the look. */
  #confirm(pids: readonly number[], { forgetful, finds }: Look): 'idle' | 'busy' | 'unknown' {
    let answer: 'idle' | 'unknown' = 'idle';
    for (const pid of pids) {
      const { open, end, isComplete } = this.#held(pid);
      if (end !== undefined && forgetful.get(pid) !== end) return 'busy';
      for (const connection of open) {
        const before = finds.kept.find((one) => one.pid === pid && one.inode === connection.inode);
        if (!before || this.#kept?.isUntouched(before, connection) !== true) return 'busy';
      }
      if (!isComplete) answer = 'unknown';
    }
    return answer;
  }

  #judge(leader: number, pid: number, open: readonly Connection[], finds: KeptFinds): Look['activity'] {
    if (open.length === 0) return 'idle';
    return this.#kept?.judge(leader, pid, open, this.#inodes, finds) ?? 'busy';
  }

  /** Of a process that holds nothing else than what is kept, and connections that have ended. */
  #hasMovedOn(pid: number, end: ConnectionEnd): boolean {
    if (end === 'closed') return this.#waits(pid);
    return this.#proc !== undefined && processRests(this.#proc, pid, this.#inodes);
  }

  #held(pid: number): HeldConnections {
    return heldBy(this.#proc, pid, this.#listening);
  }

  get #inodes(): ReadonlySet<string> {
    return inodesOf(this.#listening);
  }

  #waits(pid: number): boolean {
    return this.#proc !== undefined && processWaits(this.#proc, pid, this.#inodes) === 'yes';
  }
}

interface HeldConnections {
  /** The first that is plainly a request is the last one. */
  readonly open: readonly Connection[];
  /** The others, by what is least ended of them. */
  readonly end: ConnectionEnd | undefined;
  readonly isComplete: boolean;
}

function heldBy(proc: ProcFs | undefined, pid: number, listening: ListenSocket): HeldConnections {
  const open: Connection[] = [];
  let end: ConnectionEnd | undefined;
  if (!proc) return { open, end, isComplete: false };
  for (const found of connectionsOf(proc, pid, listening)) {
    if (found === 'unknown') return { open, end, isComplete: false };
    if (found.end === 'open') open.push(found);
    else if (end !== 'hung-up') end = found.end;
    if (isPlainlyRequest(found)) break;
  }
  return { open, end, isComplete: true };
}

const byIdleness: readonly Look['activity'][] = ['idle', 'kept', 'unclear', 'unknown', 'busy'];

function lessIdle(one: Look['activity'], other: Look['activity']): Look['activity'] {
  return byIdleness.indexOf(one) > byIdleness.indexOf(other) ? one : other;
}

/** kill(2) gives 0, 1 and negative numbers other meanings, and our own session would stop us. */
function isForeignSession(leader: number): boolean {
  return Number.isInteger(leader) && leader > 1 && leader !== libc.getsid(0);
}
