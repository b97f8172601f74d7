// By which inodes a listening socket is known to the processes that have it: one that was bound anew has two, since who
// inherited the one before keeps that. To be asked at each look: a socket may be bound anew at any time between two.
import type { ListenSocket } from './listen-socket.ts';

export type SocketInodes = Pick<ListenSocket, 'inode' | 'formerInode'>;

export function inodesOf({ inode, formerInode }: SocketInodes): ReadonlySet<string> {
  return new Set(formerInode === undefined ? [inode] : [inode, formerInode]);
}
