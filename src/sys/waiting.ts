// Is a worker up? Answered from /proc: a thread of its session is blocked in accept
// on the listening socket, or in poll, select or epoll_wait with it; or it holds a
// connection that it has accepted there. Never touches the socket itself.
import { accepted } from './accepted-connection.ts';
import { attempt, addressOf, libc } from './libc.ts';
import type { ListenSocket } from './listen-socket.ts';
import type { ProcFs } from './proc-fs.ts';

/** System call numbers by what they wait on (arch/…/syscall tables of Linux). */
const calls: ReadonlyMap<number, 'accept' | 'poll' | 'select' | 'epoll'> = new Map(
  process.arch === 'arm64'
    ? [
        [202, 'accept'],
        [242, 'accept'],
        [73, 'poll'],
        [72, 'select'],
        [22, 'epoll'],
        [441, 'epoll'],
      ]
    : [
        [43, 'accept'],
        [288, 'accept'],
        [7, 'poll'],
        [271, 'poll'],
        [23, 'select'],
        [270, 'select'],
        [232, 'epoll'],
        [281, 'epoll'],
        [441, 'epoll'],
      ],
);

/**
 * Whether the worker is up: a thread of its session waits on the listening socket, or
 * serves already. A worker that finds connections in the queue never has to wait.
 */
export function servesConnections(proc: ProcFs, leader: number, listening: ListenSocket): boolean {
  return proc.family(leader).some((pid) => {
    const waits = proc.list(`${pid}/task`).some((task) => threadWaits(proc, pid, task, listening.inode));
    return waits || accepted(proc, pid, listening);
  });
}

function threadWaits(proc: ProcFs, pid: number, task: string, inode: string): boolean {
  const fields = (proc.readText(`${pid}/task/${task}/syscall`) ?? '').split(' ');
  const kind = calls.get(Number(fields[0]));
  // "running" and "-1 …" have no number of ours.
  if (!kind || fields.length < 3) return false;
  const isSocket = (fd: number): boolean => socketInode(proc, pid, fd) === inode;
  switch (kind) {
    case 'accept':
      return isSocket(Number(fields[1]));
    case 'epoll':
      return epollWatches(proc, pid, Number(fields[1]), inode);
    case 'poll':
      return polled(pid, BigInt(fields[1] ?? 0), Number(fields[2])).some(isSocket);
    case 'select':
      return selected(pid, Number(fields[1]), BigInt(fields[2] ?? 0)).some(isSocket);
  }
}

function socketInode(proc: ProcFs, pid: number, fd: number): string | undefined {
  const link = proc.readLink(`${pid}/fd/${fd}`);
  return link?.startsWith('socket:[') ? link.slice(8, -1) : undefined;
}

/** /proc/PID/fdinfo/EPFD has a line `tfd: N … ino:HEX` for each watched file. */
function epollWatches(proc: ProcFs, pid: number, epoll: number, inode: string): boolean {
  const info = proc.readText(`${pid}/fdinfo/${epoll}`) ?? '';
  const wanted = BigInt(inode).toString(16);
  return new RegExp(`^tfd:.*\\bino:${wanted}\\b`, 'm').test(info);
}

/** Descriptors in the `struct pollfd[]` of a thread that is in poll(2); 8 bytes each. */
function polled(pid: number, address: bigint, count: number): number[] {
  const memory = readMemory(pid, address, 8 * Math.min(count, 512));
  if (!memory) return [];
  return Array.from({ length: memory.length / 8 }, (_unused, index) => memory.readInt32LE(index * 8));
}

/** Descriptors in the read set of a thread that is in select(2). */
function selected(pid: number, count: number, address: bigint): number[] {
  const memory =
    address === 0n ? undefined : readMemory(pid, address, 8 * Math.ceil(Math.min(count, 1024) / 64));
  if (!memory) return [];
  return Array.from({ length: count }, (_unused, fd) => fd).filter(
    (fd) => ((memory[fd >> 3] ?? 0) >> (fd & 7)) & 1,
  );
}

/** process_vm_readv(2); undefined where we may not, or the thread went on. */
function readMemory(pid: number, address: bigint, length: number): Buffer | undefined {
  if (length <= 0) return undefined;
  const content = Buffer.allocUnsafeSlow(length);
  const local = iovec(addressOf(content), length);
  const remote = iovec(address, length);
  return attempt(() => libc.processVmReadv(pid, local, 1, remote, 1, 0)) === length ? content : undefined;
}

function iovec(address: bigint, length: number): Buffer {
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(address, 0);
  vector.writeBigUInt64LE(BigInt(length), 8);
  return vector;
}
