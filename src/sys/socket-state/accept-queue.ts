// How many connections wait to be accepted, and how many may: asked of the kernel in
// microseconds, without /proc.
import type { ListenSocket } from '../socket/listen-socket.ts';
import { socketOption } from './socket-facts.ts';
import { tcpQueue } from './tcp-facts.ts';
import { askUnixDiag, unixDiag } from './unix-diag.ts';
import { AF_UNIX } from '../libc/socket-numbers.ts';

export interface AcceptQueue {
  readonly length: number;
  /** What listen(2) was told, at most net.core.somaxconn. */
  readonly backlog: number;
}

/** Undefined where the kernel does not tell. */
export function acceptQueue({ descriptor, inode }: ListenSocket): AcceptQueue | undefined {
  return socketOption(descriptor, 'domain') === AF_UNIX ? unixQueue(inode) : tcpQueue(descriptor);
}

/** The same of a Unix socket by its inode alone (struct unix_diag_rqlen). */
export function unixQueue(inode: string): AcceptQueue | undefined {
  const queue = askUnixDiag(inode, unixDiag.queue);
  return queue && { length: queue.readUInt32LE(0), backlog: queue.readUInt32LE(4) };
}
