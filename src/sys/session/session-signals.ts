// Signals to processes of live sessions, and who may not be signalled.
import { constants } from 'node:os';
import { attempt, E, libc } from '../libc/libc.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { mindsTerm } from '../process/term-disposition.ts';

/** TERM to those processes of live workers that do not die of it by the kernel's default action. */
export function askHandlers(proc: ProcFs, leaders: readonly number[]): number[] {
  const asked = new Set<number>();
  for (const { pid, session } of proc.sessionMembers(new Set(leaders))) {
    if (!mindsTerm(proc, pid) || proc.stat(pid)?.session !== session) continue;
    libc.kill(pid, constants.signals.SIGTERM);
    // A worker that was stopped gets its TERM only when it goes on.
    libc.kill(pid, constants.signals.SIGCONT);
    asked.add(session);
  }
  return [...asked];
}

/** The kernel does not let us: it runs as somebody else by a set-user-ID bit. */
export function refusesSignals(pid: number): boolean {
  return attempt(() => libc.kill(pid, 0)) === -E.PERM;
}

export function numberOf(signal: string): number {
  return constants.signals[signal as NodeJS.Signals];
}
