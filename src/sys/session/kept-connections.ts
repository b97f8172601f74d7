// Tells a connection that is kept open between two requests from a request in progress, and hangs up on it
// (docs/internals/kept-connections.md). What cannot be told is a request.
import { libc } from '../libc/libc.ts';
import { DescriptorLender } from '../connection/descriptor-lender.ts';
import { isPlainlyRequest, type Connection, type SeenTraffic } from '../proc/accepted-connection.ts';
import { awaitedConnections, type Awaited } from '../proc/awaited.ts';
import { readsBehindItsAnswer } from '../proc/known-programs.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import type { Gap } from './last-request.ts';
import { inodeOf } from '../socket/socket-file.ts';
import { unreadBytes } from '../socket-state/socket-facts.ts';
import { TrafficWatch, type Traffic } from '../socket-state/traffic-watch.ts';

/** Longer than a connection in use rests between two requests, and than TCP's confirmation of an answer takes (40 ms). */
const breathMs = 200;
/** A connection that was in use so recently may be used again at any moment. */
const inUseMs = 200;
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

export interface KeptFinds {
  readonly kept: KeptConnection[];
  /** Those that are in use, and may be between two requests, now or in a moment. */
  readonly gaps: Gap[];
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
  /** How often each of their processes was stopped by ourselves. */
  readonly #stops = new Map<number, number>();
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
    if (this.#ending.size > 0) return;
    this.#traffic.close();
    this.#stops.clear();
  }

  /** These were stopped for a look, and go on: a thread that sleeps was woken for the one and for the other. */
  noteStop(pids: readonly number[]): void {
    for (const pid of pids) this.#stops.set(pid, (this.#stops.get(pid) ?? 0) + 2);
  }

  /** What the process is at with its open connections, looked at as it runs; what may be ended on goes to `finds`. */
  judge(
    leader: number,
    pid: number,
    open: readonly Connection[],
    listening: ReadonlySet<string>,
    finds: KeptFinds,
  ): KeptVerdict {
    if (open.some(isPlainlyRequest)) {
      noteWork(pid, open, finds);
      return 'busy';
    }
    const known = open as readonly OpenConnection[];
    const connections = new Set(known.map(({ inode }) => inode));
    const awaited = awaitedConnections(this.#proc, pid, { listening, connections });
    if (!awaited) {
      noteWork(pid, open, finds);
      return 'busy';
    }
    let verdict: KeptVerdict = 'kept';
    for (const connection of known) {
      const waits = awaited.get(connection.inode);
      if (!waits) return 'busy';
      const found = this.#look(leader, pid, connection, waits, finds);
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
    { how, task, isReading }: Awaited,
    finds: KeptFinds,
  ): KeptVerdict {
    const nowMs = this.#nowMs();
    if (this.#ending.has(leader)) {
      this.#traffic.add(pid, traffic.descriptor, inode, () => this.#holds(pid, traffic.descriptor, inode));
    }
    const { last, events } = this.#traffic.of(inode);
    const switches = this.#switches(pid, task);
    const woken = switches - (this.#stops.get(pid) ?? 0);
    const quietMs = this.#quietFor(inode, `${task} ${woken} ${events}`, nowMs);
    const answered = this.#isAnswered(pid, last, traffic);
    const isQuietFor = traffic.tcp?.quietMs ?? quietMs;
    const isKept = answered
      ? isQuietFor >= breathMs
      : answered === undefined && how === 'alone' && isQuietFor >= this.#quietMs;
    if (!isKept) {
      const isGap = how === 'alone' && isReading && isQuietFor < inUseMs;
      if (isGap) finds.gaps.push({ pid, descriptor: traffic.descriptor, inode });
      return answered === false ? 'busy' : 'unclear';
    }
    finds.kept.push({ pid, inode, traffic, events, task, switches });
    return 'kept';
  }

  /** Undefined: it cannot be told. */
  #isAnswered(pid: number, last: Traffic['last'], { tcp }: SeenTraffic): boolean | undefined {
    if (tcp?.isAnswered !== undefined) return tcp.isAnswered;
    if (last === 'answered') return true;
    return tcp || last === 'unknown' || readsBehindItsAnswer(this.#proc, pid) ? undefined : false;
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

/** It may be done with it in a moment, unless it waits for the rest of it. */
function noteWork(pid: number, open: readonly Connection[], { gaps }: KeptFinds): void {
  const [connection, ...others] = open;
  const { inode, traffic } = connection ?? {};
  if (!inode || !traffic || others.length > 0) return;
  const isInUse = traffic.tcp === undefined || traffic.tcp.quietMs < inUseMs;
  if (isInUse && !traffic.hasUnread) gaps.push({ pid, descriptor: traffic.descriptor, inode });
}
