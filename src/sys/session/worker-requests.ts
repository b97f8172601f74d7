// What a worker is at work on, and since when nothing has come on it, for who ends requests that are stuck
// (docs/stuck-requests.md). The other way round than in session-freeze.ts: what cannot be told is no request.
import { DescriptorLender } from '../connection/descriptor-lender.ts';
import { connectionsOf, type Connection } from '../proc/accepted-connection.ts';
import { clientWaits, rhythmOf } from '../proc/client-waits.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { callOf } from '../proc/thread-call.ts';
import { processRests, processWaits } from '../proc/waiting.ts';
import { libc } from '../libc/libc.ts';
import type { ListenSocket } from '../socket/listen-socket.ts';
import { inodesOf } from '../socket/socket-inodes.ts';
import { unreadBytes } from '../socket-state/socket-facts.ts';
import { TouchWatch, type Touch } from '../socket-state/touch-watch.ts';

/** A connection that processes of one worker hold. */
interface Holder {
  readonly pid: number;
  readonly connection: Connection;
}

export interface HeldConnection {
  readonly inode: string;
  readonly holders: readonly Holder[];
  /**
   * Whether something came, went or was read on it since the last look; true where that cannot be told, or at the first
   * one. Of what has come by TCP the kernel has numbers of its own.
   */
  readonly isTouched: boolean;
}

export interface HeldLook {
  readonly connections: readonly HeldConnection[];
  /** False: one of its processes may not be looked into. */
  readonly isComplete: boolean;
  /** Connections on which each process has done something since the last look, by PID. */
  readonly served: ReadonlyMap<number, ReadonlySet<string>>;
}

const loopPrefix = 'loop ';
const unknown = { touch: 'unknown', unread: 0 } as const;

export class WorkerRequests {
  readonly #proc: ProcFs;
  readonly #listening: ListenSocket;
  readonly #touches = new TouchWatch();
  /** Of connections that may not be borrowed: how often the threads of their processes had slept at the last look. */
  readonly #rhythms = new Map<string, string>();
  /** What each process held at the last look. */
  readonly #heldBy = new Map<number, readonly string[]>();
  readonly #seen = new Map<string, { readonly atMs: number; readonly unread: number }>();

  constructor(proc: ProcFs, listening: ListenSocket) {
    this.#proc = proc;
    this.#listening = listening;
  }

