// Whether anything was sent or received on sockets of other processes since the last look, by whichever call: epoll(7)
// with EPOLLET tells of each arrival, and of each time that the peer has taken something, as long as the socket can be
// written to. It keeps no socket open: what is registered goes with the last descriptor of its owner.
import { attempt, E, libc } from '../libc/libc.ts';

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_MOD = 3;
/** EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET; EPOLLHUP comes unasked. */
const everything = (1 | 4 | 0x2000 | 0x8000_0000) >>> 0;
const EPOLLHUP = 0x10;
const EPOLLRDHUP = 0x2000;
/** struct epoll_event is packed on x86-64 alone. */
const dataAt = process.arch === 'x64' ? 4 : 8;
const eventBytes = dataAt + 8;
const mostEvents = 256;

/** `new` from now on it is watched; `unknown` it cannot be; `ended`: its client has gone, which is all that happened. */
export type Touch = 'new' | 'quiet' | 'touched' | 'ended' | 'unknown';

interface Watched {
  readonly token: bigint;
  touch: Touch;
}

export class TouchWatch {
  #epoll: number | undefined;
  #lastToken = 0n;
  readonly #byName = new Map<string, Watched>();
  readonly #byToken = new Map<bigint, Watched>();
  readonly #buffer = Buffer.alloc(eventBytes * mostEvents);

  /** `name`: of the socket, its inode. `descriptor`: a copy of it, which the caller closes. */
  look(name: string, descriptor: number): Touch {
    const watched = this.#byName.get(name);
    if (!watched) return this.#add(name, descriptor);
    this.#drain();
    const { touch } = watched;
    watched.touch = 'quiet';
    return touch;
  }

  /** All others are closed, or nobody asks for them any more. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const [name, { token }] of this.#byName) {
      if (names.has(name)) continue;
      this.#byName.delete(name);
      this.#byToken.delete(token);
    }
    // One that lives on cannot be taken out: its descriptor here was closed.
    if (this.#byName.size === 0) this.close();
  }

  close(): void {
    if (this.#epoll !== undefined) libc.close(this.#epoll);
    this.#epoll = undefined;
    this.#byName.clear();
    this.#byToken.clear();
  }

  #add(name: string, descriptor: number): Touch {
    this.#epoll ??= attempt(() => libc.epollCreate1(EPOLL_CLOEXEC));
    if (this.#epoll < 0) {
      this.#epoll = undefined;
      return 'unknown';
    }
    const watched: Watched = { token: ++this.#lastToken, touch: 'quiet' };
    if (!register(this.#epoll, descriptor, watched.token)) return 'unknown';
    this.#byName.set(name, watched);
    this.#byToken.set(watched.token, watched);
    // That it can be written to is the first thing that it tells.
    this.#drain();
    watched.touch = 'quiet';
    return 'new';
  }

  #drain(): void {
    const epoll = this.#epoll;
    if (epoll === undefined) return;
    for (let count = mostEvents; count === mostEvents;) {
      count = attempt(() => libc.epollWait(epoll, this.#buffer, mostEvents, 0));
      for (let index = 0; index < count; index++) this.#take(index * eventBytes);
    }
  }

  #take(at: number): void {
    const watched = this.#byToken.get(this.#buffer.readBigUInt64LE(at + dataAt));
    if (!watched) return;
    const hasEnded = (this.#buffer.readUInt32LE(at) & (EPOLLHUP | EPOLLRDHUP)) !== 0;
    watched.touch = hasEnded && watched.touch !== 'touched' ? 'ended' : 'touched';
  }
}

function register(epoll: number, descriptor: number, token: bigint): boolean {
  const event = Buffer.alloc(eventBytes);
  event.writeUInt32LE(everything);
  event.writeBigUInt64LE(token, dataAt);
  const control = (operation: number): number =>
    attempt(() => libc.epollCtl(epoll, operation, descriptor, event));
  const result = control(EPOLL_CTL_ADD);
  // It was watched before, by a copy that had the same number.
  return (result === -E.EXIST ? control(EPOLL_CTL_MOD) : result) === 0;
}
