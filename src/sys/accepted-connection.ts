// Does a process hold a connection that was accepted on our socket? Its sockets are
// borrowed one by one (pidfd_getfd, Linux 5.6) and asked for their own address;
// where that is forbidden, the kernel's tables of connections are searched for them.
import { DescriptorLender } from './descriptor-lender.ts';
import { E, libc } from './libc.ts';
import type { ListenSocket } from './listen-socket.ts';
import { isRunning, type ProcFs } from './proc-fs.ts';
import { AF_UNIX, localAddress, socketOption } from './socket-facts.ts';

/** 'unknown': we may not look, as into a program without read permission. */
export type Held = 'some' | 'none' | 'unknown';

/** Whether the process has a socket open that came from accept(2) on ours. One that is gone has none. */
export function accepted(proc: ProcFs, pid: number, listening: ListenSocket): Held {
  const descriptors = proc.names(`${pid}/fd`);
  if (!descriptors || descriptors.length === 0) return heldUnseen(proc, pid, descriptors !== undefined);
  const lender = new DescriptorLender(pid);
  const own = localAddress(listening.descriptor);
  /** Sockets that may not be borrowed, by inode. */
  const withheld: string[] = [];
  try {
    for (const name of descriptors) {
      const link = proc.lookUpLink(`${pid}/fd/${name}`);
      if (link === -E.ACCES || link === -E.PERM) return heldUnseen(proc, pid, false);
      if (typeof link === 'number' || !link.startsWith('socket:[')) continue;
      const inode = link.slice(8, -1);
      if (inode === listening.inode) continue;
      const borrowed = lender.borrow(Number(name));
      // Closed or ended meanwhile.
      if (borrowed === -E.BADF || borrowed === -E.SRCH) continue;
      if (borrowed < 0) withheld.push(inode);
      else if (isConnection(borrowed, own)) return 'some';
    }
  } finally {
    lender.close();
  }
  return withheld.length === 0 ? 'none' : lookUp(proc, withheld, listening, own);
}

/** No descriptors to see: it has ended or is about to, has none, or hides them; or only its first thread has ended. */
function heldUnseen(proc: ProcFs, pid: number, isOpen: boolean): Held {
  const stat = proc.stat(pid);
  if (!stat || (stat.threads <= 1 && (stat.isExiting || !isRunning(stat)))) return 'none';
  return isOpen && !stat.isExiting ? 'none' : 'unknown';
}

/** Examines and closes a borrowed socket. */
function isConnection(borrowed: number, own: Buffer): boolean {
  try {
    return isSameService(own, localAddress(borrowed)) && socketOption(borrowed, 'isListening') !== 1;
  } finally {
    libc.close(borrowed);
  }
}

/** The same path, or the same family and port: one bound to every address has another IP when connected. */
function isSameService(own: Buffer, other: Buffer): boolean {
  if (own.length < 4 || other.length !== own.length) return false;
  return own.readUInt16LE() === AF_UNIX ? own.equals(other) : own.subarray(0, 4).equals(other.subarray(0, 4));
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
