// The last answer on a kept connection. Between its end and that of the connection a client may use it again, and lose a
// request that it may not repeat. So the end of the answer is sent in its worker's place: on TCP in one segment with the end
// of the connection, on a Unix socket with a record behind it that makes the client give the connection up.
import { DescriptorLender } from '../connection/descriptor-lender.ts';
import { attempt, libc } from '../libc/libc.ts';
import { IPPROTO_TCP, MSG_DONTWAIT, MSG_NOSIGNAL } from '../libc/socket-numbers.ts';
import { bytesToWrite } from '../proc/thread-call.ts';
import type { TracedCall, TracedProcess } from '../process/traced-process.ts';
import { inodeOf } from '../socket/socket-file.ts';
import type { ServedConnection } from './release-chase.ts';

/** END_REQUEST, without padding. */
const endRecordBytes = 16;
/** What is sent at once is one piece for who reads it. */
const mostBytes = 8192;
const SHUT_RDWR = 2;
const TCP_CORK = 3;

/**
 * A record behind the end of an answer, FCGI_UNKNOWN_TYPE of the management: nothing is said by it. nginx keeps a connection
 * only if END_REQUEST is the last that it has read of it (ngx_http_fastcgi_input_filter).
 */
const afterTheEnd = Buffer.of(1, 11, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

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
 * Of a process that has stopped before it writes the end of an answer. `sent`: it was, the connection is over, and the
 * call, which does nothing now, is to have that result. `shortened`: what comes first is written first, and the next call
 * writes the end. False: it was left as it is.
 */
export function sendInItsPlace(
  pid: number,
  { descriptor, inode, isTcp }: ServedConnection,
  traced: TracedProcess,
  call: TracedCall,
): { readonly sent: number } | 'shortened' | false {
  const size = Number(call.values[2]);
  // The program goes on with what was not written, as it must.
  if (size > mostBytes) return traced.setThirdArgument(size - mostBytes / 2) && 'shortened';
  const bytes = bytesToWrite(pid, call, mostBytes);
  const lender = new DescriptorLender(pid);
  const borrowed = lender.borrow(descriptor);
  lender.close();
  if (borrowed < 0) return false;
  try {
    if (bytes?.length !== size || inodeOf(borrowed) !== inode) return false;
    const all = isTcp ? bytes : Buffer.concat([bytes, afterTheEnd]);
    if (isTcp) libc.setsockopt(borrowed, IPPROTO_TCP, TCP_CORK, Buffer.of(1, 0, 0, 0), 4);
    // A client that reads slowly has no room for it.
    const count = attempt(() => libc.send(borrowed, all, all.length, MSG_DONTWAIT | MSG_NOSIGNAL));
    if (count <= 0) return false;
    // TCP: with what is held back still.
    if (count === all.length) libc.shutdown(borrowed, SHUT_RDWR);
    traced.skipCall();
    return { sent: Math.min(count, size) };
  } finally {
    libc.close(borrowed);
  }
}
