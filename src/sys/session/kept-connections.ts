// Tells a connection that is kept open between two requests from a request in progress, and hangs up on it
// (docs/reload.md#kept-connections). What cannot be told is a request.
import { libc } from '../libc/libc.ts';
import { DescriptorLender } from '../connection/descriptor-lender.ts';
import { isPlainlyRequest, type Connection, type SeenTraffic } from '../proc/accepted-connection.ts';
import { awaitedConnections, type Awaited } from '../proc/awaited.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { inodeOf } from '../socket/socket-file.ts';
import { unreadBytes } from '../socket-state/socket-facts.ts';
import { TrafficWatch, type Traffic } from '../socket-state/traffic-watch.ts';

/** Longer than a connection in use rests between two requests, and than TCP's confirmation of an answer takes (40 ms). */
const breathMs = 50;
/** Who was not looked at for so long is looked at anew. */
const forgetAfterMs = 120_000;
const SHUT_RD = 0;
const SHUT_RDWR = 2;

/** `unclear`: it waits for its client, which may be in the middle of a request. */
export type KeptVerdict = 'kept' | 'unclear' | 'busy';

/** A connection that was seen to be kept, and how it was then. */
export interface KeptConnection {
  readonly pid: number;
  readonly inode: string;
  readonly traffic: SeenTraffic;
  readonly events: number;
  readonly task: string;
  readonly switches: number;
}

interface Memory {
  readonly moment: string;
  readonly sinceMs: number;
}

interface OpenConnection extends Connection {
  readonly traffic: SeenTraffic;
}

export class KeptConnections {
  readonly #proc: ProcFs;
  readonly #quietMs: number;
  readonly #nowMs: () => number;
  readonly #traffic = new TrafficWatch();
  /** By inode: what does not change while nothing comes, and since when it was seen so. */
  readonly #seen = new Map<string, Memory & { readonly seenMs: number }>();
  /** Workers that are to end. */
  readonly #ending = new Set<number>();

  constructor(proc: ProcFs, quietMs: number, nowMs = (): number => performance.now()) {
    this.#proc = proc;
    this.#quietMs = quietMs;
    this.#nowMs = nowMs;
  }

  /** The worker is to end: from now on it is watched what is done on its connections. */
  begin(leader: number): void {
    this.#ending.add(leader);
  }

  /** It has ended, or is about to. */
  forget(leader: number): void {
    this.#ending.delete(leader);
    if (this.#ending.size === 0) this.#traffic.close();
  }

  /** What the process is at with its open connections, looked at as it runs; those that are kept go to `kept`. */
  judge(
    leader: number,
    pid: number,
    open: readonly Connection[],
    listening: ReadonlySet<string>,
    kept: KeptConnection[],
  ): KeptVerdict {
    if (open.some(isPlainlyRequest)) return 'busy';
    const known = open as readonly OpenConnection[];
    const connections = new Set(known.map(({ inode }) => inode));
    const awaited = awaitedConnections(this.#proc, pid, { listening, connections });
    if (!awaited) return 'busy';
    let verdict: KeptVerdict = 'kept';
    for (const connection of known) {
      const waits = awaited.get(connection.inode);
      if (!waits) return 'busy';
      const found = this.#look(leader, pid, connection, waits, kept);
      if (found === 'busy') return found;
      if (found === 'unclear') verdict = found;
    }
    this.#tidyUp();
    return verdict;
  }

  #look(
    leader: number,
    pid: number,
    { inode, traffic }: OpenConnection,
    { how, task }: Awaited,
    kept: KeptConnection[],
  ): KeptVerdict {
    const nowMs = this.#nowMs();
    if (this.#ending.has(leader)) {
      this.#traffic.add(pid, traffic.descriptor, inode, () => this.#holds(pid, traffic.descriptor, inode));
    }
    const { last, events } = this.#traffic.of(inode);
    const switches = this.#switches(pid, task);
    const quietMs = this.#quietFor(inode, `${task} ${switches} ${events}`, nowMs);
    const answered = isAnswered(last, traffic);
    if (answered === false) return 'busy';
    const isQuietFor = Math.max(traffic.tcp?.quietMs ?? 0, traffic.tcp ? 0 : quietMs);
    const isKept = answered ? isQuietFor >= breathMs : how === 'alone' && isQuietFor >= this.#quietMs;
    if (!isKept) return 'unclear';
    kept.push({ pid, inode, traffic, events, task, switches });
    return 'kept';
  }

  /** Whether nothing came since, of a process that is stopped now. */
  isUntouched(before: KeptConnection, now: Connection): boolean {
    const { traffic } = now;
    if (!traffic || traffic.hasUnread || now.end !== 'open') return false;
    if (traffic.tcp) return traffic.tcp.received === before.traffic.tcp?.received;
    // Who is stopped in its sleep has been woken once for that.
    const isAsleep = this.#switches(before.pid, before.task) <= before.switches + 1;
    return isAsleep && this.#traffic.of(before.inode).events === before.events;
  }

  /**
   * Closes these for the client, of processes that are stopped: it hears of it at once, not when the process has ended.
   * False: something has come at the last moment, which is to be answered still; on a Unix socket nothing is lost then.
   */
  hangUp(kept: readonly KeptConnection[]): boolean {
    return kept.every((connection) => {
      const { pid, inode, traffic } = connection;
      const lender = new DescriptorLender(pid);
      const borrowed = lender.borrow(traffic.descriptor);
      lender.close();
      if (borrowed < 0) return false;
      try {
        if (inodeOf(borrowed) !== inode || unreadBytes(borrowed) !== 0) return false;
        if (!traffic.tcp) {
          // From here on its client cannot write: what has come before can be told from what has not.
          libc.shutdown(borrowed, SHUT_RD);
          if (unreadBytes(borrowed) !== 0) return false;
        }
        libc.shutdown(borrowed, SHUT_RDWR);
        return true;
      } finally {
        libc.close(borrowed);
      }
    });
  }

  #holds(pid: number, descriptor: number, inode: string): boolean {
    return this.#proc.readLink(`${pid}/fd/${descriptor}`) === `socket:[${inode}]`;
  }

  /** How often the thread has gone to sleep, or was made to. */
  #switches(pid: number, task: string): number {
    const status = this.#proc.readText(`${pid}/task/${task}/status`) ?? '';
    const counts = status.matchAll(/^voluntary_ctxt_switches:\s*(\d+)/gm);
    return [...counts].reduce((sum, count) => sum + Number(count[1]), 0);
  }

  #quietFor(inode: string, moment: string, nowMs: number): number {
    const before = this.#seen.get(inode);
    const sinceMs = before?.moment === moment ? before.sinceMs : nowMs;
    this.#seen.set(inode, { moment, sinceMs, seenMs: nowMs });
    return nowMs - sinceMs;
  }

  #tidyUp(): void {
    const nowMs = this.#nowMs();
    for (const [inode, { seenMs }] of this.#seen) {
      if (nowMs - seenMs > forgetAfterMs) this.#seen.delete(inode);
    }
  }
}

/** Undefined: it cannot be told. */
function isAnswered(last: Traffic['last'], { tcp }: SeenTraffic): boolean | undefined {
  if (tcp?.isAnswered !== undefined) return tcp.isAnswered;
  if (last === 'answered') return true;
  // php-cgi reads the end of the body behind its answer; only TCP knows when that came.
  return tcp || last === 'unknown' ? undefined : false;
}
