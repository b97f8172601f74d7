// A connection that is never quiet: its worker is stopped between two requests, for a moment, until the next one has come.
// Where that is seen to be a whole one, nothing further is let in: the program answers it, reads the end, and closes.
import { DescriptorLender } from '../connection/descriptor-lender.ts';
import { attempt, libc } from '../libc/libc.ts';
import { poll, POLLIN } from '../libc/poll.ts';
import { MSG_DONTWAIT } from '../libc/socket-numbers.ts';
import { callOf } from '../proc/thread-call.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { isNonBlocking } from '../socket/non-blocking.ts';
import { inodeOf } from '../socket/socket-file.ts';
import { unreadBytes } from '../socket-state/socket-facts.ts';

/** How long a client may have to wait for that, and everybody else for us. */
const holdMs = 4;
const mostBytes = 65_536;
const SHUT_RD = 0;
const MSG_PEEK = 2;
const IPPROTO_TCP = 6;
const TCP_CORK = 3;

const types = { begin: 1, params: 4, stdin: 5 } as const;
const headerBytes = 8;

const watchUs = 50;
/** The gap between two requests is short: to see it, one has to look all the time. */
const watchMs = 10;
/** Of all that we do, for all workers together. */
const betweenWatchesMs = 30;

let nextWatchMs = 0;

/** The one connection of a process, where its next gap between two requests may be caught. */
export interface Gap {
  readonly pid: number;
  readonly descriptor: number;
  readonly inode: string;
}

/**
 * Waits, not for long, until the process has nothing to do but to read the next request: it has one thread, which is in
 * read(2) or recv(2) for this connection. False: it has more threads, or goes on with what it is at.
 */
export function isGapSeen(proc: ProcFs, { pid, descriptor }: Gap): boolean {
  if (performance.now() < nextWatchMs || proc.list(`${pid}/task`).length !== 1) return false;
  const deadlineMs = performance.now() + watchMs;
  do {
    const { kind, values } = callOf(proc, pid, String(pid));
    if (kind === 'read' && Number(values[0]) === descriptor) return true;
    libc.usleep(watchUs);
  } while (performance.now() < deadlineMs);
  nextWatchMs = performance.now() + betweenWatchesMs;
  return false;
}

/**
 * Of a process that is stopped now. `taken`: the request that has come is the last one on its connection; `something-else`
 * has come, or it cannot be told.
 */
export function takeLastRequest({
  pid,
  descriptor,
  inode,
}: Gap): 'taken' | 'nothing-came' | 'something-else' {
  const lender = new DescriptorLender(pid);
  const borrowed = lender.borrow(descriptor);
  lender.close();
  if (borrowed < 0) return 'something-else';
  try {
    // Who never blocks in it may read the end before it has answered.
    if (isNonBlocking(borrowed) || inodeOf(borrowed) !== inode) return 'something-else';
    if ((poll(borrowed, POLLIN, holdMs) & POLLIN) === 0) return 'nothing-came';
    const bytes = Buffer.alloc(Math.min(unreadBytes(borrowed) ?? 0, mostBytes));
    const length = attempt(() => libc.recv(borrowed, bytes, bytes.length, MSG_PEEK | MSG_DONTWAIT));
    if (length !== bytes.length || !isWholeRequest(bytes)) return 'something-else';
    // TCP: the end of the answer and that of the connection leave together. Elsewhere there is no such option.
    libc.setsockopt(borrowed, IPPROTO_TCP, TCP_CORK, Buffer.of(1, 0, 0, 0), 4);
    return libc.shutdown(borrowed, SHUT_RD) === 0 ? 'taken' : 'something-else';
  } finally {
    libc.close(borrowed);
  }
}

/**
 * Whether these are the records of one request, from its beginning to the end of its body and nothing else: where they
 * are what a program reads next it was between two requests. Who sends a body that looks like it harms his own request.
 */
export function isWholeRequest(bytes: Buffer): boolean {
  let type: number = types.begin;
  let hasParameters = false;
  for (let at = 0; at + headerBytes <= bytes.length;) {
    const length = bytes.readUInt16BE(at + 4);
    const isFirst = at === 0;
    type = bytes[at + 1] ?? 0;
    if (bytes[at] !== 1 || bytes.readUInt16BE(at + 2) !== bytes.readUInt16BE(2)) return false;
    if (isFirst !== (type === types.begin) || (type === types.stdin) !== hasParameters) return false;
    if (type === types.params && length === 0) hasParameters = true;
    at += headerBytes + length + (bytes[at + 6] ?? 0);
    if (type === types.stdin && length === 0) return at === bytes.length;
  }
  return false;
}
