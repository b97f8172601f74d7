// Where an answer goes while it comes: the application's bytes as they are; on a terminal control characters are shown,
// so that what an application writes moves no cursor. Blocks until it is written: nothing is kept in memory.
import { writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { StringDecoder } from 'node:string_decoder';
import { printableLines } from '../../core/text/printable.ts';
import { pause } from '../print/write-fully.ts';

/** Where one of the two streams of an answer goes. */
export interface Sink {
  /** Throws an UnwrittenError. */
  write(piece: Buffer): void;
  /** Leaves the cursor at the beginning of a line. */
  end(): void;
}

/** Our own output cannot be written: not a matter of the server. */
export class UnwrittenError extends Error {
  override readonly name = 'UnwrittenError';
  /** Whoever reads has seen enough. */
  readonly isReaderGone: boolean;

  constructor(cause: NodeJS.ErrnoException) {
    super(cause.message, { cause });
    this.isReaderGone = cause.code === 'EPIPE';
  }
}

export function sinkFor(descriptor: 1 | 2): Sink {
  return isatty(descriptor) ? new TerminalSink(descriptor) : new RawSink(descriptor);
}

class RawSink implements Sink {
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  write(piece: Buffer): void {
    writeAll(this.#descriptor, piece);
  }

  end(): void {
    // The bytes are the application's alone.
  }
}

class TerminalSink implements Sink {
  readonly #descriptor: number;
  readonly #decoder = new StringDecoder('utf8');
  #isAtStart = true;
  /** A return whose newline may be still to come: together they are CGI's end of a line. */
  #held = '';

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  write(piece: Buffer): void {
    const text = this.#held + this.#decoder.write(piece);
    this.#held = text.endsWith('\r') ? '\r' : '';
    this.#show(text.slice(0, text.length - this.#held.length));
  }

  end(): void {
    this.#show(this.#held + this.#decoder.end());
    if (!this.#isAtStart) this.#show('\n');
  }

  #show(text: string): void {
    if (text === '') return;
    writeAll(this.#descriptor, Buffer.from(printableLines(text.replaceAll('\r\n', '\n'))));
    this.#isAtStart = text.endsWith('\n');
  }
}

/** Keeps the beginning, for JSON. */
export class KeptText implements Sink {
  readonly #pieces: Buffer[] = [];
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  write(piece: Buffer): void {
    const room = this.#maxBytes - this.#bytes;
    if (room <= 0) return;
    // The piece is a view of what arrives; it must not be kept with it.
    const kept = Buffer.from(piece.subarray(0, room));
    this.#pieces.push(kept);
    this.#bytes += kept.length;
  }

  end(): void {
    // Nothing is shown.
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}

function writeAll(descriptor: number, bytes: Buffer): void {
  for (let sent = 0; sent < bytes.length;) {
    try {
      sent += writeSync(descriptor, bytes, sent);
    } catch (error) {
      // The caller's pipe may be non-blocking and full: wait for its reader.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw new UnwrittenError(error as Error);
      pause();
    }
  }
}
