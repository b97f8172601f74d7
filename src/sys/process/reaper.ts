// Tells of children that ended. All children of this process are ours (nothing
// here uses child_process), so waitpid(-1) steals from nobody, and as PID 1 it
// reaps inherited orphans as well.
import { decodeWaitStatus, type WorkerExit } from '../../core/worker-exit.ts';
import { attempt, libc } from '../libc/libc.ts';

const WNOHANG = 1;

/**
 * Calls `onExit` for every child that ended, on each SIGCHLD from now on, and `onChange` behind that: one may have been
 * stopped, or have gone on. The result does so at once.
 */
export function watchChildren(
  onExit: (pid: number, exit: WorkerExit) => void,
  onChange?: () => void,
): () => void {
  const status = Buffer.alloc(4);
  const reap = (): void => {
    for (;;) {
      const pid = attempt(() => libc.waitpid(-1, status, WNOHANG));
      if (pid <= 0) break;
      if (isStop(status)) continue;
      onExit(pid, decodeWaitStatus(status.readInt32LE()));
    }
    onChange?.();
  };
  process.on('SIGCHLD', reap);
  return reap;
}

/** Of one that we trace, which waitpid(2) tells of unasked; who traces it asks itself. */
function isStop(status: Buffer): boolean {
  return status[0] === 0x7f;
}

const pauseUs = 500;

/**
 * Before this process ends: what was killed just now is waited for, for so long at most, so that nobody
 * inherits zombies.
 */
export function reapRest(patienceMs: number): void {
  const deadlineMs = performance.now() + patienceMs;
  for (;;) {
    const pid = attempt(() => libc.waitpid(-1, null, WNOHANG));
    if (pid < 0) return;
    if (pid > 0) continue;
    if (performance.now() >= deadlineMs) return;
    libc.usleep(pauseUs);
  }
}

/** Waits for one child, which somebody may have stopped, and for so long at most. False: it is still there. */
export function awaitChild(pid: number, patienceMs: number): boolean {
  const deadlineMs = performance.now() + patienceMs;
  const status = Buffer.alloc(4);
  for (;;) {
    const ended = attempt(() => libc.waitpid(pid, status, WNOHANG));
    if (ended < 0 || (ended > 0 && !isStop(status))) return true;
    if (performance.now() >= deadlineMs) return false;
    libc.usleep(pauseUs);
  }
}
