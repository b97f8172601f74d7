// Unix stream sockets of our own use: addresses, and the control socket.
import { check, libc } from '../libc/libc.ts';
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } from '../libc/socket-numbers.ts';

export const controlBacklog = 64;
/** Of --status-socket: who is not answered soon may come again. */
export const statusBacklog = 64;

/** sockaddr_un as SUN_LEN measures it: without the final NUL, so that 107 bytes fit. */
export function unixAddress(path: string): Buffer {
  const name = Buffer.from(path);
  const bytes = Buffer.alloc(2 + name.length);
  bytes.writeUInt16LE(AF_UNIX, 0);
  name.copy(bytes, 2);
  return bytes;
}

/** A listening socket at the path, close-on-exec; throws what bind(2) says. */
export function bindUnix(path: string): number {
  const descriptor = check('socket', () => libc.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const bytes = unixAddress(path);
  try {
    check('bind', () => libc.bind(descriptor, bytes, bytes.length));
    check('listen', () => libc.listen(descriptor, controlBacklog));
  } catch (error) {
    libc.close(descriptor);
    throw error;
  }
  return descriptor;
}
