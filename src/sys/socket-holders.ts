// Sessions that have a listening socket: those that no state file names, started in the
// moment in which their supervisor died or daemons that left their session; and whether
// those that one names are what it says.
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

/**
 * Whether the process can be a worker that lost its supervisor: leads a session, runs as that user, somebody in its
 * session has one of these sockets, and its parent has not. Where descriptors may not be listed, user and session decide.
 */
export function isOrphanOn(proc: ProcFs, pid: number, uid: number, inodes: ReadonlySet<string>): boolean {
  const stat = proc.stat(pid);
  if (stat?.session !== pid || uidOf(proc, pid) !== uid) return false;
  return sessionHolds(proc, pid, inodes) && holds(proc, stat.parent, inodes) !== true;
}

/** A wrapper may have left the socket to its children. All processes are looked at only for such a one. */
function sessionHolds(proc: ProcFs, leader: number, inodes: ReadonlySet<string>): boolean {
  return (
    holds(proc, leader, inodes) !== false || othersOf(proc, leader).some((pid) => holds(proc, pid, inodes))
  );
}

/** The other processes of a leader's session. */
export function othersOf(proc: ProcFs, leader: number): number[] {
  return proc
    .sessionMembers(new Set([leader]))
    .map(({ pid }) => pid)
    .filter((pid) => pid !== leader);
}

function uidOf(proc: ProcFs, pid: number): number | undefined {
  const uid = /^Uid:\s*(\d+)/m.exec(proc.readText(`${pid}/status`) ?? '')?.[1];
  return uid === undefined ? undefined : Number(uid);
}

/** Undefined: we may not look, or the first thread has ended and took the list with it. */
function holds(proc: ProcFs, pid: number, inodes: ReadonlySet<string>): boolean | undefined {
  const names = proc.list(`${pid}/fd`);
  if (names.length === 0) return undefined;
  return names.some((name) => {
    const inode = /^socket:\[(\d+)\]$/.exec(proc.readLink(`${pid}/fd/${name}`) ?? '')?.[1];
    return inode !== undefined && inodes.has(inode);
  });
}
