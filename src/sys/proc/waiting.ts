// Is a worker up? Answered from /proc: a thread of its session is blocked in accept
// on the listening socket, or in poll, select or epoll_wait with it; or it holds a
// connection that it has accepted there. Never touches the socket itself.
import { accepted } from './accepted-connection.ts';
import { attempt, E, libc } from '../libc/libc.ts';
import { addressOf } from '../libc/memory.ts';
import type { ListenSocket } from '../socket/listen-socket.ts';
import type { ProcFs } from './proc-fs.ts';

type WaitingCall = 'accept' | 'poll' | 'select' | 'epoll' | 'io_uring' | 'futex';

/** System call numbers by what they wait on (arch/…/syscall tables of Linux). */
const calls: ReadonlyMap<number, WaitingCall> = new Map(
  process.arch === 'arm64'
    ? [
        [202, 'accept'],
        [242, 'accept'],
        [98, 'futex'],
        [73, 'poll'],
        [128, 'poll'], // restart_syscall: what poll becomes by SIGSTOP and SIGCONT
        [72, 'select'],
        [22, 'epoll'],
        [441, 'epoll'],
        [426, 'io_uring'],
      ]
    : [
        [43, 'accept'],
        [288, 'accept'],
        [202, 'futex'],
        [7, 'poll'],
        [271, 'poll'],
        [219, 'poll'], // restart_syscall: what poll becomes by SIGSTOP and SIGCONT
        [23, 'select'],
        [270, 'select'],
        [232, 'epoll'],
        [281, 'epoll'],
        [441, 'epoll'],
        [426, 'io_uring'],
      ],
);

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
      const fields = proc.readText(`${pid}/task/${task}/syscall`)?.split(' ') ?? [];
      const isAccept = calls.get(Number(fields[0])) === 'accept';
      return isAccept && socketInode(proc, pid, Number(fields[1])) === inode;
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
  const text = proc.readText(`${pid}/task/${task}/syscall`);
  if (text === undefined) return isThere(proc, pid, task) ? 'unknown' : 'else';
  const fields = text.split(' ');
  // "running" and "-1 SP PC" are in no call.
  if (fields.length < 9) return 'else';
  // Another ABI numbers its calls differently: a 32-bit program, by its stack.
  if (BigInt(fields[7] ?? 0) < 1n << 32n) return 'unknown';
  const isSocket = (fd: number): boolean => inodes.has(socketInode(proc, pid, fd) ?? '');
  switch (calls.get(Number(fields[0]))) {
    case undefined:
      return 'else';
    case 'io_uring':
      return 'unknown';
    case 'futex':
      return 'thread';
    case 'accept':
      return isSocket(Number(fields[1])) ? 'only' : 'else';
    case 'epoll':
      return among(epollInodes(proc, pid, Number(fields[1])), (other) =>
        inodes.has(String(BigInt(`0x${other}`))),
      );
    case 'poll':
      return among(polled(pid, BigInt(fields[1] ?? 0), Number(fields[2])), isSocket);
    case 'select': {
      const waits = among(selected(pid, Number(fields[1]), BigInt(fields[2] ?? 0)), isSocket);
      const isOnlyReading = BigInt(fields[3] ?? 0) === 0n && BigInt(fields[4] ?? 0) === 0n;
      return waits === 'only' && !isOnlyReading ? 'also' : waits;
    }
  }
}

/** Threads end while they are looked at. */
function isThere(proc: ProcFs, pid: number, task: string): boolean {
  const stat = proc.threadStat(pid, task);
  return stat !== undefined && !stat.isExiting;
}

function among<T>(watched: readonly T[] | undefined, isSocket: (one: T) => boolean): ThreadWaits {
  if (!watched) return 'unknown';
  if (!watched.some(isSocket)) return 'else';
  return watched.every(isSocket) ? 'only' : 'also';
}

function socketInode(proc: ProcFs, pid: number, fd: number): string | undefined {
  const link = proc.readLink(`${pid}/fd/${fd}`);
  return link?.startsWith('socket:[') ? link.slice(8, -1) : undefined;
}

/** /proc/PID/fdinfo/EPFD has a line `tfd: N … ino:HEX` for each watched file; undefined: may not look. */
function epollInodes(proc: ProcFs, pid: number, epoll: number): string[] | undefined {
  const info = proc.readWhole(`${pid}/fdinfo/${epoll}`);
  if (info === undefined) return isThere(proc, pid, String(pid)) ? undefined : [];
  return [...info.matchAll(/^tfd:.*\bino:([0-9a-f]+)\b/gm)].map((line) => line[1] ?? '');
}

/** Descriptors in the `struct pollfd[]` of a thread that is in poll(2), 8 bytes each; undefined: may not look. */
function polled(pid: number, address: bigint, count: number): number[] | undefined {
  const memory = readMemory(pid, address, 8 * Math.min(count, 512));
  return (
    memory && Array.from({ length: memory.length / 8 }, (_unused, index) => memory.readInt32LE(index * 8))
  );
}

/** Descriptors in the read set of a thread that is in select(2); undefined: may not look. */
function selected(pid: number, count: number, address: bigint): number[] | undefined {
  const bytes = 8 * Math.ceil(Math.min(count, 1024) / 64);
  const memory = readMemory(pid, address, address === 0n ? 0 : bytes);
  return (
    memory &&
    Array.from({ length: memory.length * 8 }, (_unused, fd) => fd).filter(
      (fd) => fd < count && ((memory[fd >> 3] ?? 0) >> (fd & 7)) & 1,
    )
  );
}

/** process_vm_readv(2): empty where the thread went on meanwhile; undefined where we may not look. */
function readMemory(pid: number, address: bigint, length: number): Buffer | undefined {
  if (length <= 0) return Buffer.alloc(0);
  const content = Buffer.allocUnsafeSlow(length);
  const local = iovec(addressOf(content), length);
  const remote = iovec(address, length);
  const count = attempt(() => libc.processVmReadv(pid, local, 1, remote, 1, 0));
  if (count === length) return content;
  return count >= 0 || count === -E.FAULT || count === -E.SRCH ? Buffer.alloc(0) : undefined;
}

function iovec(address: bigint, length: number): Buffer {
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(address, 0);
  vector.writeBigUInt64LE(BigInt(length), 8);
  return vector;
}