  /** What these processes of a worker hold; who plainly waits for the next connection is not asked. */
  held(members: readonly number[]): HeldLook {
    const found = new Map<string, Holder[]>();
    let isComplete = true;
    for (const pid of members) {
      if (this.#isIdle(pid)) continue;
      for (const connection of connectionsOf(this.#proc, pid, this.#listening)) {
        if (connection === 'unknown') isComplete = false;
        else found.set(connection.inode, [...(found.get(connection.inode) ?? []), { pid, connection }]);
      }
    }
    const served = new Map(members.map((pid) => [pid, this.#closedBy(pid, found)] as const));
    const connections = [...found].map(([inode, holders]) => {
      const { isTouched, hasServed } = this.#look(inode, holders);
      if (hasServed) for (const { pid } of holders) served.get(pid)?.add(inode);
      return { inode, holders, isTouched };
    });
    return { connections, isComplete, served };
  }

  /** Whether a process is at work on it; false: it waits for its client, or has forgotten it, or it cannot be told. */
  isRequest({ inode, holders }: HeldConnection, { connections, served }: HeldLook): boolean {
    const sockets = new Set([...inodesOf(this.#listening), ...connections.map((one) => one.inode)]);
    return !holders.some(({ pid, connection }) => {
      const servesOthers = [...(served.get(pid) ?? [])].some((other) => other !== inode);
      return this.#isAtRest(pid, connection, sockets, servesOthers);
    });
  }

  /** All that is known of other connections is forgotten. */
  keepOnly(inodes: ReadonlySet<string>): void {
    this.#touches.keepOnly(inodes);
    for (const [pid, held] of this.#heldBy)
      if (!held.some((inode) => inodes.has(inode))) this.#heldBy.delete(pid);
    for (const inode of this.#seen.keys()) if (!inodes.has(inode)) this.#seen.delete(inode);
    for (const name of this.#rhythms.keys()) {
      if (!inodes.has(name.replace(loopPrefix, ''))) this.#rhythms.delete(name);
    }
  }

  close(): void {
    this.keepOnly(new Set());
  }

  /** One thread, which is in accept(2): what most workers are at, seen at a tenth of the price. */
  #isIdle(pid: number): boolean {
    const tasks = this.#proc.list(`${pid}/task`);
    return tasks.length === 1 && callOf(this.#proc, pid, String(pid)).kind === 'accept';
  }

  /** What it held at the last look, and has closed since; nobody else can do that. */
  #closedBy(pid: number, found: ReadonlyMap<string, readonly Holder[]>): Set<string> {
    const holds = (inode: string): boolean => found.get(inode)?.some((holder) => holder.pid === pid) === true;
    const closed = (this.#heldBy.get(pid) ?? []).filter((inode) => !holds(inode));
    const now = [...found.keys()].filter(holds);
    if (now.length > 0) this.#heldBy.set(pid, now);
    else this.#heldBy.delete(pid);
    return new Set(closed);
  }

  #look(inode: string, [holder]: readonly Holder[]): { isTouched: boolean; hasServed: boolean } {
    const traffic = holder?.connection.traffic;
    const before = this.#seen.get(inode);
    const atMs = performance.now();
    if (traffic?.tcp) {
      const unread = Number(traffic.hasUnread);
      this.#seen.set(inode, { atMs, unread });
      const sinceMs = atMs - (before?.atMs ?? Number.NEGATIVE_INFINITY);
      const hasSent = (traffic.tcp.sentMs ?? Number.POSITIVE_INFINITY) < sinceMs;
      const hasRead = unread < (before?.unread ?? 0);
      return { isTouched: !before || hasRead, hasServed: hasSent || hasRead };
    }
    const { touch, unread } =
      holder && traffic ? this.#touch(holder.pid, inode, traffic.descriptor) : unknown;
    this.#seen.set(inode, { atMs, unread });
    if (touch === 'unknown') {
      const isTouched = !holder || (this.#hasMoved(inode, holder.pid) ?? true);
      return { isTouched, hasServed: isTouched };
    }
    const isTouched = touch === 'touched' || touch === 'new';
    // What has only come makes the heap of what is not read higher.
    const height = unread - (before?.unread ?? 0);
    return { isTouched: isTouched || height < 0, hasServed: height < 0 || (isTouched && height === 0) };
  }

  #touch(pid: number, inode: string, descriptor: number): { touch: Touch; unread: number } {
    const lender = new DescriptorLender(pid);
    const borrowed = lender.borrow(descriptor);
    lender.close();
    if (borrowed < 0) return unknown;
    try {
      return { touch: this.#touches.look(inode, borrowed), unread: unreadBytes(borrowed) ?? 0 };
    } finally {
      libc.close(borrowed);
    }
  }

  /** Whether a thread of its process was asleep and is not any more: it may have got the next request. */
  #hasMoved(inode: string, pid: number): boolean | undefined {
    const before = this.#rhythms.get(inode);
    const now = rhythmOf(this.#proc, pid);
    this.#rhythms.set(inode, now);
    return before === undefined ? undefined : before !== now;
  }

  #isAtRest(
    pid: number,
    { inode, end, traffic }: Connection,
    sockets: ReadonlySet<string>,
    servesOthers: boolean,
  ): boolean {
    const listening = inodesOf(this.#listening);
    if (end === 'closed' && processWaits(this.#proc, pid, listening) === 'yes') return true;
    if (end === 'hung-up' && processRests(this.#proc, pid, listening)) return true;
    // It waits in a queue of the process itself.
    if (traffic?.hasUnread) return servesOthers;
    const waits = clientWaits(this.#proc, pid, inode, sockets);
    if (waits === 'yes' || waits === 'no') return waits === 'yes';
    // An event loop that serves others is not stuck. One that serves nobody, but waits, may have done with this one.
    if (servesOthers) return true;
    if (traffic?.tcp?.isAnswered === false) return false;
    return waits === 'also' || this.#hasMoved(`${loopPrefix}${inode}`, pid) !== false;
  }
}
