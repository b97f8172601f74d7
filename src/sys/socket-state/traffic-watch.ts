// Whether the last thing that was done on a socket was to read or to write: inotify(7) tells of read(2) and write(2)
// by whichever process, in their order, but not of recv(2) and send(2). Only of what happens while it watches.
import { check, attempt, libc } from '../libc/libc.ts';

const IN_ACCESS = 1;
const IN_MODIFY = 2;
const IN_IGNORED = 0x8000;
const IN_Q_OVERFLOW = 0x4000;
const IN_NONBLOCK = 0o4000;
const IN_CLOEXEC = 0o2000000;
/** struct inotify_event without a name: wd, mask, cookie, len. */
const eventBytes = 16;

export interface Traffic {
  /**
   * `answered`: written since it was read; `received`: read since it was written; `read`: read, and nothing was seen to
   * be written (its program may write by send(2)); `unknown`: no read was seen.
   */
  readonly last: 'answered' | 'received' | 'read' | 'unknown';
  /** Grows with each event. */
  readonly events: number;
}

interface Watched {
  readonly inode: string;
  last: Traffic['last'];
  events: number;
}

const nothing: Traffic = { last: 'unknown', events: 0 };

export class TrafficWatch {
  #inotify: number | undefined;
  readonly #byDescriptor = new Map<number, Watched>();
  readonly #byInode = new Map<string, Watched>();
  readonly #buffer = Buffer.alloc(eventBytes * 1024);

  /** Begins to watch a socket of a process; nothing where that is not allowed, or its descriptor is another one by now. */
  add(pid: number, fd: number, inode: string, isStill: () => boolean): void {
    if (this.#byInode.has(inode)) return;
    try {
      this.#inotify ??= check('inotify_init1', () => libc.inotifyInit1(IN_NONBLOCK | IN_CLOEXEC));
    } catch {
      return;
    }
    const inotify = this.#inotify;
    const path = `/proc/${pid}/fd/${fd}`;
    const descriptor = attempt(() => libc.inotifyAddWatch(inotify, path, IN_ACCESS | IN_MODIFY));
    if (descriptor < 0) return;
    if (!isStill() || this.#byDescriptor.has(descriptor)) return;
    const watched: Watched = { inode, last: 'unknown', events: 0 };
    this.#byDescriptor.set(descriptor, watched);
    this.#byInode.set(inode, watched);
  }

  /** Of this socket, up to now. */
  of(inode: string): Traffic {
    this.#drain();
    return this.#byInode.get(inode) ?? nothing;
  }

  close(): void {
    if (this.#inotify !== undefined) libc.close(this.#inotify);
    this.#inotify = undefined;
    this.#byDescriptor.clear();
    this.#byInode.clear();
  }

  #drain(): void {
    const inotify = this.#inotify;
    if (inotify === undefined) return;
    for (;;) {
      const length = attempt(() => libc.read(inotify, this.#buffer, this.#buffer.length));
      if (length <= 0) return;
      for (let at = 0; at + eventBytes <= length; at += eventBytes + this.#buffer.readUInt32LE(at + 12)) {
        this.#take(this.#buffer.readInt32LE(at), this.#buffer.readUInt32LE(at + 4));
      }
    }
  }

  #take(descriptor: number, mask: number): void {
    if ((mask & IN_Q_OVERFLOW) !== 0) {
      this.close();
      return;
    }
    const watched = this.#byDescriptor.get(descriptor);
    if (!watched) return;
    if ((mask & IN_IGNORED) !== 0) {
      this.#byDescriptor.delete(descriptor);
      this.#byInode.delete(watched.inode);
      return;
    }
    watched.events++;
    const isFirstRead = watched.last === 'unknown' || watched.last === 'read';
    if ((mask & IN_ACCESS) !== 0) watched.last = isFirstRead ? 'read' : 'received';
    else if (watched.last !== 'unknown') watched.last = 'answered';
  }
}
