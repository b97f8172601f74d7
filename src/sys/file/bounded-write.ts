// Writes to descriptors that we share with others, so that they must stay blocking: a
// reader that does not read costs us a known time, never more.
import { writeSync } from 'node:fs';
import { libc } from '../libc/libc.ts';

const POLLOUT = 0x004;
/** PIPE_BUF: where poll(2) says that there is room, so much never blocks. */
const chunkBytes = 4096;
const longestLookMs = 100;

/** Returns how many bytes went out until nobody took any for `patienceMs`, or the other side was gone. */
export function writeWithin(descriptor: number, bytes: Buffer, patienceMs: number): number {
  let sent = 0;
  while (sent < bytes.length && waitForRoom(descriptor, patienceMs)) {
    try {
      sent += writeSync(descriptor, bytes, sent, Math.min(chunkBytes, bytes.length - sent));
    } catch (error) {
      // Somebody else was quicker to fill a pipe that the caller had made non-blocking.
      if ((error as { code?: string }).code !== 'EAGAIN') break;
    }
  }
  return sent;
}

function waitForRoom(descriptor: number, patienceMs: number): boolean {
  const poll = Buffer.alloc(8);
  poll.writeInt32LE(descriptor, 0);
  poll.writeInt16LE(POLLOUT, 4);
  const deadlineMs = performance.now() + patienceMs;
  for (;;) {
    const leftMs = Math.max(0, deadlineMs - performance.now());
    // A signal ends poll(2) early.
    if (libc.poll(poll, 1, Math.ceil(Math.min(leftMs, longestLookMs))) > 0) return true;
    if (leftMs === 0) return false;
  }
}
