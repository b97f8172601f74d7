// Connections to a listening socket of ours, told by a signal (fcntl(2), F_SETSIG) and not by the event loop: libuv asks
// again and again while accept fails for want of descriptors, which any process of our uid can bring about (prlimit(2)),
// and takes a processor for it. Here an accept that fails rests.
import { attempt, E, libc } from '../libc/libc.ts';
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from '../libc/socket-numbers.ts';
import { F_GETFL, F_SETFL, F_SETOWN, F_SETSIG, O_ASYNC, O_NONBLOCK } from '../libc/fcntl-numbers.ts';
import { controlBacklog } from './unix-socket.ts';
import { getFileLimit, setFileLimit } from '../process/resource-limit.ts';

const F_GETOWN = 9;
const ECONNABORTED = 103;
/** Does nothing to a process that has no handler (any more): it may be sent at any time. */
const signal = 'SIGURG';
const SIGURG = 23;

const shortestRestMs = 50;
const longestRestMs = 5000;

export class SignalledListener {
  readonly #descriptor: number;
  readonly #take: (connection: number) => void;
  #restMs = shortestRestMs;
  #rest: NodeJS.Timeout | undefined;
  #isClosed = false;
  #isPaused = false;

  /** The descriptor is its own from now on; `take` gets connections, close-on-exec and non-blocking, to close. */
  constructor(descriptor: number, take: (connection: number) => void) {
    this.#descriptor = descriptor;
    this.#take = take;
    process.on(signal, this.#acceptAll);
    // Whoever connects is told that it is us who listens, and not a supervisor that has given the socket away (SO_PEERCRED).
    attempt(() => libc.listen(descriptor, controlBacklog));
    this.#fcntl(F_SETSIG, SIGURG);
    // The whole process: whichever thread, the handler runs in the loop.
    this.#fcntl(F_SETOWN, process.pid);
    this.#fcntl(F_SETFL, this.#fcntl(F_GETFL, 0) | O_NONBLOCK | O_ASYNC);
    // Who came before that waits in the queue.
    setImmediate(this.#acceptAll);
  }

  /** Whoever connects from now on waits in the queue. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#acceptAll();
  }

  /** A descriptor was given back: if an accept has failed, another one may do. */
  retry(): void {
    if (this.#rest) this.#acceptAll();
  }

  close(): void {
    // The open file description may be somebody else's, too, who has made it his.
    if (!this.#isClosed && this.#fcntl(F_GETOWN, 0) === process.pid) this.#fcntl(F_SETOWN, 0);
    this.leave();
  }

  /** The same for one that another process listens on from now on, which makes it his at this very moment, perhaps. */
  leave(): void {
    if (this.#isClosed) return;
    process.off(signal, this.#acceptAll);
    clearTimeout(this.#rest);
    this.#rest = undefined;
    this.#isClosed = true;
    libc.close(this.#descriptor);
  }

  readonly #acceptAll = (): void => {
    clearTimeout(this.#rest);
    this.#rest = undefined;
    while (!this.#isClosed && !this.#isPaused) {
      const connection = attempt(() =>
        libc.accept4(this.#descriptor, null, null, SOCK_CLOEXEC | SOCK_NONBLOCK),
      );
      if (connection >= 0) this.#take(connection);
      if (connection >= 0 || connection === -E.AGAIN) this.#restMs = shortestRestMs;
      if (connection === -E.AGAIN) return;
      const isWorthAnother =
        connection >= 0 || connection === -ECONNABORTED || (connection === -E.MFILE && raiseFileLimit());
      if (!isWorthAnother) return this.#restAWhile();
    }
  };

  /** No descriptor, or no memory: who waits in the queue waits longer, and the pool goes on. */
  #restAWhile(): void {
    this.#rest = setTimeout(this.#acceptAll, this.#restMs);
    this.#restMs = Math.min(this.#restMs * 2, longestRestMs);
  }

  #fcntl(command: number, value: number): number {
    return attempt(() => libc.fcntl(this.#descriptor, command, 'int', value));
  }
}

/** Back to what Node has made of it at its start; false where nothing is to be had. */
function raiseFileLimit(): boolean {
  try {
    const { soft, hard } = getFileLimit();
    if (soft < hard) setFileLimit({ soft: hard, hard });
    return soft < hard;
  } catch {
    return false;
  }
}
