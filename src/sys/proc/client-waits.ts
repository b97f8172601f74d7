// Whether a process waits for the client of one of its connections, as far as that can be seen from outside.
import type { ProcFs } from './proc-fs.ts';
import { callOf, epollFiles, polledFiles, selectedFiles, socketInode } from './thread-call.ts';

/**
 * `yes` a thread waits for its next bytes and for nothing else that is not a client; `also` for other things as well, in
 * an event loop mostly; `away` its event loop is not waiting right now; `no`.
 */
export type ClientWait = 'yes' | 'also' | 'away' | 'no';

/** `sockets`: the pool's, listening or accepted; what else a thread waits for is none of its clients. */
export function clientWaits(
  proc: ProcFs,
  pid: number,
  inode: string,
  sockets: ReadonlySet<string>,
): ClientWait {
  const tasks = proc.list(`${pid}/task`);
  const waits = new Set(tasks.map((task) => threadWaits(proc, pid, task, inode, sockets)));
  if (waits.has('yes')) return 'yes';
  if (waits.has('also')) return 'also';
  return isInLoop(proc, pid, inode) ? 'away' : 'no';
}

/** How often the threads of a process have gone to sleep: the same again means that none has done anything meanwhile. */
export function rhythmOf(proc: ProcFs, pid: number): string {
  const tasks = proc.list(`${pid}/task`).map((task) => {
    const status = proc.readText(`${pid}/task/${task}/status`) ?? '';
    return `${task}:${/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)?.[1]}`;
  });
  return tasks.join(' ');
}

function threadWaits(
  proc: ProcFs,
  pid: number,
  task: string,
  inode: string,
  sockets: ReadonlySet<string>,
): Exclude<ClientWait, 'away'> {
  const { kind, values } = callOf(proc, pid, task);
  switch (kind) {
    case 'read':
      return socketInode(proc, pid, Number(values[0])) === inode ? 'yes' : 'no';
    case 'poll': {
      const polled = polledFiles(pid, values)?.filter(({ fd, events }) => fd >= 0 && (events & 1) !== 0);
      return among(
        polled?.map(({ fd }) => socketInode(proc, pid, fd)),
        inode,
        sockets,
      );
    }
    case 'select':
      return among(
        selectedFiles(pid, values)?.map((fd) => socketInode(proc, pid, fd)),
        inode,
        sockets,
      );
    case 'epoll': {
      const watched = epollFiles(proc, pid, Number(values[0]));
      // A loop may have put off what it owes this client.
      return watched?.some((file) => file.inode === inode && (file.events & 1) !== 0) ? 'also' : 'no';
    }
    // What it waits for cannot be seen.
    case 'io_uring':
    case 'unknown':
      return 'also';
    default:
      return 'no';
  }
}

function among(
  waits: readonly (string | undefined)[] | undefined,
  inode: string,
  sockets: ReadonlySet<string>,
): Exclude<ClientWait, 'away'> {
  // It may not be looked at.
  if (!waits) return 'also';
  if (!waits.includes(inode)) return 'no';
  return waits.every((one) => one !== undefined && sockets.has(one)) ? 'yes' : 'also';
}

/** Whether an event loop of the process reads it when it comes to that. */
function isInLoop(proc: ProcFs, pid: number, inode: string): boolean {
  return proc.list(`${pid}/fd`).some((fd) => {
    if (proc.readLink(`${pid}/fd/${fd}`) !== 'anon_inode:[eventpoll]') return false;
    return epollFiles(proc, pid, Number(fd))?.some((file) => file.inode === inode) ?? true;
  });
}
