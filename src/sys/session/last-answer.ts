// The last answer on a kept connection. Between its end and that of the connection a client may use it again, and lose a
// request that it may not repeat. So the end of the answer is sent in its worker's place, with the end of the connection
// right behind it or, on TCP, in the same segment, and for nginx with what makes it give the connection up.
import { DescriptorLender } from '../connection/descriptor-lender.ts';
import { peerOn } from '../connection/peer-process.ts';
import { attempt, libc } from '../libc/libc.ts';
import { poll, POLLIN } from '../libc/poll.ts';
import { IPPROTO_TCP, MSG_DONTWAIT, MSG_NOSIGNAL } from '../libc/socket-numbers.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { bytesToWrite } from '../proc/thread-call.ts';
import type { TracedCall, TracedProcess } from '../process/traced-process.ts';
import { inodeOf } from '../socket/socket-file.ts';
import { unreadBytes } from '../socket-state/socket-facts.ts';
import type { ServedConnection } from './release-chase.ts';

/** END_REQUEST, without padding. */
const endRecordBytes = 16;
/** What is sent at once is one piece for who reads it. */
const mostBytes = 8192;
const SHUT_RD = 0;
const SHUT_RDWR = 2;
/** A client that has a next request sends it within that. */
const pauseMs = 4;
const TCP_CORK = 3;

/**
 * A record behind the end of an answer, FCGI_UNKNOWN_TYPE of the management: nothing is said by it. nginx keeps a connection
 * only if END_REQUEST is the last that it has read of it (ngx_http_fastcgi_input_filter).
 */
const afterTheEnd = Buffer.of(1, 11, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

/** At the other end of a connection: anybody over TCP; over a Unix socket nginx, or another. */
export type Client = 'tcp' | 'nginx' | 'other';

export function clientOf(proc: ProcFs, pid: number, { descriptor, inode, isTcp }: ServedConnection): Client {
  if (isTcp) return 'tcp';
  const peer = withBorrowed(pid, { descriptor, inode }, peerOn)?.pid;
  return peer && proc.readText(`${peer}/comm`) === 'nginx\n' ? 'nginx' : 'other';
}

/**
 * Of a process that is stopped between two requests on a Unix socket: whether its client has not used the connection for a
 * moment, which is over then.
 */
export function hangUpInPause(pid: number, served: Pick<ServedConnection, 'descriptor' | 'inode'>): boolean {
  const isOver = withBorrowed(pid, served, (borrowed) => {
    if (poll(borrowed, POLLIN, pauseMs) !== 0) return false;
    // What has come before can be told from what has not: it is answered, and then the end is read.
    libc.shutdown(borrowed, SHUT_RD);
    if (unreadBytes(borrowed) === 0) libc.shutdown(borrowed, SHUT_RDWR);
    return true;
  });
  return isOver === true;
}

/** Undefined where it may not be borrowed, or is another one by now. */
function withBorrowed<T>(
  pid: number,
  { descriptor, inode }: Pick<ServedConnection, 'descriptor' | 'inode'>,
  run: (borrowed: number) => T,
): T | undefined {
  const lender = new DescriptorLender(pid);
  const borrowed = lender.borrow(descriptor);
  lender.close();
  if (borrowed < 0) return undefined;
  try {
    return inodeOf(borrowed) === inode ? run(borrowed) : undefined;
  } finally {
    libc.close(borrowed);
  }
}

/** Whether this call writes the end of an answer. */
export function endsAnswer(pid: number, call: TracedCall): boolean {
  const end = bytesToWrite(pid, call, endRecordBytes);
  return end?.length === endRecordBytes && isEndRecord(end);
}

/** Version 1, type 3, whatever request, 8 bytes of content. */
function isEndRecord(bytes: Buffer): boolean {
  return bytes.readUInt16BE(0) === 0x0103 && bytes.readUInt32BE(4) === 0x0008_0000;
}

/**
 * Of a process that has stopped before it writes the end of an answer. What could
 * be sent was, the connection is over if that was all, and the call does nothing now but to say so. Of a long answer what
 * comes first is written first, and the next call writes the end. A client without room leaves everything as it is.
 */
export function sendInItsPlace(
  pid: number,
  served: ServedConnection,
  client: Client,
  traced: TracedProcess,
  call: TracedCall,
): void {
  const [, , third = 0n] = call.values;
  const size = Number(third);
  // The program goes on with what was not written, as it must.
  if (size > mostBytes) return void traced.setThirdArgument(size - mostBytes / 2, third);
  const bytes = bytesToWrite(pid, call, mostBytes);
  if (bytes?.length !== size) return;
  const sent = withBorrowed(pid, served, (borrowed) => {
    const all = client === 'nginx' ? Buffer.concat([bytes, afterTheEnd]) : bytes;
    if (client === 'tcp') setCork(borrowed, 1);
    // A client that reads slowly has no room for it.
    const count = attempt(() => libc.send(borrowed, all, all.length, MSG_DONTWAIT | MSG_NOSIGNAL));
    // TCP: with what is held back still.
    if (count === all.length) libc.shutdown(borrowed, SHUT_RDWR);
    else if (client === 'tcp') setCork(borrowed, 0);
    return Math.min(count, size);
  });
  if (sent !== undefined && sent > 0) traced.skipCall(sent);
}

/** While it is set, what does not fill a segment stays here for up to 200 ms. */
function setCork(socket: number, value: 0 | 1): void {
  libc.setsockopt(socket, IPPROTO_TCP, TCP_CORK, Buffer.of(value, 0, 0, 0), 4);
}

/** Whether nothing comes from its client for a moment, of a process that is stopped now. */
export function isQuiet(pid: number, served: Pick<ServedConnection, 'descriptor' | 'inode'>): boolean {
  return withBorrowed(pid, served, (borrowed) => poll(borrowed, POLLIN, pauseMs) === 0) ?? true;
}
