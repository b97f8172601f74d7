// Whether a connection to an address has come to the socket that it was meant for.
import { AT_FDCWD, statAt } from '../path/file-at.ts';
import type { ListenSocket } from '../socket/listen-socket.ts';
import { socketOption } from './socket-facts.ts';
import { inodeOf } from '../socket/socket-file.ts';
import { askUnixDiag, unixDiag } from './unix-diag.ts';
import { AF_UNIX } from '../libc/socket-numbers.ts';

/** What is to be reached. */
export interface Goal {
  readonly socket: ListenSocket;
  /** Where clients find a Unix socket, from here; undefined: only its directory is known still. */
  readonly path: string | undefined;
}

/**
 * Whether the connection came to this socket. On TCP the kernel has said who gets it; on a Unix socket it waits in
 * its queue, or was accepted from it by now, or the path still leads to its file.
 */
export function hasArrived({ socket, path }: Goal, connection: number): boolean {
  if (socketOption(connection, 'domain') !== AF_UNIX) return true;
  const inode = inodeOf(connection);
  if (listOf(askUnixDiag(socket.inode, unixDiag.clients)).includes(Number(BigInt(inode) & 0xffff_ffffn)))
    return true;
  const [peer = 0] = listOf(askUnixDiag(inode, unixDiag.peer));
  const [here, there] = [socket.inode, String(peer)].map((one) => askUnixDiag(one, unixDiag.file));
  if (peer !== 0 && here && there) return here.equals(there);
  if (!socket.file || path === undefined) return true;
  return statAt(AT_FDCWD, path)?.identity === socket.file.identity;
}

function listOf(numbers: Buffer | undefined): number[] {
  return Array.from({ length: (numbers?.length ?? 0) >> 2 }, (_unused, index) =>
    (numbers as Buffer).readUInt32LE(index * 4),
  );
}
