// Becomes another program in this process (-n): same PID, streams and exit
// status. process.execve cannot be used, it aborts Node when the exec fails.
import type { WorkerAttributes } from '../../core/worker-attributes.ts';
import { becomeOf } from '../attributes/own-attributes.ts';
import { cString, StringVector } from '../libc/memory.ts';
import { F_SETFD } from '../libc/fcntl-numbers.ts';
import { errno, libc } from '../libc/libc.ts';
import { setFileLimit, type Limit } from './resource-limit.ts';
import type { CommandLine } from './spawn-worker.ts';

// Numbers, since node:os, which has them, costs this path 0.8 ms.
const SIGPIPE = 13;
const SIGXFSZ = 25;
const SIG_UNBLOCK = 1;
/** The same on every architecture. By number, since glibc has a function for it only since 2.34, and musl has none. */
const SYS_close_range = 436;
const CLOSE_RANGE_CLOEXEC = 4;
/** 32 and 33 belong to the C library; musl takes 34 as well and refuses it. */
const firstRealTimeSignal = 34;
const lastRealTimeSignal = 64;

/** Marks everything above 2 close-on-exec: Node does so only up to the first gap above 15. */
export function closeOnExecAbove2(): void {
  libc.syscallNumbers(SYS_close_range, 'ulong', 3, 'ulong', 0xffffffff, 'ulong', CLOSE_RANGE_CLOEXEC);
}

/** Real-time signals end a process by default, and Node has no names for them. Workers get the default back. */
export function ignoreRealTimeSignals(): void {
  setRealTimeSignals(1n);
}

function setRealTimeSignals(disposition: bigint | null): void {
  for (let signal = firstRealTimeSignal; signal <= lastRealTimeSignal; signal++)
    libc.signal(signal, disposition);
}

/** Lets SIGUSR1 through again, which --disable-sigusr1 blocked; install the handler first. */
export function unblockAllSignals(): void {
  libc.sigprocmask(SIG_UNBLOCK, Buffer.alloc(128, 0xff), null);
}

/**
 * Executes the command in place of this process, with descriptors 0-2 and those in `kept`. Returns only when that failed,
 * with the errno of execve(2); throws what it cannot be held to.
 */
export function execInPlace(
  command: CommandLine,
  environment: readonly Buffer[],
  limit: Limit,
  kept: readonly number[] = [],
  attributes?: WorkerAttributes,
): number {
  closeOnExecAbove2();
  // Node marks 0-2 close-on-exec at start; the program would lose them.
  for (const descriptor of [0, 1, 2, ...kept]) libc.fcntl(descriptor, F_SETFD, 'int', 0);
  // Node has set the others to their defaults, which only these two are not; real-time signals are ours.
  setRealTimeSignals(null);
  for (const signal of [SIGPIPE, SIGXFSZ]) libc.signal(signal, null);
  unblockAllSignals();
  const argv = new StringVector(command.argv);
  const env = new StringVector(environment);
  const path = cString(command.path);
  setFileLimit(limit);
  if (attributes) {
    // Declares it, while there is memory for that.
    libc.execve(cString(''), argv.pointers, env.pointers);
    becomeOf(attributes);
  }
  libc.execve(path, argv.pointers, env.pointers);
  return errno();
}
