// Takes a stream of bytes apart into records, wherever it is cut. Keeps nothing of their contents: they come in pieces, as
// they arrive. Bytes only.
import { headerBytes, version } from './record.ts';

export interface RecordPiece {
  readonly type: number;
  readonly requestId: number;
  /** What has arrived of the content; empty for a record without one. */
  readonly content: Buffer;
  /** The record has no more. */
  readonly isLast: boolean;
}

export class RecordReader {
  readonly #header = Buffer.alloc(headerBytes);
  #headerFill = 0;
  #contentLeft = 0;
  #paddingLeft = 0;
  #isMalformed = false;

  /** It is no FastCGI of version 1: nothing more is read. */
  get isMalformed(): boolean {
    return this.#isMalformed;
  }

  /** To be read to its end, or never again. */
  *pieces(chunk: Buffer): Generator<RecordPiece> {
    let rest = chunk;
    while (rest.length > 0 && !this.#isMalformed) {
      if (this.#headerFill < headerBytes) {
        rest = this.#takeHeader(rest);
        if (this.#headerFill === headerBytes && this.#contentLeft === 0)
          yield this.#piece(rest.subarray(0, 0));
      } else if (this.#contentLeft > 0) {
        const content = rest.subarray(0, this.#contentLeft);
        rest = rest.subarray(content.length);
        this.#contentLeft -= content.length;
        yield this.#piece(content);
      } else {
        const skipped = Math.min(rest.length, this.#paddingLeft);
        rest = rest.subarray(skipped);
        this.#paddingLeft -= skipped;
      }
      this.#startNext();
    }
  }

  #takeHeader(chunk: Buffer): Buffer {
    const taken = chunk.copy(this.#header, this.#headerFill);
    this.#headerFill += taken;
    // The first byte shows it: whoever speaks something else may be waiting for us.
    this.#isMalformed = this.#header[0] !== version;
    if (this.#headerFill === headerBytes) {
      this.#contentLeft = this.#header.readUInt16BE(4);
      this.#paddingLeft = this.#header.readUInt8(6);
    }
    return chunk.subarray(taken);
  }

  #piece(content: Buffer): RecordPiece {
    const isLast = this.#contentLeft === 0;
    return { type: this.#header.readUInt8(1), requestId: this.#header.readUInt16BE(2), content, isLast };
  }

  #startNext(): void {
    const isOver = this.#headerFill === headerBytes && this.#contentLeft + this.#paddingLeft === 0;
    if (isOver) this.#headerFill = 0;
  }
}
