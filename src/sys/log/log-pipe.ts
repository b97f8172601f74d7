// The pipe between workers and the pool's log program. We hold both ends for the life of the pool: what is in it outlives
// the program, and nobody who writes gets SIGPIPE. We read and write nothing.
import { fchownSync } from 'node:fs';
import { check, attempt, libc } from '../libc/libc.ts';
import { poll, POLLOUT } from '../libc/poll.ts';
import { O_CLOEXEC } from '../path/file-at.ts';
import { unreadBytes } from '../socket-state/socket-facts.ts';
import type { Owner } from './append-file.ts';

const F_SETPIPE_SZ = 1031;
const F_GETPIPE_SZ = 1032;
/** What any user may have (/proc/sys/fs/pipe-max-size): so much may wait while a program is started again. */
const wantedBytes = 1 << 20;

export interface PipeState {
  /** What waits to be read. */
  readonly bytes: number;
  readonly capacity: number;
  /** Whoever writes now waits. */
  readonly isFull: boolean;
}

export class LogPipe {
  /** Both close-on-exec, and blocking, as programs expect. */
  readonly readEnd: number;
  readonly writeEnd: number;

  /** For that user: programs open /dev/stderr and /dev/stdin by name, which takes a right to the pipe itself. */
  constructor(owner: Owner) {
    const ends = Buffer.alloc(8);
    check('pipe2', () => libc.pipe2(ends, O_CLOEXEC));
    this.readEnd = ends.readInt32LE(0);
    this.writeEnd = ends.readInt32LE(4);
    if (owner.uid !== 0) giveTo(owner, this.writeEnd);
    // Who has too many of them keeps 64 KB.
    attempt(() => libc.fcntl(this.writeEnd, F_SETPIPE_SZ, 'int', wantedBytes));
  }

  state(): PipeState {
    return {
      bytes: unreadBytes(this.readEnd) ?? 0,
      capacity: libc.fcntl(this.writeEnd, F_GETPIPE_SZ, 'int', 0),
      isFull: (poll(this.writeEnd, POLLOUT) & POLLOUT) === 0,
    };
  }

  /** The program reads what is left, and its end comes when the last worker is gone. */
  close(): void {
    libc.close(this.writeEnd);
    libc.close(this.readEnd);
  }
}

function giveTo({ uid, gid }: Owner, descriptor: number): void {
  try {
    fchownSync(descriptor, uid, gid === 0 ? -1 : gid);
  } catch {
    // A root that may give nothing away: by their descriptors programs can use it all the same.
  }
}
