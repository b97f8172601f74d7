// A new stream socket, bound and listening; each failure is a refusal in 1.6's words, and leaves no descriptor.
import { SpawnFcgiError } from '../../core/errors.ts';
import { attempt, libc } from '../libc/libc.ts';
import { SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET, SO_REUSEADDR } from '../libc/socket-numbers.ts';

/** Runs with a new socket, which stays open only if that succeeds: a start that waits for a port tries often. */
export function withSocket<T>(family: number, run: (descriptor: number) => T): T {
  const descriptor = createSocket(family);
  try {
    return run(descriptor);
  } catch (error) {
    libc.close(descriptor);
    throw error;
  }
}

function createSocket(family: number): number {
  const descriptor = attempt(() => libc.socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (descriptor < 0) {
    throw new SpawnFcgiError(`couldn't create socket: ${libc.strerror(-descriptor)}`, {
      cause: { syscall: 'socket', errno: -descriptor },
    });
  }
  const one = Buffer.alloc(4);
  one.writeInt32LE(1);
  const result = attempt(() => libc.setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, one, 4));
  if (result < 0) throw new SpawnFcgiError(`couldn't set SO_REUSEADDR: ${libc.strerror(-result)}`);
  return descriptor;
}

export function bindTo(descriptor: number, bytes: Buffer): void {
  const result = attempt(() => libc.bind(descriptor, bytes, bytes.length));
  if (result < 0) throw refuse('bind', result);
}

export function startListening(descriptor: number, backlog: number): void {
  const result = attempt(() => libc.listen(descriptor, backlog));
  if (result < 0) throw refuse('listen', result);
}

export function refuse(call: string, negativeErrno: number): SpawnFcgiError {
  return new SpawnFcgiError(`${call} failed: ${libc.strerror(-negativeErrno)}`, {
    cause: { syscall: call, errno: -negativeErrno },
  });
}
