// Is a worker up? Answered from /proc: a thread of its session is blocked in accept
// on the listening socket, or in poll, select or epoll_wait with it; or it holds a
// connection that it has accepted there. Never touches the socket itself.
import { accepted } from './accepted-connection.ts';
import type { ListenSocket } from '../socket/listen-socket.ts';
import type { ProcFs } from './proc-fs.ts';
import { callOf, epollFiles, polledFiles, selectedFiles, socketInode } from './thread-call.ts';

/** 'unknown': a thread could not be looked at, or waits in a way that cannot be seen into. */
export type Waiting = 'yes' | 'no' | 'unknown';

/**
 * Whether the worker is up: a thread of its session waits on the listening socket, or
 * serves already. A worker that finds connections in the queue never has to wait.
 */
export function servesConnections(proc: ProcFs, leader: number, listening: ListenSocket): boolean {
  return readinessOf(proc, leader, listening) === 'yes';
}

/** The same for who must not take "may not look" for "does not wait": 'no' is a worker that plainly does not. */
export function readinessOf(proc: ProcFs | undefined, leader: number, listening: ListenSocket): Waiting {
  return proc ? readinessOfAny(proc, proc.family(leader), listening) : 'unknown';
}

/** The same of these processes: one of them is enough. */
export function readinessOfAny(proc: ProcFs, pids: readonly number[], listening: ListenSocket): Waiting {
  let answer: Waiting = 'no';
  for (const pid of pids) {
    const ready = processReadiness(proc, pid, listening);
    if (ready === 'yes') return 'yes';
    if (ready === 'unknown') answer = 'unknown';
  }
  return answer;
}

function processReadiness(proc: ProcFs, pid: number, listening: ListenSocket): Waiting {
  // Who waits on the one before a socket that was bound anew is there for nobody.
  const waits = processWaits(proc, pid, new Set([listening.inode]));
  if (waits === 'yes') return 'yes';
  const held = accepted(proc, pid, listening);
  if (held === 'open' || held === 'hung-up') return 'yes';
  return held === 'unknown' ? 'unknown' : waits;
}

/** Whether a thread of its session is blocked in accept(2) on the socket: its program knows no other way to wait. */
export function blocksInAccept(proc: ProcFs, leader: number, { inode }: ListenSocket): boolean {
  return proc.family(leader).some((pid) =>
    proc.list(`${pid}/task`).some((task) => {
      const { kind, values } = callOf(proc, pid, task);
      return kind === 'accept' && socketInode(proc, pid, Number(values[0])) === inode;
    }),
  );
}

/**
 * Whether a thread of this one process waits for the next connection on one of these sockets. Ask before it is stopped:
 * arm64 does not tell then.
 */
export function processWaits(proc: ProcFs, pid: number, inodes: ReadonlySet<string>): Waiting {
  let answer: Waiting = 'no';
  for (const task of proc.list(`${pid}/task`)) {
    const waits = threadWaits(proc, pid, task, inodes);
    if (waits === 'only' || waits === 'also') return 'yes';
    if (waits === 'unknown') answer = 'unknown';
  }
  return answer;
}

/**
 * Whether this one process does nothing until the next connection comes: a thread waits for that and for
 * nothing else, and all others wait for one another. What they had begun they have ended, or forgotten.
 */
export function processRests(proc: ProcFs, pid: number, inodes: ReadonlySet<string>): boolean {
  const threads = proc.list(`${pid}/task`).map((task) => threadWaits(proc, pid, task, inodes));
  return threads.includes('only') && threads.every((waits) => waits === 'only' || waits === 'thread');
}

/** What a thread waits for: `only` the next connection, `also` that, another `thread`, or it does something `else`. */
type ThreadWaits = 'only' | 'also' | 'thread' | 'else' | 'unknown';

function threadWaits(proc: ProcFs, pid: number, task: string, inodes: ReadonlySet<string>): ThreadWaits {
  const { kind, values } = callOf(proc, pid, task);
  const isSocket = (fd: number): boolean => inodes.has(socketInode(proc, pid, fd) ?? '');
  switch (kind) {
    case 'else':
    case 'read':
      return 'else';
    case 'unknown':
    case 'io_uring':
      return 'unknown';
    case 'futex':
      return 'thread';
    case 'accept':
      return isSocket(Number(values[0])) ? 'only' : 'else';
    case 'epoll':
      return among(epollFiles(proc, pid, Number(values[0])), ({ inode }) => inodes.has(inode));
    case 'poll':
      return among(polledFiles(pid, values), ({ fd }) => isSocket(fd));
    case 'select': {
      const waits = among(selectedFiles(pid, values), isSocket);
      const isOnlyReading = values[2] === 0n && values[3] === 0n;
      return waits === 'only' && !isOnlyReading ? 'also' : waits;
    }
  }
}

function among<T>(watched: readonly T[] | undefined, isSocket: (one: T) => boolean): ThreadWaits {
  if (!watched) return 'unknown';
  if (!watched.some(isSocket)) return 'else';
  return watched.every(isSocket) ? 'only' : 'also';
}
