// Finds the listening socket of a pool whose supervisor has gone in one of its
// workers, and checks that a socket, wherever it came from, is the one meant.
import type { BoundAddress } from '../core/pool-id.ts';
import { DescriptorLender } from './descriptor-lender.ts';
import { AT_FDCWD, statAt } from './file-at.ts';
import { E, libc } from './libc.ts';
import { socketsListeningOn } from './port-holder.ts';
import type { SocketAddress } from './socket-address.ts';
import type { ProcFs } from './proc-fs.ts';
import { inodeOf, isBoundTo, isSamePath } from './socket-file.ts';
import { localAddress, socketOption } from './socket-facts.ts';

const SOCK_STREAM = 1;

/** A copy of the worker's socket, close-on-exec; or why it may not be had (EPERM: Yama, a container, another user). */
export type TakenSocket =
  { readonly descriptor: number; readonly inode: string } | { readonly errno: number };

/** Undefined: the process is gone, or has no such socket. A path is looked at as it is now, from here. */
export function takeListeningSocket(
  proc: ProcFs | undefined,
  pid: number,
  address: SocketAddress,
): TakenSocket | undefined {
  const lender = new DescriptorLender(pid);
  try {
    for (const number of socketsOf(proc, pid)) {
      const descriptor = lender.borrow(number);
      if (descriptor === -E.SRCH) return undefined;
      if (descriptor === -E.BADF) continue;
      if (descriptor < 0) return { errno: -descriptor };
      if (keepOnly(descriptor, address)) return { descriptor, inode: inodeOf(descriptor) };
    }
    return undefined;
  } finally {
    lender.close();
  }
}

/**
 * The socket that one of these processes has and that listens on the address, whatever became of its file; `told` is
 * what a state file says of them. Errno 0: none of them has it.
 */
export function takeSocketOf(
  proc: ProcFs,
  pids: readonly number[],
  address: BoundAddress,
  told: Parameters<typeof socketsListeningOn>[2],
): TakenSocket {
  const inodes = socketsListeningOn(proc, address, told);
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

function keepOnly(descriptor: number, address: SocketAddress): boolean {
  let isWanted = false;
  try {
    isWanted = checkListeningSocket(descriptor, address) === undefined;
    return isWanted;
  } finally {
    if (!isWanted) libc.close(descriptor);
  }
}

/** Why the descriptor is not a listening stream socket on that address, as the end of a sentence; undefined: it is. */
export function checkListeningSocket(descriptor: number, address: SocketAddress): string | undefined {
  const isListening = socketOption(descriptor, 'isListening');
  if (isListening === undefined) return 'it is not a socket';
  if (socketOption(descriptor, 'type') !== SOCK_STREAM) return 'it is not a stream socket';
  if (isListening !== 1) return 'it does not listen';
  const own = localAddress(descriptor);
  return address.kind === 'tcp'
    ? checkTcp(own, address.bytes)
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
