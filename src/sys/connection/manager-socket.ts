// The socket of the service manager that has started us ($NOTIFY_SOCKET, sd_notify(3)): datagrams to it, descriptors with
// them. Connected before chroot and the drop of privileges; nothing here waits, and nobody need listen.
import { SyscallError } from '../../core/errors.ts';
import { maxSocketPath } from '../../core/pool-id.ts';
import { attempt, E, libc } from '../libc/libc.ts';
import { POLLOUT, poll } from '../libc/poll.ts';
import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from '../libc/socket-numbers.ts';
import { sendWithDescriptors } from './descriptor-passing.ts';
import { unixAddress } from './unix-socket.ts';

const ETOOMANYREFS = 109;
/** The manager is there, and has no room for it now. */
const full: ReadonlySet<number> = new Set([E.AGAIN, E.NOBUFS, E.NOMEM, ETOOMANYREFS]);

/** What became of a datagram: `full` the manager reads too slowly, `gone` there is none. */
export type Sent = 'sent' | 'full' | 'gone';

/** Why a value of NOTIFY_SOCKET cannot be used, as the end of a sentence; undefined: it can. */
export function findFault(name: string): string | undefined {
  if (name.startsWith('vsock')) return 'only a Unix socket can be told';
  if (!/^[/@]./.test(name)) return 'it must be an absolute path, or @ and an abstract name';
  return Buffer.byteLength(name) > maxSocketPath ? 'it is too long for a socket' : undefined;
}

export class ManagerSocket {
  #descriptor: number;
  readonly name: string;

  private constructor(name: string, descriptor: number) {
    this.name = name;
    this.#descriptor = descriptor;
  }

  /** Connects to a name without fault; minus errno where nobody listens, or we may not. */
  static connect(name: string): ManagerSocket | number {
    const descriptor = connectTo(name);
    return descriptor < 0 ? descriptor : new ManagerSocket(name, descriptor);
  }

  /** With a connected descriptor that somebody else has made, and that is ours now. */
  static adopt(name: string, descriptor: number): ManagerSocket {
    return new ManagerSocket(name, descriptor);
  }

  /** For who sends there next. */
  get descriptor(): number {
    return this.#descriptor;
  }

  /** Sends the lines as one datagram, and copies of the descriptors with it. */
  send(lines: readonly string[], descriptors: readonly number[] = []): Sent {
    const sent = this.#send(lines, descriptors);
    if (sent !== 'gone') return sent;
    // A manager that was restarted has another socket under the same name.
    const fresh = connectTo(this.name);
    if (fresh < 0) return 'gone';
    libc.close(this.#descriptor);
    this.#descriptor = fresh;
    return this.#send(lines, descriptors);
  }

  /** Waits, that long at most, until there is room. */
  awaitRoom(waitMs: number): void {
    poll(this.#descriptor, POLLOUT, waitMs);
  }

  #send(lines: readonly string[], descriptors: readonly number[]): Sent {
    try {
      sendWithDescriptors(this.#descriptor, Buffer.from(lines.join('\n')), descriptors);
      return 'sent';
    } catch (error) {
      return error instanceof SyscallError && full.has(error.errno) ? 'full' : 'gone';
    }
  }
}

/** The descriptor, or minus errno. */
function connectTo(name: string): number {
  const type = SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  const descriptor = attempt(() => libc.socket(AF_UNIX, type, 0));
  if (descriptor < 0) return descriptor;
  const address = unixAddress(name.replace(/^@/, '\0'));
  const result = attempt(() => libc.connect(descriptor, address, address.length));
  if (result === 0) return descriptor;
  libc.close(descriptor);
  return result;
}
