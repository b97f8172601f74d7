// Who holds a listening socket: workers that nobody supervises, as 1.6 starts them, and whoever must not be ended with them.
import type { BoundAddress } from '../../core/pool-id.ts';
import type { WorkerRecord } from '../../core/pool-state.ts';
import { DescriptorLender } from '../../sys/connection/descriptor-lender.ts';
import { libc } from '../../sys/libc/libc.ts';
import { listenersAt } from '../../sys/proc/port-holder.ts';
import type { ProcFs } from '../../sys/proc/proc-fs.ts';
import { headsOf, listeningSessions, type ListeningSession } from '../../sys/session/listening-sessions.ts';
import { findRestarter, whoWatches } from '../../sys/session/restarters.ts';
import { nameOf } from '../../sys/process/accounts.ts';
import { uidOf } from '../../sys/session/socket-holders.ts';
import type { ListenSocket } from '../../sys/socket/listen-socket.ts';

/** A process that is in the way, and why, as the end of a sentence. */
export interface Obstacle {
  readonly pid: number;
  readonly name: string;
  readonly why: string;
  /** The way out, which else is to stop whoever runs it. */
  readonly wayOut?: string;
}

type Named = Pick<Obstacle, 'pid'> & { readonly comm: string };

export interface Judged {
  /** One for each session. */
  readonly workers: readonly WorkerRecord[];
  readonly obstacles: readonly Obstacle[];
  /** Another look may show otherwise. */
  readonly isInDoubt: boolean;
}

/** `uid`: as whom ours will run, since they cannot end others'; undefined: that does not matter. */
export function judgeSessions(
  proc: ProcFs,
  sessions: readonly ListeningSession[],
  listening: ListenSocket,
  uid: number | undefined,
): Judged {
  const holders = new Set(sessions.flatMap(({ members }) => members.map(({ pid }) => pid)));
  const workers: WorkerRecord[] = [];
  const obstacles: Obstacle[] = [];
  const others: ListeningSession[] = [];
  let isInDoubt = false;
  for (const session of sessions) {
    const heads = headsOf(session);
    const [first] = heads;
    const isOthersChild = heads.some(({ parent }) => holders.has(parent));
    if (!first || isOthersChild) {
      others.push(session);
      continue;
    }
    const watched = heads.flatMap((head) => obstacleOf(head, whoWatches(proc, head, holders)));
    const restarter = findRestarter(proc, session.members, listening);
    isInDoubt ||= restarter !== undefined;
    obstacles.push(
      ...watched,
      ...(restarter ? obstacleOf(restarter, 'starts workers itself, and may start them again') : []),
      ...session.members.flatMap((member) => othersUser(proc, member, uid)),
    );
    workers.push(recordOf(first));
  }
  for (const session of others) {
    const [first] = session.members;
    if (!first) continue;
    if (descendsFrom(proc, first.parent, workers)) {
      obstacles.push(...session.members.flatMap((member) => othersUser(proc, member, uid)));
      workers.push(recordOf(first));
    } else obstacles.push(...session.members.flatMap((member) => obstacleOf(member, whatItIs(proc, member))));
  }
  return { workers, obstacles, isInDoubt };
}

function recordOf({ pid, startTime, session }: ListeningSession['members'][number]): WorkerRecord {
  return { pid, startTime, ...(session === pid ? {} : { session }) };
}

function obstacleOf({ pid, comm }: Named, why: string | undefined): Obstacle[] {
  return why === undefined ? [] : [{ pid, name: comm, why }];
}

/** Workers of ours could not end it. */
function othersUser(proc: ProcFs, { pid, comm }: Named, uid: number | undefined): Obstacle[] {
  const own = uidOf(proc, pid);
  if (uid === undefined || own === undefined || own === uid) return [];
  const [name, ours] = [own, uid].map((one) => nameOf(one, 'passwd'));
  return [
    {
      pid,
      name: comm,
      why: `runs as ${name}, and who runs as ${ours} cannot end it`,
      wayOut: `take it over with -u ${name} first, and change the user by a further --replace`,
    },
  ];
}

/** What a worker has started and what has left its session is its own. */
function descendsFrom(proc: ProcFs, pid: number, workers: readonly WorkerRecord[]): boolean {
  for (let next = proc.stat(pid); next && next.pid > 1; next = proc.stat(next.parent)) {
    const { session } = next;
    if (workers.some((worker) => (worker.session ?? worker.pid) === session)) return true;
  }
  return false;
}

function whatItIs(proc: ProcFs, { parent, descriptors }: ListeningSession['members'][number]): string {
  const above = parent > 1 ? proc.stat(parent) : undefined;
  if (above) return `was started by PID ${parent} (${above.comm})`;
  return descriptors.includes(0)
    ? 'leads no session, as workers do that 1.6 has started'
    : `has it as descriptor ${descriptors[0]}, not as 0`;
}

/** Whether --replace would take over who listens there, as far as can be told from here. */
export function mayBeMoved(proc: ProcFs, bound: BoundAddress): boolean {
  const [inode, ...more] = listenersAt(proc, bound);
  if (inode === undefined || more.length > 0) return false;
  const sessions = listeningSessions(proc, inode);
  const [first] = sessions.flatMap(({ members }) => members);
  if (!first) return false;
  const lender = new DescriptorLender(first.pid);
  const descriptor = lender.borrow(first.descriptors[0] ?? 0);
  lender.close();
  if (descriptor < 0) return false;
  const { workers, obstacles } = judgeSessions(
    proc,
    sessions,
    { descriptor, inode, file: undefined },
    undefined,
  );
  libc.close(descriptor);
  return workers.length > 0 && obstacles.length === 0;
}
