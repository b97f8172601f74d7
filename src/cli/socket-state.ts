// Keeps what all workers share with the listening socket as the program in service
// wants it: Node and Go set O_NONBLOCK and another backlog on it, and a Node program that
// ends clears the flag under those that serve on.
import type { ListenSocket } from '../sys/listen-socket.ts';
import { attempt, libc } from '../sys/libc.ts';
import { isNonBlocking, setNonBlocking } from '../sys/private-socket.ts';

export class SocketState {
  readonly #socket: ListenSocket;
  readonly #backlog: number;
  #isNonBlocking = false;

  constructor(socket: ListenSocket, backlog: number) {
    this.#socket = socket;
    this.#backlog = backlog;
  }

  /** Workers of the generation in service are up: this is how they want it. */
  remember(): void {
    this.#isNonBlocking = isNonBlocking(this.#socket.descriptor);
    // The user's backlog counts; listen(2) again only sets it.
    attempt(() => libc.listen(this.#socket.descriptor, this.#backlog));
  }

  /** Before a worker starts and after one has ended. */
  restore(): void {
    const { descriptor } = this.#socket;
    if (isNonBlocking(descriptor) !== this.#isNonBlocking) setNonBlocking(descriptor, this.#isNonBlocking);
  }

  /** No worker is left: the next program starts with what 1.6 gives. */
  reset(): void {
    this.#isNonBlocking = false;
    this.restore();
  }
}
