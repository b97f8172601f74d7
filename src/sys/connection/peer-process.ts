// Who is at the other end of a connection to a Unix socket (unix(7), SO_PEERCRED): the process that called listen(2).
import type { Socket } from 'node:net';
import { attempt, libc } from '../libc/libc.ts';
import { SOL_SOCKET } from '../libc/socket-numbers.ts';

const SO_PEERCRED = 17;

/** As we number processes and users. */
export interface Peer {
  readonly pid: number;
  /** Effective, when it connected. */
  readonly uid: number;
}

/** Its PID; undefined: the kernel does not say. */
export function peerOf(connection: Socket): number | undefined {
  // Node tells the number nowhere else.
  // oxlint-disable-next-line no-underscore-dangle
  const handle = (connection as unknown as { _handle: { fd: number } | null })._handle;
  return handle ? peerOn(handle.fd)?.pid : undefined;
}

/** The same by a descriptor of the connection. */
export function peerOn(descriptor: number): Peer | undefined {
  // struct ucred: pid, uid, gid.
  const [credentials, length] = [Buffer.alloc(12), Buffer.alloc(4)];
  length.writeUInt32LE(credentials.length);
  const result = attempt(() => libc.getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, credentials, length));
  return result < 0 ? undefined : { pid: credentials.readInt32LE(0), uid: credentials.readUInt32LE(4) };
}
