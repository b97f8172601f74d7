// Which system call a thread is blocked in, and on which files: from /proc/PID/task/TID/syscall, and from the
// memory that the call's arguments point to.
import { attempt, E, libc } from '../libc/libc.ts';
import { addressOf } from '../libc/memory.ts';
import type { ProcFs } from './proc-fs.ts';

type WaitingCall = 'accept' | 'read' | 'poll' | 'select' | 'epoll' | 'io_uring' | 'futex';

/** System call numbers by what they wait on (arch/…/syscall tables of Linux). */
const calls: ReadonlyMap<number, WaitingCall> = new Map(
  process.arch === 'arm64'
    ? [
        [202, 'accept'],
        [242, 'accept'],
        [63, 'read'],
        [65, 'read'],
        [207, 'read'],
        [212, 'read'],
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
        [0, 'read'],
        [19, 'read'],
        [45, 'read'],
        [47, 'read'],
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
/** Their timeout is milliseconds, negative for none; all other calls have a pointer, null for none. */
const inMilliseconds: ReadonlySet<number> = new Set(process.arch === 'arm64' ? [22] : [7, 219, 232, 281]);

export interface ThreadCall {
  /** `else`: in another call, in none, or gone; `unknown`: it may not be looked at, or is of another ABI. */
  readonly kind: WaitingCall | 'else' | 'unknown';
  /** Its arguments. */
  readonly values: readonly bigint[];
  readonly number: number;
}

export function callOf(proc: ProcFs, pid: number, task: string): ThreadCall {
  const text = proc.readText(`${pid}/task/${task}/syscall`);
  const none = { values: [], number: -1 };
  if (text === undefined) return { kind: isThere(proc, pid, task) ? 'unknown' : 'else', ...none };
  const fields = text.split(' ');
  // "running" and "-1 SP PC" are in no call.
  if (fields.length < 9) return { kind: 'else', ...none };
  // Another ABI numbers its calls differently: a 32-bit program, by its stack.
  if (BigInt(fields[7] ?? 0) < 1n << 32n) return { kind: 'unknown', ...none };
  const number = Number(fields[0]);
  return { kind: calls.get(number) ?? 'else', values: fields.slice(1, 7).map(BigInt), number };
}

/** Whether the call ends by itself after a while. True where that cannot be told. */
export function isTimed({ kind, values, number }: ThreadCall): boolean {
  switch (kind) {
    case 'poll':
    case 'epoll': {
      const timeout = values[kind === 'poll' ? 2 : 3] ?? 0n;
      return inMilliseconds.has(number) ? BigInt.asIntN(32, timeout) >= 0 : timeout !== 0n;
    }
    case 'select':
      return values[4] !== 0n;
    case 'futex':
      return values[3] !== 0n;
    case 'accept':
    case 'read':
      return false;
    default:
      return true;
  }
}

export function isReadCall(number: number): boolean {
  return calls.get(number) === 'read';
}

/** write(2), and sendto(2), which send(2) is. */
const writes: ReadonlySet<number> = new Set(process.arch === 'arm64' ? [64, 206] : [1, 44]);

/** What a process is about to write by this call, or so many of its last bytes; undefined: it is no such call. */
export function bytesToWrite(
  pid: number,
  { number, values }: Pick<ThreadCall, 'number' | 'values'>,
  most: number,
): Buffer | undefined {
  const [, address = 0n, size = 0n] = values;
  if (!writes.has(number)) return undefined;
  const length = size < BigInt(most) ? size : BigInt(most);
  return readMemory(pid, address + size - length, Number(length));
}

/** nanosleep, clock_nanosleep, wait4, waitid. */
const sleeps: ReadonlySet<number> = new Set(
  process.arch === 'arm64' ? [101, 115, 260, 95] : [35, 230, 61, 247],
);

/**
 * Whether the program does not notice that it was stopped and goes on: it is in no system call, or in one that the kernel
 * begins again by itself. epoll_wait, for one, fails with EINTR then, and so does what has a timeout of its socket
 * (signal(7), "Interruption of system calls … by stop signals").
 */
export function bearsInterruption({ kind, number }: ThreadCall): boolean {
  if (kind === 'else') return number === -1 || sleeps.has(number);
  return kind === 'poll' || kind === 'select' || kind === 'futex';
}

/** Threads end while they are looked at. */
function isThere(proc: ProcFs, pid: number, task: string): boolean {
  const stat = proc.threadStat(pid, task);
  return stat !== undefined && !stat.isExiting;
}

export function socketInode(proc: ProcFs, pid: number, fd: number): string | undefined {
  const link = proc.readLink(`${pid}/fd/${fd}`);
  return link?.startsWith('socket:[') ? link.slice(8, -1) : undefined;
}

export interface WatchedFile {
  readonly fd: number;
  /** POLLIN and EPOLLIN are 1. */
  readonly events: number;
}

/** What an epoll instance watches, by lines `tfd: N events: HEX … ino:HEX …` of its fdinfo; undefined: may not look. */
export function epollFiles(
  proc: ProcFs,
  pid: number,
  epoll: number,
): (WatchedFile & { readonly inode: string })[] | undefined {
  const info = proc.readWhole(`${pid}/fdinfo/${epoll}`);
  if (info === undefined) return isThere(proc, pid, String(pid)) ? undefined : [];
  const lines = info.matchAll(/^tfd:\s*(\d+)\s+events:\s*([0-9a-f]+)\b.*\bino:([0-9a-f]+)\b/gm);
  return [...lines].map(([, fd, events, inode]) => ({
    fd: Number(fd),
    events: Number(`0x${events}`),
    inode: String(BigInt(`0x${inode}`)),
  }));
}

/** The `struct pollfd[]` of a thread that is in poll(2), 8 bytes each; undefined: may not look. */
export function polledFiles(pid: number, values: readonly bigint[]): WatchedFile[] | undefined {
  const memory = readMemory(pid, values[0] ?? 0n, 8 * Math.min(Number(values[1] ?? 0), 512));
  return (
    memory &&
    Array.from({ length: memory.length / 8 }, (_unused, index) => ({
      fd: memory.readInt32LE(index * 8),
      events: memory.readInt16LE(index * 8 + 4),
    }))
  );
}

/** Descriptors in the read set of a thread that is in select(2); undefined: may not look. */
export function selectedFiles(pid: number, values: readonly bigint[]): number[] | undefined {
  const [count, address] = [Number(values[0] ?? 0), values[1] ?? 0n];
  const bytes = 8 * Math.ceil(Math.min(count, 1024) / 64);
  const memory = readMemory(pid, address, address === 0n ? 0 : bytes);
  return (
    memory &&
    Array.from({ length: memory.length * 8 }, (_unused, fd) => fd).filter(
      (fd) => fd < count && ((memory[fd >> 3] ?? 0) >> (fd & 7)) & 1,
    )
  );
}

const addressEnd = 1n << 64n;

/** process_vm_readv(2): empty where the thread went on meanwhile; undefined where we may not look. */
function readMemory(pid: number, address: bigint, length: number): Buffer | undefined {
  // A program may give whatever it likes for an address and a size.
  if (length <= 0 || address + BigInt(length) > addressEnd) return Buffer.alloc(0);
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
