// What TERM does to a process: whether it handles it, or dies of it by the kernel's default action.
import { constants } from 'node:os';
import type { ProcFs } from '../proc/proc-fs.ts';

/**
 * Whether TERM reaches the program before it could accept again. With several threads one runs the
 * handler while the others go on accepting, and what they accept is lost when the process
 * exits; with TERM at its default nothing of the program would run, so KILL takes nothing from it.
 */
export function actsOnTermAlone(proc: ProcFs, pid: number): boolean {
  const status = proc.readText(`${pid}/status`) ?? '';
  return /^Threads:\s*1$/m.test(status) && minds(status);
}

/** Whether the process catches, ignores or blocks TERM; one that has ended does not. */
export function mindsTerm(proc: ProcFs, pid: number): boolean {
  return minds(proc.readText(`${pid}/status`) ?? '');
}

/** Of /proc/PID/status, which everybody may read. */
function minds(status: string): boolean {
  return ['SigCgt', 'SigIgn', 'SigBlk'].some((set) => {
    const mask = new RegExp(`^${set}:\\s*([0-9a-f]+)`, 'm').exec(status)?.[1] ?? '0';
    return ((BigInt(`0x${mask}`) >> BigInt(constants.signals.SIGTERM - 1)) & 1n) === 1n;
  });
}
