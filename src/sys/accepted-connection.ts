// Does a process hold a connection that was accepted on our socket? Its sockets are
// borrowed one by one (pidfd_getfd, Linux 5.6) and asked for their own address;
// where that is forbidden, the kernel's tables of connections are searched for them.
import { attempt, E, libc } from './libc.ts';
import type { ListenSocket } from './listen-socket.ts';
import { isRunning, type ProcFs } from './proc-fs.ts';

/** Same numbers on every architecture. */
const SYS_pidfd_open = 434;
const SYS_pidfd_getfd = 438;
const AF_UNIX = 1;
const SOL_SOCKET = 1;
const SO_ACCEPTCONN = 30;

/** 'unknown': we may not look, as into a program without read permission. */
export type Held = 'some' | 'none' | 'unknown';

/** Whether the process has a socket open that came from accept(2) on ours. One that is gone has none. */
export function accepted(proc: ProcFs, pid: number, listening: ListenSocket): Held {
  const descriptors = proc.names(`${pid}/fd`);
  if (!descriptors || descriptors.length === 0) return heldUnseen(proc, pid, descriptors !== undefined);
  const lender = new Lender(pid);
  const own = localAddress(listening.descriptor);
  /** Sockets that may not be borrowed, by inode. */
  const withheld: string[] = [];
  try {
    for (const name of descriptors) {
      const link = proc.lookUpLink(`${pid}/fd/${name}`);
      if (link === -E.ACCES || link === -E.PERM) return 'unknown';
      if (typeof link === 'number' || !link.startsWith('socket:[')) continue;
      const inode = link.slice(8, -1);
      if (inode === listening.inode) continue;
      const answer = lender.look(Number(name), (borrowed) => isConnectionOf(own, borrowed));
      if (answer === true) return 'some';
      if (answer === undefined) withheld.push(inode);
    }
  } finally {
    lender.close();
  }
  return withheld.length === 0 ? 'none' : lookUp(proc, withheld, listening, own);
}

/** No descriptors to see: it has ended, has none, or hides them; or only its first thread has ended. */
function heldUnseen(proc: ProcFs, pid: number, isOpen: boolean): Held {
  const stat = proc.stat(pid);
  if (!stat || !isRunning(stat)) return 'none';
  return isOpen && stat.state !== 'Z' ? 'none' : 'unknown';
}

/** Borrows descriptors of one process; opened at the first need. */
class Lender {
  readonly #pid: number;
  #process: number | undefined;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** What `examine` says of the borrowed copy; false when it is closed already, undefined when it may not be had. */
  look(descriptor: number, examine: (borrowed: number) => boolean): boolean | undefined {
    this.#process ??= attempt(() =>
      libc.syscallNumbers(SYS_pidfd_open, 'ulong', this.#pid, 'ulong', 0, 'ulong', 0),
    );
    const lender = this.#process;
    if (lender < 0) return lender === -E.SRCH ? false : undefined;
    const borrowed = attempt(() =>
      libc.syscallNumbers(SYS_pidfd_getfd, 'ulong', lender, 'ulong', descriptor, 'ulong', 0),
    );
    if (borrowed < 0) return borrowed === -E.BADF || borrowed === -E.SRCH ? false : undefined;
    try {
      return examine(borrowed);
    } finally {
      libc.close(borrowed);
    }
  }

  close(): void {
    if (this.#process !== undefined && this.#process >= 0) libc.close(this.#process);
  }
}

/** getsockname(2): an accepted socket has the name of the one it came from. */
function localAddress(descriptor: number): Buffer {
  const bytes = Buffer.alloc(128);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  const result = attempt(() => libc.getsockname(descriptor, bytes, length));
  return result < 0 ? Buffer.alloc(0) : bytes.subarray(0, Math.min(bytes.length, length.readUInt32LE()));
}

function isConnectionOf(own: Buffer, descriptor: number): boolean {
  return isSameService(own, localAddress(descriptor)) && !isListening(descriptor);
}

/** The same path, or the same family and port: one bound to every address has another IP when connected. */
function isSameService(own: Buffer, other: Buffer): boolean {
  if (own.length < 4 || other.length !== own.length) return false;
  return own.readUInt16LE() === AF_UNIX ? own.equals(other) : own.subarray(0, 4).equals(other.subarray(0, 4));
}

function isListening(descriptor: number): boolean {
  const value = Buffer.alloc(4);
  const length = Buffer.of(4, 0, 0, 0);
  return libc.getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, value, length) === 0 && value[0] === 1;
}

/** By /proc/net, which is slower (milliseconds) but asks for no permission: Docker's seccomp forbids borrowing. */
function lookUp(proc: ProcFs, inodes: readonly string[], listening: ListenSocket, own: Buffer): Held {
  const isUnix = own.readUInt16LE() === AF_UNIX;
  const entries = isUnix ? unixEntries(proc) : [...tcpEntries(proc, 'tcp'), ...tcpEntries(proc, 'tcp6')];
  const service = entries.find((entry) => entry.inode === listening.inode)?.service;
  if (service === undefined) return 'unknown';
  return entries.some((entry) => entry.service === service && inodes.includes(entry.inode)) ? 'some' : 'none';
}

interface TableEntry {
  readonly inode: string;
  /** What connections have in common with the socket they were accepted on. */
  readonly service: string;
}

/** Lines `NUM: REFS PROTOCOL FLAGS TYPE STATE INODE PATH`. */
function unixEntries(proc: ProcFs): TableEntry[] {
  return proc.readTable('net/unix').map((line) => {
    const fields = /^\S+ \S+ \S+ \S+ \S+ \S+ +(\d+) (.+)$/.exec(line);
    return { inode: fields?.[1] ?? '', service: fields?.[2] ?? '' };
  });
}

/** Lines `SL: IP:PORT …` with the inode as the tenth field. */
function tcpEntries(proc: ProcFs, table: 'tcp' | 'tcp6'): TableEntry[] {
  return proc.readTable(`net/${table}`).map((line) => {
    const fields = line.trim().split(/\s+/);
    return { inode: fields[9] ?? '', service: `${table} ${fields[1]?.split(':')[1]}` };
  });
}
