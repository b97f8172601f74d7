// How many connections wait to be accepted, and how many may: asked of the kernel in
// microseconds, without /proc.
import { libc } from './libc.ts';
import type { ListenSocket } from './listen-socket.ts';
import { AF_UNIX, socketOption } from './socket-facts.ts';
import { askUnixDiag, unixDiag } from './unix-diag.ts';

const IPPROTO_TCP = 6;
const TCP_INFO = 11;
/** In struct tcp_info: tcpi_unacked and tcpi_sacked, which a listening socket uses for this (tcp(7)). */
const tcpLengthAt = 24;
const tcpBacklogAt = 28;

export interface AcceptQueue {
  readonly length: number;
  /** What listen(2) was told, at most net.core.somaxconn. */
  readonly backlog: number;
}

/** Undefined where the kernel does not tell. */
export function acceptQueue({ descriptor, inode }: ListenSocket): AcceptQueue | undefined {
  return socketOption(descriptor, 'domain') === AF_UNIX ? unixQueue(inode) : tcpQueue(descriptor);
}

function tcpQueue(descriptor: number): AcceptQueue | undefined {
  const info = Buffer.alloc(256);
  const length = Buffer.of(0, 1, 0, 0);
  if (libc.getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, info, length) !== 0) return undefined;
  return { length: info.readUInt32LE(tcpLengthAt), backlog: info.readUInt32LE(tcpBacklogAt) };
}

/** struct unix_diag_rqlen. */
function unixQueue(inode: string): AcceptQueue | undefined {
  const queue = askUnixDiag(inode, unixDiag.queue);
  return queue && { length: queue.readUInt32LE(0), backlog: queue.readUInt32LE(4) };
}
