// How a worker ended, and the words for it. Facts of waitpid(2), and of a worker that there never was.

/** `status` of exit(2) or the number of the signal that ended it. */
export type WorkerExit =
  | { readonly kind: 'exited'; readonly status: number }
  | { readonly kind: 'signaled'; readonly signal: number };

/** Why a worker is gone: it ended, or it could not be executed (`errno`). */
export type WorkerEnd = WorkerExit | { readonly kind: 'not-executed'; readonly errno: number };

/** Decodes waitpid(2)'s status word (the layout of <bits/waitstatus.h>). */
export function decodeWaitStatus(word: number): WorkerExit {
  const signal = word & 0x7f;
  return signal === 0 ? { kind: 'exited', status: (word >> 8) & 0xff } : { kind: 'signaled', signal };
}

/** 1.6's line for a child that died: `child exited with: 3`, `child signaled: 9`. */
export function describeChildDeath(exit: WorkerExit): string {
  return exit.kind === 'exited' ? `child exited with: ${exit.status}` : `child signaled: ${exit.signal}`;
}
