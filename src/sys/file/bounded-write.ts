// Writes to descriptors that we share with others, so that they must stay blocking: a
// reader that does not read costs us a known time, never more.
import { writeSync } from 'node:fs';
import { POLLOUT, pollUntil } from '../libc/poll.ts';

/** PIPE_BUF: where poll(2) says that there is room, so much never blocks. */
const chunkBytes = 4096;

/** Returns how many bytes went out until nobody took any for `patienceMs`, or the other side was gone. */
export function writeWithin(descriptor: number, bytes: Buffer, patienceMs: number): number {
  let sent = 0;
  while (sent < bytes.length && pollUntil(descriptor, POLLOUT, performance.now() + patienceMs)) {
    try {
      sent += writeSync(descriptor, bytes, sent, Math.min(chunkBytes, bytes.length - sent));
    } catch (error) {
      // Somebody else was quicker to fill a pipe that the caller had made non-blocking.
      if ((error as { code?: string }).code !== 'EAGAIN') break;
    }
  }
  return sent;
}
