// A socket that the caller has opened: whether a pool can work on it, and where it listens.
import { attempt, libc } from '../libc/libc.ts';
import { AF_INET, AF_INET6, AF_UNIX, IPPROTO_TCP, SOCK_DGRAM, SOCK_STREAM } from '../libc/socket-numbers.ts';
import { localAddress, socketOption } from '../socket-state/socket-facts.ts';
import { isOpen } from './offered-sockets.ts';
import { readSocketAddress, type SocketAddress } from './socket-address.ts';

/** What is wrong with it, as the end of a sentence, and the way out. */
export interface Unfit {
  readonly problem: string;
  readonly hints: readonly string[];
}

/** The address of a listening stream socket, TCP or Unix, that has a name; or why it is none. */
export function judgeGiven(descriptor: number): SocketAddress | Unfit {
  if (!isOpen(descriptor)) return unfit('is not open');
  const type = socketOption(descriptor, 'type');
  if (type === undefined) return unfit('is no socket');
  if (type === SOCK_DGRAM)
    return unfit('is a datagram socket', 'FastCGI needs a stream (systemd: ListenStream=)');
  if (type !== SOCK_STREAM)
    return unfit('is no stream socket', 'FastCGI needs a stream (systemd: ListenStream=)');
  if (socketOption(descriptor, 'isListening') !== 1) return judgeSilent(descriptor);
  if (!isOfOurKind(descriptor)) return unfit('is neither a TCP nor a Unix socket');
  return readSocketAddress(localAddress(descriptor)) ?? unfit('has no name that clients could connect to');
}

function unfit(problem: string, ...hints: readonly string[]): Unfit {
  return { problem, hints };
}

function isOfOurKind(descriptor: number): boolean {
  const domain = socketOption(descriptor, 'domain');
  const isIp = domain === AF_INET || domain === AF_INET6;
  return domain === AF_UNIX || (isIp && socketOption(descriptor, 'protocol') === IPPROTO_TCP);
}

/** Connected: by who starts a process for each connection. */
function judgeSilent(descriptor: number): Unfit {
  const [name, length] = [Buffer.alloc(128), Buffer.of(128, 0, 0, 0)];
  return attempt(() => libc.getpeername(descriptor, name, length)) === 0
    ? unfit(
        'is a connection that was accepted already, not a listening socket',
        'the pool accepts itself: Accept=no in a .socket unit, wait (not nowait) in inetd.conf',
      )
    : unfit('does not listen', 'who opens it must call listen(2)');
}
