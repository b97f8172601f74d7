// A listening socket that was there before us, as a pool has it: with the file that is its own, and nothing on it that a
// worker may have set.
import type { WorkerRecord } from '../../core/pool-state.ts';
import { fileType, statAt } from '../../sys/path/file-at.ts';
import { blocksInAccept } from '../../sys/proc/waiting.ts';
import type { ProcFs } from '../../sys/proc/proc-fs.ts';
import { acceptQueue } from '../../sys/socket-state/accept-queue.ts';
import { readOptions, resetOptions } from '../../sys/socket-state/listener-options.ts';
import type { ListenSocket } from '../../sys/socket/listen-socket.ts';
import { isNonBlocking, setNonBlocking } from '../../sys/socket/non-blocking.ts';
import type { SocketAddress } from '../../sys/socket/socket-address.ts';
import { inodeOf, isBoundTo, type SocketFile } from '../../sys/socket/socket-file.ts';
import { openSocketDirectory } from '../../sys/socket/socket-place.ts';

/**
 * The socket without what a worker may have set on it; a Unix one with its file, which must be the one
 * at the path. `label`: somebody else has opened it and calls it so; what is set on it stays.
 */
export function holdSocket(descriptor: number, target: SocketAddress, label?: string): ListenSocket {
  if (label === undefined) resetOptions(descriptor);
  const file = target.kind === 'unix' ? holdFileOf(descriptor, target.path, label !== undefined) : undefined;
  const socket = { descriptor, inode: inodeOf(descriptor), file };
  return label === undefined ? socket : { ...socket, given: describeGiven(socket, label) };
}

/** Where the kernel does not tell, what listen(2) gets mostly. */
const usualBacklog = 4096;

function describeGiven(socket: ListenSocket, label: string): ListenSocket['given'] {
  const backlog = acceptQueue(socket)?.backlog ?? usualBacklog;
  return { label, backlog, options: readOptions(socket.descriptor) };
}

/** Of one that was opened elsewhere the path may lead nowhere from here (PrivateTmp=, a chroot). */
function holdFileOf(descriptor: number, path: string, isGiven: boolean): SocketFile | undefined {
  try {
    return holdFile(descriptor, path);
  } catch (error) {
    if (isGiven) return undefined;
    throw error;
  }
}

/** Asked again of what is held: in a directory of others it may have been exchanged since it was checked. */
export function holdFile(descriptor: number, path: string): SocketFile | undefined {
  const at = openSocketDirectory(path);
  const facts = statAt(at.directory, at.name);
  const isSocket = facts !== undefined && (facts.mode & fileType.mask) === fileType.socket;
  return isSocket && isBoundTo(descriptor, facts.identity, true)
    ? { at, identity: facts.identity }
    : undefined;
}

/** O_NONBLOCK ends programs that know nothing of it: where one of the old workers is such a program, a worker has set it. */
export function calmSocket(
  socket: ListenSocket,
  orphans: readonly WorkerRecord[],
  proc: ProcFs | undefined,
): void {
  if (!proc || !isNonBlocking(socket.descriptor)) return;
  if (orphans.some(({ pid }) => blocksInAccept(proc, pid, socket))) setNonBlocking(socket.descriptor, false);
}
