// Makes a listening socket of ours of use again: another in its place, listening once more, or its port taken back.
import type { SpawnFcgiError } from '../../core/errors.ts';
import { attempt, check, E, libc } from '../libc/libc.ts';
import { O_CLOEXEC } from '../path/file-at.ts';
import type { ListenSocket } from './listen-socket.ts';
import { isNonBlocking, setNonBlocking } from './non-blocking.ts';
import type { SocketAddress } from './socket-address.ts';

const SHUT_RD = 0;

/**
 * Puts a socket that was bound anew in the place of one whose file was lost: whoever knows the old one has the new one
 * from now on, by the same descriptor. The processes that inherited the old one keep it.
 */
export function renewSocket(socket: ListenSocket, fresh: ListenSocket): void {
  const { descriptor, inode, file } = fresh;
  // A program that works with a non-blocking socket only may have found it so.
  setNonBlocking(descriptor, isNonBlocking(socket.descriptor));
  check('dup3', () => libc.dup3(descriptor, socket.descriptor, O_CLOEXEC));
  libc.close(descriptor);
  if (socket.file) libc.close(socket.file.at.directory);
  Object.assign(socket, { inode, file, formerInode: socket.inode });
}

/** Lets a TCP socket of ours listen once more that was shut down, or connected somewhere; whether it does. */
export function listenAgain(descriptor: number, backlog: number): boolean {
  if (attempt(() => libc.listen(descriptor, backlog)) === 0) return true;
  // AF_UNSPEC: it lets go of whatever it was connected to, and stays bound.
  attempt(() => libc.connect(descriptor, Buffer.alloc(16), 16));
  return attempt(() => libc.listen(descriptor, backlog)) === 0;
}

const placeAttempts = 20;

/**
 * Binds a TCP address anew while a socket of ours that is of no use any more listens there: that one is shut down first, if
 * the other may be bound at all. Who has it may let it listen again at any moment, but not beside another.
 */
export function listenInPlaceOf(
  old: number,
  address: SocketAddress,
  listen: () => ListenSocket,
): ListenSocket {
  for (let attemptsLeft = placeAttempts; ; attemptsLeft -= 1) {
    try {
      return listen();
    } catch (error) {
      if (address.kind === 'unix' || attemptsLeft === 0 || !isTaken(error)) throw error;
      libc.shutdown(old, SHUT_RD);
    }
  }
}

function isTaken(error: unknown): boolean {
  return ((error as SpawnFcgiError).cause as { errno?: number } | undefined)?.errno === E.ADDRINUSE;
}
