// A process held by a descriptor: its number may be another's later.
import { attempt, libc } from '../libc/libc.ts';

/** The same on every architecture. */
const SYS_pidfd_open = 434;

/** pidfd_open(2), Linux 5.3: close-on-exec, readable from the end of the process on; or minus errno. */
export function openProcess(pid: number): number {
  return attempt(() => libc.syscallNumbers(SYS_pidfd_open, 'ulong', pid, 'ulong', 0, 'ulong', 0));
}
