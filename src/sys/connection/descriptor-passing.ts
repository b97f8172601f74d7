// Bytes with descriptors over a connected Unix socket (SCM_RIGHTS, unix(7)). Never
// blocks, and never leaves a received descriptor open that nobody knows of.
import { SyscallError } from '../../core/errors.ts';
import { check, libc } from '../libc/libc.ts';
import { controlSpace, encodeControl, MessageHeader } from '../libc/message-header.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL, SOL_SOCKET } from '../libc/socket-numbers.ts';
import { F_DUPFD_CLOEXEC } from '../libc/fcntl-numbers.ts';

const SCM_RIGHTS = 1;
const MSG_CTRUNC = 0x08;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const EMSGSIZE = 90;
/** With one message; the kernel allows more. */
export const mostDescriptors = 8;

/**
 * Sends the bytes, and copies of the descriptors with the first of them. Returns how many
 * bytes went; throws a SyscallError when none did (EAGAIN: the other side does not read).
 */
export function sendWithDescriptors(socket: number, bytes: Buffer, descriptors: readonly number[]): number {
  // Without a byte there is nothing that descriptors could travel with.
  if (bytes.length === 0 || descriptors.length > mostDescriptors) throw tooLarge('sendmsg');
  const data = Buffer.alloc(4 * descriptors.length);
  descriptors.forEach((descriptor, index) => data.writeInt32LE(descriptor, 4 * index));
  const control = data.length === 0 ? data : encodeControl(SOL_SOCKET, SCM_RIGHTS, data);
  const header = new MessageHeader(bytes, control);
  return check('sendmsg', () => libc.sendmsg(socket, header.bytes, MSG_NOSIGNAL | MSG_DONTWAIT));
}

/** Another descriptor of the same open file description, close-on-exec, above the standard streams. */
export function duplicate(descriptor: number): number {
  return check('fcntl', () => libc.fcntl(descriptor, F_DUPFD_CLOEXEC, 'int', 3));
}

export interface Received {
  /** Empty: the other side has closed. */
  readonly bytes: Buffer;
  /** Close-on-exec, and the caller's to close. Sent with the last of `bytes`. */
  readonly descriptors: readonly number[];
}

/** Receives what is there; throws a SyscallError (EAGAIN: nothing is; EMSGSIZE: more descriptors than 8). */
export function receiveWithDescriptors(socket: number, maxBytes: number): Received {
  const header = new MessageHeader(Buffer.alloc(maxBytes), Buffer.alloc(controlSpace(4 * mostDescriptors)));
  const count = check('recvmsg', () => libc.recvmsg(socket, header.bytes, MSG_CMSG_CLOEXEC | MSG_DONTWAIT));
  const descriptors = header
    .controls()
    .filter(({ level, type }) => level === SOL_SOCKET && type === SCM_RIGHTS)
    .flatMap(({ data }) =>
      Array.from({ length: data.length >> 2 }, (_unused, at) => data.readInt32LE(4 * at)),
    );
  if ((header.flags & MSG_CTRUNC) !== 0) {
    for (const descriptor of descriptors) libc.close(descriptor);
    throw tooLarge('recvmsg');
  }
  return { bytes: header.received(count), descriptors };
}

function tooLarge(call: string): SyscallError {
  return new SyscallError(call, EMSGSIZE, libc.strerror(EMSGSIZE));
}
