// poll(2) of one descriptor.
import { attempt, libc } from './libc.ts';

export const POLLIN = 1;
export const POLLOUT = 4;
export const POLLHUP = 0x10;
const longestMs = 0x7fff_ffff;

/** What has happened of `events` within that time, and errors and hang-ups; 0: nothing. */
export function poll(descriptor: number, events: number, waitMs = 0): number {
  const entry = entryFor(descriptor, events);
  return attempt(() => libc.poll(entry, 1, waitMs)) > 0 ? entry.readInt16LE(6) : 0;
}

/** Whether something has happened by then. */
export function pollUntil(descriptor: number, events: number, deadlineMs: number): boolean {
  const entry = entryFor(descriptor, events);
  for (;;) {
    const leftMs = Math.max(0, Math.ceil(deadlineMs - performance.now()));
    // A signal ends the call early: what is left is counted again.
    if (libc.poll(entry, 1, Math.min(leftMs, longestMs)) > 0) return true;
    if (leftMs === 0) return false;
  }
}

/** struct pollfd. */
function entryFor(descriptor: number, events: number): Buffer {
  const entry = Buffer.alloc(8);
  entry.writeInt32LE(descriptor);
  entry.writeInt16LE(events, 4);
  return entry;
}
