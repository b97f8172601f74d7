// Borrows descriptors of another process (pidfd_getfd(2), Linux 5.6): the same open
// file, as a close-on-exec descriptor of ours. Who borrows closes.
import { attempt, libc } from '../libc/libc.ts';
import { openProcess } from '../process/pidfd.ts';

/** The same on every architecture. */
const SYS_pidfd_getfd = 438;

export class DescriptorLender {
  readonly #pid: number;
  /** A pidfd, or minus errno; opened at the first need. */
  #process: number | undefined;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** Our descriptor, or minus errno: EPERM where we may not trace it, EBADF or ESRCH where it is gone already. */
  borrow(descriptor: number): number {
    this.#process ??= openProcess(this.#pid);
    const lender = this.#process;
    if (lender < 0) return lender;
    return attempt(() =>
      libc.syscallNumbers(SYS_pidfd_getfd, 'ulong', lender, 'ulong', descriptor, 'ulong', 0),
    );
  }

  close(): void {
    if (this.#process !== undefined && this.#process >= 0) libc.close(this.#process);
    this.#process = undefined;
  }
}
