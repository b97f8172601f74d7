// open(2) of a file that somebody else may have a lease on (fcntl(2), F_SETLEASE). Without O_NONBLOCK the kernel would
// wait for its holder, 45 s and longer; with it the holder is told just as well, and we hear EAGAIN at once.
import { E, libc } from '../libc/libc.ts';

const patienceMs = 500;
const pauseUs = 5000;

/** `open`, with O_NONBLOCK, returns minus errno; tried again for a moment, in which a file server gives its lease up. */
export function openPastLease(open: () => number): number {
  const deadlineMs = performance.now() + patienceMs;
  for (;;) {
    const result = open();
    if (result !== -E.AGAIN || performance.now() >= deadlineMs) return result;
    libc.usleep(pauseUs);
  }
}

/** What to do about EAGAIN. */
export function describeLease(path: string): string {
  return `another process has a lease on '${path}' and does not give it up (/proc/locks names it by inode): end it, or name another file`;
}
