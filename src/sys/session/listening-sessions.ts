// Sessions that have a listening socket, whoever has started them: by it one can tell what nobody supervises, as 1.6 leaves
// it, from what somebody else looks after.
import type { AdoptedWorker } from '../../core/pool/roster.ts';
import { isRunning, type ProcessStat } from '../proc/process-stat.ts';
import type { ProcFs } from '../proc/proc-fs.ts';

/** A process that has the socket open. */
export interface SocketProcess extends ProcessStat {
  /** The numbers under which it has it. */
  readonly descriptors: readonly number[];
}

export interface ListeningSession {
  readonly session: number;
  /** Undefined: it has ended, also where it was not reaped yet. */
  readonly leader: ProcessStat | undefined;
  /** Those of its processes that have the socket, oldest number first. */
  readonly members: readonly SocketProcess[];
}

/** All that may be looked into, but for ourselves. */
export function listeningSessions(proc: ProcFs, inode: string): ListeningSession[] {
  const bySession = new Map<number, SocketProcess[]>();
  for (const pid of proc.pids()) {
    const descriptors = pid === process.pid ? [] : descriptorsOf(proc, pid, inode);
    const stat = descriptors.length === 0 ? undefined : proc.stat(pid);
    if (!stat || !isRunning(stat)) continue;
    bySession.set(stat.session, [...(bySession.get(stat.session) ?? []), { ...stat, descriptors }]);
  }
  return [...bySession].map(([session, members]) => ({
    session,
    leader: leaderOf(proc, session),
    members: members.toSorted((a, b) => a.pid - b.pid),
  }));
}

function leaderOf(proc: ProcFs, session: number): ProcessStat | undefined {
  const stat = proc.stat(session);
  return stat && stat.session === session && isRunning(stat) ? stat : undefined;
}

/** Where the first thread alone has ended it took the list with it, and another one has it still. */
function descriptorsOf(proc: ProcFs, pid: number, inode: string): number[] {
  const wanted = `socket:[${inode}]`;
  const numbersIn = (path: string): number[] =>
    proc
      .list(path)
      .filter((name) => proc.readLink(`${path}/${name}`) === wanted)
      .map(Number);
  const found = numbersIn(`${pid}/fd`);
  if (found.length > 0 || proc.stat(pid)?.state !== 'Z') return found;
  const threads = proc.list(`${pid}/task`).filter((task) => task !== String(pid));
  return threads.flatMap((task) => numbersIn(`${pid}/task/${task}/fd`)).slice(0, 1);
}

/**
 * Those that head a session as workers do: the leader, with the socket as descriptor 0; where that has ended, whoever of
 * its processes has no parent among them.
 */
export function headsOf({ leader, session, members }: ListeningSession): SocketProcess[] {
  const pids = new Set(members.map(({ pid }) => pid));
  const heads = leader
    ? members.filter(({ pid }) => pid === session)
    : members.filter(({ parent }) => !pids.has(parent));
  return heads.every(({ descriptors }) => descriptors.includes(0)) ? heads : [];
}

/** The sessions of these workers as they are now: of one that has ended somebody else may be left, who has the socket. */
export function survivorsOf(
  proc: ProcFs,
  inode: string,
  workers: readonly AdoptedWorker[],
): readonly AdoptedWorker[] {
  const alive = workers.filter((worker) => proc.isAlive(worker));
  if (alive.length === workers.length) return alive;
  const known = new Set(alive.map(({ pid, session = pid }) => session));
  const ended = new Set(workers.map(({ pid, session = pid }) => session).filter((one) => !known.has(one)));
  const left = listeningSessions(proc, inode).filter(({ session }) => ended.has(session));
  const survivors = left.flatMap(({ members }) => members.slice(0, 1));
  return [...alive, ...survivors.map(({ pid, startTime, session }) => ({ pid, startTime, session }))];
}
