// Who is at the other end of a connection to a Unix socket (unix(7), SO_PEERCRED): the process that called listen(2).
import type { Socket } from 'node:net';
import { attempt, libc } from '../libc/libc.ts';
import { SOL_SOCKET } from '../libc/socket-numbers.ts';

const SO_PEERCRED = 17;

/** Its PID, as we number processes; undefined: the kernel does not say. */
export function peerOf(connection: Socket): number | undefined {
  // Node tells the number nowhere else.
  // oxlint-disable-next-line no-underscore-dangle
  const handle = (connection as unknown as { _handle: { fd: number } | null })._handle;
  // struct ucred: pid, uid, gid.
  const [credentials, length] = [Buffer.alloc(12), Buffer.alloc(4)];
  length.writeUInt32LE(credentials.length);
  if (!handle) return undefined;
  const result = attempt(() => libc.getsockopt(handle.fd, SOL_SOCKET, SO_PEERCRED, credentials, length));
  return result < 0 ? undefined : credentials.readInt32LE(0);
}
