// The end of what a process prints: a pipe that is read all the time, so that it never holds the process up, and of
// which only the last bytes are kept; who listens hears all of it. node:net is loaded on first use only. For a process that ends before we do: a later writer would get SIGPIPE.
import type { Socket } from 'node:net';
import { O_CLOEXEC } from '../path/file-at.ts';
import { attempt, check, libc } from '../libc/libc.ts';
import { F_SETFL, O_NONBLOCK } from '../libc/fcntl-numbers.ts';

const chunkBytes = 65_536;

export class OutputTail {
  /** For the process, as its standard output and error; blocking, as programs expect. */
  readonly writeEnd: number;
  readonly #readEnd: number;
  readonly #keptBytes: number;
  readonly #hear: (chunk: Buffer) => void;
  #kept = Buffer.alloc(0);
  #stream: Socket | undefined;
  #isFollowed = false;

  constructor(keptBytes: number, hear: (chunk: Buffer) => void = () => undefined) {
    this.#hear = hear;
    const ends = Buffer.alloc(8);
    check('pipe2', () => libc.pipe2(ends, O_CLOEXEC));
    this.#readEnd = ends.readInt32LE(0);
    this.writeEnd = ends.readInt32LE(4);
    this.#keptBytes = keptBytes;
    // Only ours: each end has a file description of its own.
    libc.fcntl(this.#readEnd, F_SETFL, 'int', O_NONBLOCK);
  }

  /** The process has its end: ours of it goes, and what comes is read. */
  follow(): void {
    libc.close(this.writeEnd);
    this.#isFollowed = true;
    const net = process.getBuiltinModule('node:net');
    try {
      this.#stream = new net.Socket({ fd: this.#readEnd, readable: true, writable: false });
    } catch {
      // As much as a pipe holds is read at its end.
      return;
    }
    this.#stream.on('data', (chunk) => this.#keep(chunk));
    // What cannot be read was not said.
    this.#stream.on('error', () => undefined);
  }

  /** The process is gone; what it left in the pipe is taken, and nobody is waited for who has the pipe as well. */
  end(): Buffer {
    const stream = this.#stream;
    if (!stream) {
      if (this.#isFollowed) this.#drain();
      else libc.close(this.writeEnd);
      libc.close(this.#readEnd);
      return this.#kept;
    }
    if (!stream.destroyed) this.#drain();
    stream.destroy();
    return this.#kept;
  }

  #drain(): void {
    const chunk = Buffer.alloc(chunkBytes);
    // A process that left the session may write for ever.
    for (let left = 16; left > 0; left--) {
      const length = attempt(() => libc.read(this.#readEnd, chunk, chunk.length));
      if (length <= 0) return;
      this.#keep(chunk.subarray(0, length));
    }
  }

  #keep(data: Buffer | string): void {
    const chunk = typeof data === 'string' ? Buffer.from(data) : data;
    this.#hear(chunk);
    const all = Buffer.concat([this.#kept, chunk]);
    this.#kept = all.subarray(Math.max(0, all.length - this.#keptBytes));
  }
}
