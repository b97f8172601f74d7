// Does a process hold a connection that was accepted on our socket? Its sockets are
// borrowed one by one (pidfd_getfd, Linux 5.6) and asked for their own address.
import { attempt, libc } from './libc.ts';
import type { ListenSocket } from './listen-socket.ts';
import type { ProcFs } from './proc-fs.ts';

/** Same numbers on every architecture. */
const SYS_pidfd_open = 434;
const SYS_pidfd_getfd = 438;
const AF_UNIX = 1;

/** False also where we may not look: a program without read permission, or ptrace restricted by Yama. */
export function accepted(proc: ProcFs, pid: number, listening: ListenSocket): boolean {
  const sockets = proc
    .list(`${pid}/fd`)
    .filter((fd) => isOtherSocket(proc.readLink(`${pid}/fd/${fd}`), listening.inode))
    .map(Number);
  if (sockets.length === 0) return false;
  const process = attempt(() => libc.syscallNumbers(SYS_pidfd_open, 'ulong', pid, 'ulong', 0, 'ulong', 0));
  if (process < 0) return false;
  const own = localAddress(listening.descriptor);
  const isOurs = sockets.some((fd) => {
    const borrowed = attempt(() =>
      libc.syscallNumbers(SYS_pidfd_getfd, 'ulong', process, 'ulong', fd, 'ulong', 0),
    );
    if (borrowed < 0) return false;
    const address = localAddress(borrowed);
    libc.close(borrowed);
    return isSameService(own, address);
  });
  libc.close(process);
  return isOurs;
}

function isOtherSocket(link: string | undefined, inode: string): boolean {
  return link !== undefined && link.startsWith('socket:[') && link !== `socket:[${inode}]`;
}

/** getsockname(2): an accepted socket has the name of the one it came from. */
function localAddress(descriptor: number): Buffer {
  const bytes = Buffer.alloc(128);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  const result = attempt(() => libc.getsockname(descriptor, bytes, length));
  return result < 0 ? Buffer.alloc(0) : bytes.subarray(0, Math.min(bytes.length, length.readUInt32LE()));
}

/** The same path, or the same family and port: one bound to every address has another IP when connected. */
function isSameService(own: Buffer, other: Buffer): boolean {
  if (own.length < 4 || other.length !== own.length) return false;
  return own.readUInt16LE() === AF_UNIX ? own.equals(other) : own.subarray(0, 4).equals(other.subarray(0, 4));
}
