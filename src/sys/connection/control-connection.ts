// The client's end of a control socket for who has nothing else to do meanwhile: a
// start with --replace. Lines with descriptors, each wait with a deadline.
import { closeSync, constants, openSync } from 'node:fs';
import { errnoOf, SyscallError } from '../../core/errors.ts';
import { maxSocketPath } from '../../core/pool-id.ts';
import { receiveWithDescriptors, sendWithDescriptors } from './descriptor-passing.ts';
import { O_PATH } from '../path/file-at.ts';
import { attempt, check, E, libc } from '../libc/libc.ts';
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET } from '../libc/socket-numbers.ts';
import { POLLIN, POLLOUT, pollUntil } from '../libc/poll.ts';
import { unixAddress } from './unix-socket.ts';

const SO_SNDTIMEO = 21;
const ETIMEDOUT = 110;
const readBytes = 65_536;
/** A line is a JSON object of some hundred bytes. */
const longestLineBytes = 262_144;

/** Connects to a Unix socket of whatever length of path; throws a SyscallError (ETIMEDOUT: its queue stays full). */
export function connectUnix(path: string, timeoutMs: number): number {
  const descriptor = check('socket', () => libc.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  try {
    // A connect to a full queue waits as long as a send may (unix(7)); zero would be for ever.
    setSendTimeout(descriptor, Math.max(1, timeoutMs));
    const result = connectByPath(descriptor, path);
    if (result === -E.AGAIN) throw failure('connect', ETIMEDOUT);
    if (result < 0) throw failure('connect', -result);
    return descriptor;
  } catch (error) {
    libc.close(descriptor);
    throw error;
  }
}

/** A path that does not fit into an address is reached through a descriptor of the socket's file. */
function connectByPath(descriptor: number, path: string): number {
  if (Buffer.byteLength(path) <= maxSocketPath) return connectTo(descriptor, path);
  let file: number;
  try {
    file = openSync(path, O_PATH | constants.O_NOFOLLOW);
  } catch (error) {
    return -(errnoOf(error) || E.NOENT);
  }
  try {
    return connectTo(descriptor, `/proc/self/fd/${file}`);
  } finally {
    closeSync(file);
  }
}

function connectTo(descriptor: number, path: string): number {
  const address = unixAddress(path);
  return attempt(() => libc.connect(descriptor, address, address.length));
}

/** struct timeval: seconds, microseconds. */
function setSendTimeout(descriptor: number, timeoutMs: number): void {
  const value = Buffer.alloc(16);
  value.writeBigInt64LE(BigInt(Math.floor(timeoutMs / 1000)), 0);
  value.writeBigInt64LE(BigInt(Math.round((timeoutMs % 1000) * 1000)), 8);
  check('setsockopt', () => libc.setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, value, value.length));
}

export interface ReceivedLine {
  /** Without its newline. */
  readonly line: string;
  /** What came with it; the caller closes them. */
  readonly descriptors: readonly number[];
}

export class ControlConnection {
  readonly descriptor: number;
  readonly #lines: ReceivedLine[] = [];
  /** Bytes of a line whose end has not come yet, and what came with them. */
  #partial: Buffer = Buffer.alloc(0);
  #partialDescriptors: readonly number[] = [];
  #isEnded = false;

  constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  static connect(path: string, timeoutMs: number): ControlConnection {
    return new ControlConnection(connectUnix(path, timeoutMs));
  }

  /** Sends a line whole; throws a SyscallError (EPIPE: the other side is gone; ETIMEDOUT: it does not read). */
  send(line: string, descriptors: readonly number[] = [], timeoutMs = 5000): void {
    const deadlineMs = performance.now() + timeoutMs;
    let rest = Buffer.from(`${line}\n`);
    let unsent = descriptors;
    while (rest.length > 0) {
      if (!pollUntil(this.descriptor, POLLOUT, deadlineMs)) throw failure('sendmsg', ETIMEDOUT);
      const count = this.#sendSome(rest, unsent);
      if (count > 0) unsent = [];
      rest = rest.subarray(count);
    }
  }

  /** The next line; 'closed' also when the other side was killed. Throws a SyscallError when it breaks the rules. */
  receiveLine(timeoutMs: number): ReceivedLine | 'closed' | 'timeout' {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const line = this.#lines.shift();
      if (line) return line;
      if (this.#isEnded) return 'closed';
      if (!pollUntil(this.descriptor, POLLIN, deadlineMs)) return 'timeout';
      this.#receiveSome();
    }
  }

  /** Also closes descriptors that came with lines nobody has taken. */
  close(): void {
    const unclaimed = [...this.#lines.flatMap(({ descriptors }) => descriptors), ...this.#partialDescriptors];
    for (const descriptor of [...unclaimed, this.descriptor]) libc.close(descriptor);
    this.#lines.length = 0;
    this.#partialDescriptors = [];
    this.#isEnded = true;
  }

  #sendSome(bytes: Buffer, descriptors: readonly number[]): number {
    try {
      return sendWithDescriptors(this.descriptor, bytes, descriptors);
    } catch (error) {
      if (error instanceof SyscallError && error.errno === E.AGAIN) return 0;
      throw error;
    }
  }

  #receiveSome(): void {
    try {
      const { bytes, descriptors } = receiveWithDescriptors(this.descriptor, readBytes);
      if (bytes.length === 0) this.#isEnded = true;
      else this.#take(bytes, descriptors);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      if (error.errno === E.CONNRESET) this.#isEnded = true;
      else if (error.errno !== E.AGAIN) throw error;
    }
  }

  /** The kernel ends a read behind bytes that descriptors came with: they belong to the last line of it. */
  #take(bytes: Buffer, descriptors: readonly number[]): void {
    const pieces = Buffer.concat([this.#partial, bytes]).toString('latin1').split('\n');
    const rest = pieces.pop() ?? '';
    const isWhole = rest === '';
    pieces.forEach((piece, index) => {
      const isFirst = index === 0;
      const isLast = index === pieces.length - 1;
      const own = [...(isFirst ? this.#partialDescriptors : []), ...(isLast && isWhole ? descriptors : [])];
      this.#lines.push({ line: Buffer.from(piece, 'latin1').toString('utf8'), descriptors: own });
    });
    const begun = pieces.length === 0 ? this.#partialDescriptors : [];
    this.#partial = Buffer.from(rest, 'latin1');
    this.#partialDescriptors = isWhole ? [] : [...begun, ...descriptors];
    if (this.#partial.length > longestLineBytes) {
      throw failure('recvmsg', 90);
    }
  }
}

function failure(call: string, errno: number): SyscallError {
  return new SyscallError(call, errno, libc.strerror(errno));
}
