// Sessions that have a listening socket although no state file names them: started in
// the moment in which their supervisor died, or daemons that left their session.
import type { AdoptedWorker } from '../supervisor/interfaces.ts';
import type { ProcFs } from './proc-fs.ts';

/**
 * Leaders of sessions that hold the socket as descriptor 0, as workers do, but those in
 * `known`. A session counts only if its leader holds it: a shell that somebody debugs from does not.
 */
export function sessionsHolding(proc: ProcFs, inode: string, known: ReadonlySet<number>): AdoptedWorker[] {
  return proc.pids().flatMap((pid) => {
    if (pid === process.pid || known.has(pid)) return [];
    if (proc.readLink(`${pid}/fd/0`) !== `socket:[${inode}]`) return [];
    const stat = proc.stat(pid);
    return stat?.session === pid ? [{ pid, startTime: stat.startTime }] : [];
  });
}
