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
import { TouchWatch } from '../socket-state/touch-watch.ts';

/** A connection that processes of one worker hold. */
export interface HeldConnection {
  readonly inode: string;
  readonly holders: readonly { readonly pid: number; readonly connection: Connection }[];
}

export interface HeldLook {
  readonly connections: readonly HeldConnection[];
  /** False: one of its processes may not be looked into. */
  readonly isComplete: boolean;
}

const loopPrefix = 'loop ';

export class WorkerRequests {
  readonly #proc: ProcFs;
  readonly #listening: ListenSocket;
  readonly #touches = new TouchWatch();
  /** Of connections that may not be borrowed: how often the threads of their processes had slept at the last look. */
  readonly #rhythms = new Map<string, string>();

  constructor(proc: ProcFs, listening: ListenSocket) {
    this.#proc = proc;
    this.#listening = listening;
  }

  /** What these processes of a worker hold; who plainly waits for the next connection is not asked. */
  held(members: readonly number[]): HeldLook {
    const found = new Map<string, { pid: number; connection: Connection }[]>();
    let isComplete = true;
    for (const pid of members) {
      if (this.#isIdle(pid)) continue;
      for (const connection of connectionsOf(this.#proc, pid, this.#listening)) {
        if (connection === 'unknown') isComplete = false;
        else found.set(connection.inode, [...(found.get(connection.inode) ?? []), { pid, connection }]);
      }
    }
    return { connections: [...found].map(([inode, holders]) => ({ inode, holders })), isComplete };
  }

  /** Whether something came or went on it since it was asked last; undefined: it was not asked before. */
  isTouched({ inode, holders }: HeldConnection): boolean | undefined {
    const [holder] = holders;
    if (!holder) return undefined;
    // TCP has numbers of its own.
    if (holder.connection.traffic?.tcp) return false;
    const touch = this.#touch(holder.pid, holder.connection);
    if (touch === 'new') return undefined;
    return touch === 'unknown' ? this.#hasMoved(inode, holder.pid) : touch === 'touched';
  }

  /** Whether a process is at work on it; false: it waits for its client, or has forgotten it, or it cannot be told. */
  isRequest({ holders }: HeldConnection, among: HeldLook): boolean {
    const own = among.connections.map(({ inode }) => inode);
    const sockets = new Set([...inodesOf(this.#listening), ...own]);
    return !holders.some(({ pid, connection }) => this.#isAtRest(pid, connection, sockets));
  }

  /** All that is known of other connections is forgotten. */
  keepOnly(inodes: ReadonlySet<string>): void {
    this.#touches.keepOnly(inodes);
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

  #touch(pid: number, { inode, traffic }: Connection): ReturnType<TouchWatch['look']> {
    if (!traffic) return 'unknown';
    const lender = new DescriptorLender(pid);
    const borrowed = lender.borrow(traffic.descriptor);
    lender.close();
    if (borrowed < 0) return 'unknown';
    try {
      return this.#touches.look(inode, borrowed);
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

  #isAtRest(pid: number, { inode, end, traffic }: Connection, sockets: ReadonlySet<string>): boolean {
    const listening = inodesOf(this.#listening);
    if (end === 'closed') return processWaits(this.#proc, pid, listening) === 'yes';
    if (end === 'hung-up') return processRests(this.#proc, pid, listening);
    if (traffic?.hasUnread) return false;
    const waits = clientWaits(this.#proc, pid, inode, sockets);
    if (waits === 'yes' || waits === 'no') return waits === 'yes';
    if (traffic?.tcp?.isAnswered === false) return false;
    // A loop that does nothing any more is stuck with all that it has; of one that lives it cannot be told.
    return waits === 'also' || this.#hasMoved(`${loopPrefix}${inode}`, pid) !== false;
  }
}
