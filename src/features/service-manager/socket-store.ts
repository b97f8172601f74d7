// The listening socket, kept by a manager that can (FDSTORE=1): whoever connects while the pool is started again waits in
// its queue. Only a socket that the pool has bound itself; one that was given is kept by whoever has given it.
import type { ListenSocket } from '../../sys/socket/listen-socket.ts';
import type { ManagerLine } from './manager-line.ts';

/** Under which name the next start finds it. */
const name = 'FDNAME=spawn-fcgi';

export class SocketStore {
  readonly #line: ManagerLine;
  readonly #socket: ListenSocket;
  /** The socket that the manager has by now. */
  #inode: string | undefined;

  /** `kept`: a former supervisor of the pool has given it to the manager. */
  constructor(line: ManagerLine, socket: ListenSocket, kept: boolean) {
    this.#line = line;
    this.#socket = socket;
    if (kept) this.#inode = socket.inode;
  }

  /** The socket outlives the pool. */
  get isKept(): boolean {
    return this.#inode === this.#socket.inode;
  }

  /** Gives the socket that there is now, in place of one that was there before. */
  keep(): void {
    if (this.isKept) return;
    this.#line.tell({ lines: ['FDSTOREREMOVE=1', name] });
    // A worker may spoil the socket and the next start set that right: the manager is not to drop it meanwhile.
    const lines = ['FDSTORE=1', name, 'FDPOLL=0'];
    this.#line.tell({ lines, descriptors: [this.#socket.descriptor] });
    this.#inode = this.#socket.inode;
  }
}
