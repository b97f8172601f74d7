// Workers that nobody supervises, as 1.6 starts them, on the address of a start with --replace (docs/internals/handover.md): the
// kernel says who listens there. Whoever else is among them is named, and then all are left alone.
import { SpawnFcgiError } from '../../core/errors.ts';
import { formatAddress, type BoundAddress } from '../../core/pool-id.ts';
import type { WorkerRecord } from '../../core/pool-state.ts';
import { DescriptorLender } from '../../sys/connection/descriptor-lender.ts';
import { E, libc } from '../../sys/libc/libc.ts';
import { listenersAt } from '../../sys/proc/port-holder.ts';
import type { ProcFs } from '../../sys/proc/proc-fs.ts';
import { pause } from '../../sys/process/clock.ts';
import { listeningSessions, type ListeningSession } from '../../sys/session/listening-sessions.ts';
import type { ListenSocket } from '../../sys/socket/listen-socket.ts';
import { inodeOf } from '../../sys/socket/socket-file.ts';
import { lineInUse } from '../address/bind-hints.ts';
import { judgeSessions, type Judged, type Obstacle } from './judge-holders.ts';

export interface Unsupervised {
  /** A copy of their listening socket, close-on-exec. */
  readonly descriptor: number;
  /** One for each session. */
  readonly workers: readonly WorkerRecord[];
}

interface Sought {
  readonly proc: ProcFs;
  readonly bound: BoundAddress;
  /** As whom ours will run: they cannot end others'. */
  readonly uid: number;
}

/** Right after fork, or between two requests, a worker serves nobody for a moment. */
const mostLooks = 5;
const lookMs = 10;

/** Undefined: nobody is seen to listen there. Throws where somebody does who is not to be ended by us. */
export async function findUnsupervised(sought: Sought): Promise<Unsupervised | undefined> {
  const { proc, bound } = sought;
  const inode = onlyListener(sought);
  const sessions = inode === undefined ? [] : listeningSessions(proc, inode);
  if (inode === undefined || sessions.length === 0) return undefined;
  const descriptor = borrow(sessions, inode, bound);
  if (descriptor === undefined) return undefined;
  try {
    const judged = await judge(sought, { descriptor, inode, file: undefined });
    if (judged.obstacles.length > 0) throw refuseObstacles(bound, judged.obstacles);
    if (judged.workers.length > 0) return { descriptor, workers: judged.workers };
  } catch (error) {
    libc.close(descriptor);
    throw error;
  }
  libc.close(descriptor);
  return undefined;
}

/** Two would need to be taken both: whoever connects gets one of them. */
function onlyListener({ proc, bound }: Pick<Sought, 'proc' | 'bound'>): string | undefined {
  const [inode, ...more] = listenersAt(proc, bound);
  if (more.length > 0) throw refuse(bound, ['more than one socket listens there (SO_REUSEPORT)']);
  return inode;
}

function borrow(
  sessions: readonly ListeningSession[],
  inode: string,
  bound: BoundAddress,
): number | undefined {
  let errno = 0;
  for (const { pid, descriptors } of sessions.flatMap(({ members }) => members)) {
    const lender = new DescriptorLender(pid);
    const descriptor = lender.borrow(descriptors[0] ?? 0);
    lender.close();
    if (descriptor >= 0 && inodeOf(descriptor) === inode) return descriptor;
    if (descriptor >= 0) libc.close(descriptor);
    else if (descriptor !== -E.SRCH && descriptor !== -E.BADF) errno = -descriptor;
  }
  if (errno === 0) return undefined;
  const pids = sessions.flatMap(({ members }) => members.map(({ pid }) => pid)).join(' ');
  throw refuse(bound, [
    `its socket may not be taken from PID ${pids} (pidfd_getfd: ${libc.strerror(errno)}): run this as root, or end them first: kill ${pids}`,
  ]);
}

/** Looks again while somebody seems to be the parent of workers who serves nobody: it may be one itself. */
async function judge({ proc, bound, uid }: Sought, listening: ListenSocket): Promise<Judged> {
  for (let look = 1; ; look++) {
    const failures = proc.failures;
    const judged = judgeSessions(proc, listeningSessions(proc, listening.inode), listening, uid);
    if (proc.failures !== failures) throw refuse(bound, ['who holds it cannot be seen: too many open files']);
    if (look === mostLooks || !judged.isInDoubt) return judged;
    await pause(lookMs);
  }
}

const mostNamed = 8;
const usualWayOut = 'stop what runs them (its unit, supervisorctl, its init script), and start this again';

function refuseObstacles(bound: BoundAddress, obstacles: readonly Obstacle[]): SpawnFcgiError {
  const ways = new Set(obstacles.map(({ wayOut = usualWayOut }) => wayOut));
  return refuse(
    bound,
    obstacles.slice(0, mostNamed).map(({ pid, name, why }) => `PID ${pid} (${name}) ${why}`),
    [...ways].map((way) => `nothing was changed; ${way}`),
  );
}

function refuse(
  bound: BoundAddress,
  reasons: readonly string[],
  further: readonly string[] = [],
): SpawnFcgiError {
  const where = formatAddress(bound);
  const hints = reasons.map((reason) => `${where} is not taken over: ${reason}`);
  return new SpawnFcgiError(lineInUse(bound), { hints: [...hints, ...further] });
}
