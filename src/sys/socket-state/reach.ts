// Whether a client can reach a listening socket: by what the kernel says of it, and by one connection to its address
// that must turn up in this very socket. Never blocks; the connection is closed at once, so that a worker that accepts it
// reads end of file.
import { maxSocketPath } from '../../core/pool-id.ts';
import { acceptQueue } from './accept-queue.ts';
import { AT_FDCWD, statAt } from '../path/file-at.ts';
import { hasArrived, type Goal } from './arrival.ts';
import { attempt, E, libc } from '../libc/libc.ts';
import { AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from '../libc/socket-numbers.ts';
import { poll, POLLOUT } from '../libc/poll.ts';
import type { ListenSocket } from '../socket/listen-socket.ts';
import { optionsInTheWay } from './listener-options.ts';
import { isOfOtherNamespace, listenerOf } from './network-namespace.ts';
import { reachableAddress } from '../connection/private-socket.ts';
import { localAddress, socketOption } from './socket-facts.ts';
import { standingOf } from '../socket/socket-file.ts';
import { askUnixDiag, unixDiag } from './unix-diag.ts';
import { unixAddress } from '../connection/unix-socket.ts';

const RCV_SHUTDOWN = 1;

export type Reach =
  | { readonly kind: 'reachable' }
  /** Its queue has no room for one more; clients wait, or are told so. */
  | { readonly kind: 'full' }
  | { readonly kind: 'other-namespace' }
  | { readonly kind: 'not-listening' }
  /** Its address leads to another socket, or to none. */
  | { readonly kind: 'elsewhere' }
  | { readonly kind: 'options'; readonly names: readonly string[] }
  /** The file's mode lets nobody connect. */
  | { readonly kind: 'file-closed' }
  /** Nothing comes back: a filter, or a key, that cannot be seen. */
  | { readonly kind: 'no-answer' }
  /** The errno of what we may not do ourselves, or cannot from here. */
  | { readonly kind: 'unknown'; readonly errno: number };

/** The end of a sentence about a socket; undefined: nothing speaks against it. */
export function describeReach(reach: Reach): string | undefined {
  switch (reach.kind) {
    case 'reachable':
    case 'full':
    case 'unknown':
      return undefined;
    case 'other-namespace':
      return 'its socket is of another network namespace';
    case 'not-listening':
      return 'its socket was shut down';
    case 'elsewhere':
      return 'its address leads to another socket';
    case 'options':
      return `what was set on its socket keeps clients out (${reach.names.join(', ')})`;
    case 'file-closed':
      return 'its socket file lets nobody connect (no write permission)';
    case 'no-answer':
      return 'nothing comes back from its socket';
  }
}

/** What stands in the way as far as the kernel tells, without a connection. */
export function obstacleOf({ socket }: Pick<Goal, 'socket'>): Reach | undefined {
  const { descriptor, inode, file, given } = socket;
  const isUnix = socketOption(descriptor, 'domain') === AF_UNIX;
  if (socketOption(descriptor, 'isListening') !== 1 || (isUnix && isShutDown(inode)))
    return { kind: 'not-listening' };
  // A path leads to a Unix socket from every network namespace.
  if (!isUnix && isOfOtherNamespace(descriptor)) return given ? undefined : { kind: 'other-namespace' };
  if (file && standingOf(file) !== 'ours') return { kind: 'elsewhere' };
  const names = optionsInTheWay(descriptor, given?.options);
  if (names.length > 0) return { kind: 'options', names };
  const listener = isUnix ? undefined : listenerOf(descriptor);
  return listener === undefined || listener === inode ? undefined : { kind: 'elsewhere' };
}

function isShutDown(inode: string): boolean {
  return ((askUnixDiag(inode, unixDiag.shutdown)?.[0] ?? 0) & RCV_SHUTDOWN) !== 0;
}

/** So long an attempt may take: the kernel does it at once, but the machine may be busy, and a queue full for a moment. */
const attemptsMs = [50, 100, 250];

/** One client's visit. Whoever begins one looks until there is an answer, and ends it. */
export class Visit {
  readonly #goal: Goal;
  #connection: number | undefined;
  #attempt = 0;
  #attemptEndsAtMs = 0;
  #result: Reach | undefined;

  constructor(goal: Goal) {
    this.#goal = goal;
    this.#result = obstacleOf(goal);
    if (!this.#result) this.#connect();
  }

  /** Undefined: not known yet. */
  look(): Reach | undefined {
    if (this.#result) return this.#result;
    const connection = this.#connection ?? -1;
    if (poll(connection, POLLOUT) !== 0)
      return this.#conclude(this.#judge(socketOption(connection, 'error') ?? 0));
    if (isFull(this.#goal.socket)) return this.#conclude({ kind: 'full' });
    if (performance.now() < this.#attemptEndsAtMs) return undefined;
    this.#attempt += 1;
    if (this.#attempt >= attemptsMs.length) return this.#conclude({ kind: 'no-answer' });
    this.#connect();
    return this.#result;
  }

  /** Waits for a moment, or until there is something to look at. */
  wait(ms: number): void {
    if (this.#connection !== undefined) poll(this.#connection, POLLOUT, ms);
  }

  end(): void {
    if (this.#connection !== undefined) libc.close(this.#connection);
    this.#connection = undefined;
  }

  #connect(): void {
    this.end();
    const { socket, path } = this.#goal;
    if (socket.given && isOfOtherNamespace(socket.descriptor))
      return void this.#conclude({ kind: 'unknown', errno: E.NETUNREACH });
    const isUnix = socketOption(socket.descriptor, 'domain') === AF_UNIX;
    // One more that is sure to be turned away shows nothing.
    if (!isUnix && isFull(socket)) return void this.#conclude({ kind: 'full' });
    const name = isUnix ? (path ?? pathTo(socket)) : '';
    if (name === undefined) return void this.#conclude({ kind: 'unknown', errno: E.NOENT });
    const address = isUnix ? unixAddress(name) : reachableAddress(localAddress(socket.descriptor));
    const type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    const connection = attempt(() => libc.socket(address.readUInt16LE(0), type, 0));
    if (connection < 0) return void this.#conclude({ kind: 'unknown', errno: -connection });
    this.#connection = connection;
    this.#attemptEndsAtMs = performance.now() + (attemptsMs[this.#attempt] ?? 0);
    const result = attempt(() => libc.connect(connection, address, address.length));
    if (result !== -E.INPROGRESS) this.#conclude(this.#judge(-result));
  }

  #judge(errno: number): Reach {
    const { socket } = this.#goal;
    switch (errno) {
      case 0:
        return this.#connection === undefined || hasArrived(this.#goal, this.#connection)
          ? { kind: 'reachable' }
          : { kind: 'elsewhere' };
      case E.AGAIN:
        return { kind: 'full' };
      case E.NOENT:
        return { kind: 'elsewhere' };
      case E.CONNREFUSED:
        return socket.file ? { kind: 'elsewhere' } : { kind: 'not-listening' };
      default:
        return { kind: 'unknown', errno };
    }
  }

  #conclude(result: Reach): Reach {
    this.#result = result;
    this.end();
    return result;
  }
}

const pauseMs = 10;

/** The same at once, for who has time for it: half a second where nothing comes back. */
export function reachOf(goal: Goal): Reach {
  const visit = new Visit(goal);
  try {
    for (;;) {
      const result = visit.look();
      if (result) return result;
      visit.wait(pauseMs);
    }
  } finally {
    visit.end();
  }
}

/** Magic links of /proc do not depend on the working directory; in a chroot there are none. */
function pathTo({ file }: ListenSocket): string | undefined {
  const path = file ? `/proc/self/fd/${file.at.directory}/${file.at.name}` : '';
  const isUsable = Buffer.byteLength(path) <= maxSocketPath && statAt(AT_FDCWD, path) !== undefined;
  return isUsable ? path : undefined;
}

function isFull(socket: ListenSocket): boolean {
  const queue = acceptQueue(socket);
  return queue !== undefined && queue.length >= Math.max(queue.backlog, 1);
}
