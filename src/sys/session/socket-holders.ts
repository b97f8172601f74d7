// Sessions that have a listening socket: those that no state file names, started in the
// moment in which their supervisor died or daemons that left their session; and whether
// those that one names are what it says.
import type { AdoptedWorker } from '../../core/pool/roster.ts';
import { statAt } from '../path/file-at.ts';
import { isRunning, type ProcessStat } from '../proc/process-stat.ts';
import type { ProcFs } from '../proc/proc-fs.ts';

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

interface StraysOf {
  readonly inodes: ReadonlySet<string>;
  readonly uid: number;
  /** When the pool was started, in ticks since boot: who is older may have the socket by right. */
  readonly since: string;
  /** Sessions that are seen to already. */
  readonly known: ReadonlySet<number>;
}

/**
 * Who has left the session of a worker that lost its supervisor, one for each session: holds the socket, runs as the
 * workers do, is younger than the pool, no supervisor of another one, and descends from nobody else who holds it.
 */
export function straysHolding(proc: ProcFs, { inodes, uid, since, known }: StraysOf): AdoptedWorker[] {
  if (inodes.size === 0) return [];
  const own = proc.stat(process.pid)?.session;
  const isCandidate = ({ pid, session, startTime }: ProcessStat): boolean =>
    session !== own &&
    Number(startTime) >= Number(since) &&
    uidOf(proc, pid) === uid &&
    holds(proc, pid, inodes) === true &&
    !mayBeSupervisor(proc, pid, uid);
  const isOfWorkers = ({ parent }: ProcessStat): boolean => {
    const above = parent > 1 ? proc.stat(parent) : undefined;
    if (!above || known.has(above.session) || holds(proc, parent, inodes) !== true) return true;
    return isCandidate(above) && isOfWorkers(above);
  };
  const bySession = new Map<number, AdoptedWorker>();
  for (const pid of proc.pids()) {
    const stat = proc.stat(pid);
    if (!stat || !isRunning(stat) || known.has(stat.session) || bySession.has(stat.session)) continue;
    if (!isCandidate(stat) || !isOfWorkers(stat)) continue;
    bySession.set(stat.session, { pid, startTime: stat.startTime, session: stat.session });
  }
  return [...bySession.values()];
}

/**
 * Whether it may have the socket by right, as the supervisor of a pool that lives, whose workers it has then, too: it lets
 * nobody of its user look into it, or has a state file open.
 */
function mayBeSupervisor(proc: ProcFs, pid: number, uid: number): boolean {
  if (statAt(proc.descriptor, String(pid))?.uid !== uid) return true;
  return proc
    .list(`${pid}/fd`)
    .some((name) => proc.readLink(`${pid}/fd/${name}`)?.endsWith('.state') === true);
}

/** The same of one that a state names, which has been proven to be that one by its start time. */
export function isStrayOn(
  proc: ProcFs,
  { pid, session }: { readonly pid: number; readonly session: number },
  uid: number,
  inodes: ReadonlySet<string>,
): boolean {
  return proc.stat(pid)?.session === session && uidOf(proc, pid) === uid && holds(proc, pid, inodes) === true;
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

/** Real. */
export function uidOf(proc: ProcFs, pid: number): number | undefined {
  const uid = /^Uid:\s*(\d+)/m.exec(proc.readText(`${pid}/status`) ?? '')?.[1];
  return uid === undefined ? undefined : Number(uid);
}

/** Undefined: we may not look, or the first thread has ended and took the list with it. */
export function holds(proc: ProcFs, pid: number, inodes: ReadonlySet<string>): boolean | undefined {
  const names = proc.list(`${pid}/fd`);
  if (names.length === 0) return undefined;
  return names.some((name) => {
    const inode = /^socket:\[(\d+)\]$/.exec(proc.readLink(`${pid}/fd/${name}`) ?? '')?.[1];
    return inode !== undefined && inodes.has(inode);
  });
}
