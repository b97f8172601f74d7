// Cuts a stream of bytes into lines, and never keeps more than a limit of them.

export class LineReader {
  readonly #maxBytes: number;
  #pieces: Buffer[] = [];
  #length = 0;
  #isTooLong = false;

  /** `maxBytes` is that of one line without its newline. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** A line was longer than the limit: nothing that follows is read any more. */
  get isTooLong(): boolean {
    return this.#isTooLong;
  }

  /** Whether bytes of a line without its newline are there. */
  get hasRest(): boolean {
    return this.#length > 0;
  }

  /** The lines that these bytes complete, without newlines; bytes that are not UTF-8 become U+FFFD. */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    for (let start = 0; start < chunk.length && !this.#isTooLong;) {
      const newline = chunk.indexOf(10, start);
      const end = newline < 0 ? chunk.length : newline;
      this.#keep(chunk.subarray(start, end));
      if (newline >= 0 && !this.#isTooLong) lines.push(this.#takeLine());
      start = end + 1;
    }
    return lines;
  }

  #keep(piece: Buffer): void {
    this.#length += piece.length;
    if (this.#length > this.#maxBytes) {
      this.#isTooLong = true;
      this.#pieces = [];
    } else if (piece.length > 0) {
      this.#pieces.push(piece);
    }
  }

  #takeLine(): string {
    const line = Buffer.concat(this.#pieces, this.#length).toString('utf8');
    this.#pieces = [];
    this.#length = 0;
    return line;
  }
}
