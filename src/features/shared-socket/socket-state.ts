// Keeps what all workers share with the listening socket as the program in service
// wants it: Node and Go set O_NONBLOCK and another backlog on it, and a Node program that
// ends clears the flag under those that serve on.
import type { SharedSocket } from '../../core/machine.ts';
import { acceptQueue } from '../../sys/socket-state/accept-queue.ts';
import type { ListenSocket } from '../../sys/socket/listen-socket.ts';
import { attempt, libc } from '../../sys/libc/libc.ts';
import { isNonBlocking, setNonBlocking } from '../../sys/socket/non-blocking.ts';
import { restoreSocket } from './socket-renewal.ts';

/** A program that is slow to start, and up by its age alone, sets the flag later. */
const lookAgainAfterMs = 1000;

export class SocketState implements SharedSocket {
  readonly #socket: ListenSocket;
  readonly #backlog: number;
  readonly #isShut: () => boolean;
  #isNonBlocking = false;

  /** `backlog` of one that is ours; `isShut` says whether nobody new is let in any more. */
  constructor(socket: ListenSocket, backlog: number, isShut: () => boolean) {
    this.#socket = socket;
    this.#backlog = socket.given?.backlog ?? backlog;
    this.#isShut = isShut;
  }

  settle(): void {
    this.#isNonBlocking = isNonBlocking(this.#socket.descriptor);
    // The user's backlog counts; listen(2) again only sets it.
    attempt(() => libc.listen(this.#socket.descriptor, this.#backlog));
    setTimeout(this.look.bind(this), lookAgainAfterMs).unref();
  }

  look(): void {
    this.#isNonBlocking ||= isNonBlocking(this.#socket.descriptor);
  }

  restore(): void {
    const { descriptor } = this.#socket;
    if (this.#isNonBlocking && !isNonBlocking(descriptor)) setNonBlocking(descriptor, true);
  }

  revert(): void {
    const { descriptor } = this.#socket;
    if (isNonBlocking(descriptor) !== this.#isNonBlocking) setNonBlocking(descriptor, this.#isNonBlocking);
  }

  queued(): number | undefined {
    return this.#isShut() ? acceptQueue(this.#socket)?.length : undefined;
  }

  reset(): void {
    this.#isNonBlocking = false;
    this.revert();
    // The last ones may have spoiled it, or what was set right before they were told to end.
    restoreSocket(this.#socket, this.#backlog);
  }
}
