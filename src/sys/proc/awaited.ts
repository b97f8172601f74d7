// Which of its connections a process waits for the next bytes of, while it does nothing else: none of its threads
// runs, sleeps for a while, or waits for anything that another client, a timer or another program brings.
import type { ProcFs } from './proc-fs.ts';
import { callOf, epollFiles, isTimed, polledFiles, selectedFiles, type ThreadCall } from './thread-call.ts';

/**
 * `alone`: its one thread can do nothing before they come. `among`: it has an event loop or further threads, and may
 * have put off what it owes that client.
 */
export interface Awaited {
  readonly how: 'alone' | 'among';
  /** The thread that they wake. */
  readonly task: string;
  /** It is in read(2) or recv(2), and not asking whether it could. */
  readonly isReading: boolean;
}

/** What the sockets of a process are to the pool, by inode. */
export interface PoolSockets {
  readonly listening: ReadonlySet<string>;
  readonly connections: ReadonlySet<string>;
}

/** By inode; undefined: it does something else as well, or may. To be asked while it runs. */
export function awaitedConnections(
  proc: ProcFs,
  pid: number,
  sockets: PoolSockets,
): ReadonlyMap<string, Awaited> | undefined {
  const files = new FilesOf(proc, pid);
  const found = new Map<string, Awaited>();
  const tasks = proc.list(`${pid}/task`);
  for (const task of tasks) {
    const call = callOf(proc, pid, task);
    const waits = threadAwaits(call, files, sockets);
    if (!waits) return undefined;
    const how = tasks.length === 1 && call.kind !== 'epoll' ? 'alone' : 'among';
    for (const inode of waits) found.set(inode, { how, task, isReading: call.kind === 'read' });
  }
  return found;
}

/** The connections of which this thread waits for bytes; undefined: it does something else, or may. */
function threadAwaits(call: ThreadCall, files: FilesOf, sockets: PoolSockets): string[] | undefined {
  const waits = namesWaitedFor(call, files, sockets);
  if (!waits?.every((inode) => sockets.listening.has(inode) || sockets.connections.has(inode)))
    return undefined;
  const awaited = waits.filter((inode) => sockets.connections.has(inode));
  // A pause that ends by itself may be one between two parts of an answer; beside the next connection it is none.
  return isTimed(call) && (awaited.length > 0 || waits.length === 0) ? undefined : awaited;
}

/** Inodes of sockets; '' for what is none. */
function namesWaitedFor(call: ThreadCall, files: FilesOf, sockets: PoolSockets): string[] | undefined {
  const { kind, values } = call;
  switch (kind) {
    case 'futex':
      return [];
    case 'accept':
    case 'read':
      return [files.socket(Number(values[0]))];
    case 'poll': {
      const polled = polledFiles(files.pid, values)?.filter(({ fd }) => fd >= 0);
      if (!polled || polled.length === 0 || polled.some(({ events }) => (events & 1) === 0)) return undefined;
      return polled.map(({ fd }) => files.socket(fd));
    }
    case 'select':
      if (values[2] !== 0n || values[3] !== 0n) return undefined;
      return selectedFiles(files.pid, values)?.map((fd) => files.socket(fd));
    case 'epoll':
      return files.epoll(Number(values[0]), sockets);
    default:
      return undefined;
  }
}

class FilesOf {
  readonly #proc: ProcFs;
  readonly pid: number;

  constructor(proc: ProcFs, pid: number) {
    this.#proc = proc;
    this.pid = pid;
  }

  socket(fd: number): string {
    return /^socket:\[(\d+)\]$/.exec(this.#link(fd))?.[1] ?? '';
  }

  /** What an event loop has for itself is left out: an eventfd, and a pipe of which it has both ends. */
  epoll(fd: number, { connections }: PoolSockets): string[] | undefined {
    const watched = epollFiles(this.#proc, this.pid, fd);
    const others = watched?.filter((file) => !this.#isOwn(file.fd));
    // What it does not read for now it may be at work on.
    if (others?.some(({ inode, events }) => connections.has(inode) && (events & 1) === 0)) return undefined;
    return others?.map((file) => (this.socket(file.fd) === file.inode ? file.inode : ''));
  }

  #isOwn(fd: number): boolean {
    const link = this.#link(fd);
    if (link === 'anon_inode:[eventfd]') return true;
    if (!link.startsWith('pipe:[')) return false;
    const ends = this.#proc.list(`${this.pid}/fd`).filter((name) => this.#link(Number(name)) === link);
    return ends.length > 1;
  }

  #link(fd: number): string {
    return this.#proc.readLink(`${this.pid}/fd/${fd}`) ?? '';
  }
}
