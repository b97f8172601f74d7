// Finds the listening socket of a pool whose supervisor has gone in one of its
// workers, and checks that a socket, wherever it came from, is the one meant.
import type { BoundAddress } from '../../core/pool-id.ts';
import { DescriptorLender } from '../connection/descriptor-lender.ts';
import { AT_FDCWD, statAt } from '../path/file-at.ts';
import { E, libc } from '../libc/libc.ts';
import { SOCK_STREAM } from '../libc/socket-numbers.ts';
import { socketsListeningOn } from '../proc/port-holder.ts';
import type { SocketAddress } from './socket-address.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { isOfOurNamespace } from '../socket-state/network-namespace.ts';
import { inodeOf, isBoundTo, isSamePath } from './socket-file.ts';
import { localAddress, socketOption } from '../socket-state/socket-facts.ts';

/** A copy of the worker's socket, close-on-exec; or why it may not be had (EPERM: Yama, a container, another user). */
export type TakenSocket =
  { readonly descriptor: number; readonly inode: string } | { readonly errno: number };

/** What helps to find it, or is found on the way. */
export interface Search {
  /** The inode that a state file tells: it counts on TCP also when somebody shut it down, since it can listen again. */
  readonly told?: string | undefined;
  /** Hears of a socket on the address that is of another network namespace, and is not taken. */
  readonly onForeign?: (pid: number) => void;
}

/** Undefined: the process is gone, or has no such socket. A path is looked at as it is now, from here. */
export function takeListeningSocket(
  proc: ProcFs | undefined,
  pid: number,
  address: SocketAddress,
  { told, onForeign }: Search = {},
): TakenSocket | undefined {
  const lender = new DescriptorLender(pid);
  try {
    for (const number of socketsOf(proc, pid)) {
      const descriptor = lender.borrow(number);
      if (descriptor === -E.SRCH) return undefined;
      if (descriptor === -E.BADF) continue;
      if (descriptor < 0) return { errno: -descriptor };
      const verdict = judge(descriptor, address, told);
      if (verdict === 'wanted') return { descriptor, inode: inodeOf(descriptor) };
      if (verdict === 'foreign') onForeign?.(pid);
      libc.close(descriptor);
    }
    return undefined;
  } finally {
    lender.close();
  }
}

/**
 * The socket that one of these processes has and that listens on the address, whatever became of its file; `told` is
 * what a state file says of them, `shutDown` the sockets that are proved to be the pool's though nobody listens on them
 * any more. Errno 0: none of them has it.
 */
export function takeSocketOf(
  proc: ProcFs,
  pids: readonly number[],
  address: BoundAddress,
  told: Parameters<typeof socketsListeningOn>[2],
  shutDown: readonly string[] = [],
): TakenSocket {
  const inodes = new Set([...socketsListeningOn(proc, address, told), ...shutDown]);
  let errno = 0;
  for (const pid of pids) {
    const lender = new DescriptorLender(pid);
    for (const number of socketsOf(proc, pid)) {
      const descriptor = lender.borrow(number);
      if (descriptor >= 0 && inodes.has(inodeOf(descriptor))) {
        lender.close();
        return { descriptor, inode: inodeOf(descriptor) };
      }
      if (descriptor >= 0) libc.close(descriptor);
      else if (descriptor !== -E.BADF && descriptor !== -E.SRCH) errno = -descriptor;
    }
    lender.close();
  }
  return { errno };
}

/** A worker's is descriptor 0. The others only where they can be listed. */
function socketsOf(proc: ProcFs | undefined, pid: number): number[] {
  const others = (proc?.list(`${pid}/fd`) ?? []).filter(
    (name) => name !== '0' && proc?.readLink(`${pid}/fd/${name}`)?.startsWith('socket:['),
  );
  return [0, ...others.map(Number)];
}

function judge(
  descriptor: number,
  address: SocketAddress,
  told: string | undefined,
): 'wanted' | 'foreign' | 'other' {
  const isMeant =
    checkListeningSocket(descriptor, address) === undefined ||
    (told !== undefined && isShutDownOn(descriptor, address, told));
  if (!isMeant) return 'other';
  return isOfOurNamespace(descriptor) ? 'wanted' : 'foreign';
}

/** Accepted connections have the address, too, which is why the inode must be the very one. */
function isShutDownOn(descriptor: number, address: SocketAddress, told: string): boolean {
  return address.kind === 'tcp' && isToldOn(descriptor, address.bytes, told);
}

function isToldOn(descriptor: number, bytes: Buffer, told: string): boolean {
  if (socketOption(descriptor, 'type') !== SOCK_STREAM || inodeOf(descriptor) !== told) return false;
  return checkTcp(localAddress(descriptor), bytes) === undefined;
}

/** Whether the process has the TCP socket with this inode, bound to the address, whether or not it listens any more. */
export function hasBoundSocket(proc: ProcFs, pid: number, told: string, bytes: Buffer): boolean {
  const lender = new DescriptorLender(pid);
  try {
    return proc.list(`${pid}/fd`).some((name) => {
      if (proc.readLink(`${pid}/fd/${name}`) !== `socket:[${told}]`) return false;
      const descriptor = lender.borrow(Number(name));
      if (descriptor < 0) return false;
      const isBound = isToldOn(descriptor, bytes, told) && isOfOurNamespace(descriptor);
      libc.close(descriptor);
      return isBound;
    });
  } finally {
    lender.close();
  }
}

/** Why the descriptor is not a listening stream socket on that address, as the end of a sentence; undefined: it is. */
export function checkListeningSocket(descriptor: number, address: SocketAddress): string | undefined {
  const isListening = socketOption(descriptor, 'isListening');
  if (isListening === undefined) return 'it is not a socket';
  if (socketOption(descriptor, 'type') !== SOCK_STREAM) return 'it is not a stream socket';
  if (isListening !== 1) return 'it does not listen';
  const own = localAddress(descriptor);
  if (address.kind === 'tcp') return checkTcp(own, address.bytes);
  return address.kind === 'abstract'
    ? checkAbstract(own, address.name)
    : checkUnix(descriptor, boundPath(own), address.path);
}

/** Family, port and IP; a link-local address has a scope besides, which bind(2) may have filled in. */
function checkTcp(own: Buffer, wanted: Buffer): string | undefined {
  const [from, to] = wanted.length === 16 ? [4, 8] : [8, 24];
  const isSame =
    own.length === wanted.length &&
    own.subarray(0, 4).equals(wanted.subarray(0, 4)) &&
    own.subarray(from, to).equals(wanted.subarray(from, to));
  return isSame ? undefined : 'it is bound to another address';
}

function checkAbstract(own: Buffer, name: string): string | undefined {
  return own.subarray(2).equals(Buffer.from(`\0${name}`)) ? undefined : 'it is bound to another address';
}

/** The path as it was typed for bind(2): relative to whatever directory, inside whatever chroot. */
function boundPath(own: Buffer): string {
  const bytes = own.subarray(2);
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

/** The name says little; what counts is that the file at the path is the one that the socket was bound to. */
function checkUnix(descriptor: number, bound: string, path: string): string | undefined {
  if (bound === '') return 'it is bound to another address';
  const there = statAt(AT_FDCWD, path);
  if (!there) return `there is no file ${path}`;
  const isSame = isBoundTo(descriptor, there.identity, isSamePath(bound, path));
  return isSame ? undefined : `${path} is not its file`;
}
