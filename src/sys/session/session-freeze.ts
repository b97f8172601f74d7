// Idle stop: ends a worker only while it serves nobody. Its whole session is
// stopped, looked at, signalled if it holds no connection, and continued. A stopped
// process cannot accept, and a signal sent while it is stopped comes first.
import { constants } from 'node:os';
import { defaults } from '../../core/config.ts';
import type { EndOfIdle, IdleVerdict } from '../../core/machine.ts';
import { connectionsOf, type Connection } from '../proc/accepted-connection.ts';
import { libc } from '../libc/libc.ts';
import type { ListenSocket } from '../socket/listen-socket.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { FrozenSession, signalMember } from './frozen-session.ts';
import { KeptConnections } from './kept-connections.ts';
import { isGapSeen, takeLastRequest } from './last-request.ts';
import { ReleaseChases } from './release-chase.ts';
import { SessionScan } from './session-scan.ts';
import { nothingHeld, WorkerLooks, type Activity } from './worker-look.ts';

export type { Activity } from './worker-look.ts';

/** Hears of the processes of a session that stays stopped. */
type Hold = (members: readonly number[]) => void;

const { SIGCONT } = constants.signals;

export class SessionFreezer {
  readonly #proc: ProcFs | undefined;
  readonly #listening: ListenSocket;
  readonly #looks: WorkerLooks;
  readonly #chases: ReleaseChases | undefined;
  readonly #kept: KeptConnections | undefined;

  /** `keepaliveQuietMs`: `--keepalive-quiet`. */
  constructor(
    proc: ProcFs | undefined,
    listening: ListenSocket,
    keepaliveQuietMs: number = defaults.keepaliveQuietMs,
  ) {
    this.#proc = proc;
    this.#listening = listening;
    this.#chases = proc && new ReleaseChases(proc);
    this.#kept = proc && new KeptConnections(proc, keepaliveQuietMs);
    this.#looks = new WorkerLooks(proc, listening, this.#kept);
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
  holdIfIdle(leader: number, stopped: Hold): IdleVerdict {
    return this.#ifIdle(leader, true, stopped, this.scan([leader]));
  }

  #ifIdle(
    leader: number,
    isOurChild: boolean,
    how: EndOfIdle | Hold,
    scan: SessionScan | undefined,
  ): IdleVerdict {
    const proc = this.#proc;
    if (!proc || !scan || !isForeignSession(leader)) return 'unknown';
    if (this.#chases?.has(leader)) {
      if (!isQuiet(how)) return this.#follow(leader, isOurChild, how, scan);
      this.#chases.letGo(leader);
      return 'busy';
    }
    this.#kept?.begin(leader);
    // A busy worker is not disturbed: most need not be stopped to be seen busy.
    const members = scan.membersOf(leader);
    const look = this.#looks.look(leader, members);
    if (look.activity === 'unknown') return 'unknown';
    const isIdle = look.activity === 'idle' || look.activity === 'kept';
    const { kept } = look.finds;
    const chases = how === 'replace' || how === 'kill' ? this.#chases : undefined;
    if (look.served && chases?.begin(leader, look.served, isOurChild))
      return this.#follow(leader, isOurChild, how, scan);
    const gaps = chases?.endsConnections === true ? [] : look.finds.gaps;
    if (!isIdle && !gaps.some((gap) => isGapSeen(proc, gap))) return 'busy';
    if (
      how === 'kill-waiting' &&
      isIdle &&
      kept.length === 0 &&
      !members.some((pid) => this.#looks.waits(pid))
    )
      return 'busy';
    return this.#stopped(leader, isOurChild, scan, (frozen) => {
      if (!isIdle) {
        gaps.some((gap) => takeLastRequest(gap) === 'taken');
        return 'busy';
      }
      const held = this.#looks.confirm(frozen.members, look);
      if (held !== 'idle') return held;
      if (kept.length > 0 && this.#kept?.hangUp(kept) !== true) return 'busy';
      if (typeof how === 'function' && kept.length > 0) return 'busy';
      return this.#endStopped(leader, frozen, how);
    });
  }

  /** To the end of its connection, where it is stopped, and ended if it holds no other one. */
  #follow(leader: number, isOurChild: boolean, how: EndOfIdle | Hold, scan: SessionScan): IdleVerdict {
    const stage = this.#chases?.follow(leader);
    if (stage !== 'released') return stage === 'serving' ? 'followed' : 'busy';
    return this.#stopped(leader, isOurChild, scan, (frozen) => {
      const held = this.#looks.confirm(frozen.members, nothingHeld);
      return held === 'idle' ? this.#endStopped(leader, frozen, how) : held;
    });
  }

  #endStopped(leader: number, frozen: FrozenSession, how: EndOfIdle | Hold): IdleVerdict | 'held' {
    this.#kept?.forget(leader);
    if (typeof how !== 'function') return frozen.end(how) ? 'signalled' : 'gone';
    how(frozen.members);
    return 'held';
  }

  /** Does that while the session is stopped; whatever happens, it goes on, unless it is `held`. */
  #stopped(
    leader: number,
    isOurChild: boolean,
    scan: SessionScan,
    run: (frozen: FrozenSession) => IdleVerdict | 'held',
  ): IdleVerdict {
    if (!this.#proc) return 'unknown';
    const frozen = new FrozenSession(this.#proc, leader, isOurChild);
    let isHeld = false;
    try {
      const stop = frozen.stop(scan);
      const verdict = stop === 'stopped' ? run(frozen) : stop;
      isHeld = verdict === 'held';
      return verdict === 'held' ? 'signalled' : verdict;
    } finally {
      this.#kept?.noteStop(frozen.members);
      if (!isHeld) frozen.signal(SIGCONT);
    }
  }

  /** It is to hear of a signal, or not to be ended any more. */
  letGo(leaders: readonly number[]): void {
    for (const leader of leaders) this.#chases?.letGo(leader);
  }

  /** The worker has ended. */
  forget(leader: number): void {
    this.#chases?.forget(leader);
    this.#kept?.forget(leader);
  }

  /** Whether the worker serves somebody, looked at as it runs: for showing, not for deciding. */
  activity(leader: number, scan: Pick<SessionScan, 'membersOf'> | undefined = this.scan([leader])): Activity {
    const activity = scan ? this.#looks.look(leader, scan.membersOf(leader)).activity : 'unknown';
    return activity === 'unclear' ? 'unknown' : activity;
  }

  /** Whether the worker is seen to serve somebody, or may be in the middle of it. */
  isAtWork(leader: number, scan = this.scan([leader])): boolean {
    const activity = scan && this.#looks.look(leader, scan.membersOf(leader)).activity;
    return activity === 'busy' || activity === 'unclear';
  }

  /** Whether it does nothing but wait for the next bytes of a connection: a kept one, or the rest of a request. */
  awaitsClient(leader: number, scan = this.scan([leader])): boolean {
    return scan?.membersOf(leader).some((pid) => this.#looks.awaitsClient(pid)) === true;
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
}

/** kill(2) gives 0, 1 and negative numbers other meanings, and our own session would stop us. */
function isForeignSession(leader: number): boolean {
  return Number.isInteger(leader) && leader > 1 && leader !== libc.getsid(0);
}

function isQuiet(how: EndOfIdle | Hold): boolean {
  return how === 'replace-quietly' || how === 'kill-quietly';
}
