// The header of an answer as CGI has it (RFC 3875, section 6): where it ends, its fields, its status. Bytes only.

/** A longer one is none. */
const maxHeader = 64 * 1024;

export interface CgiHeader {
  /** The HTTP status and its words as the application gave them. */
  readonly status: number;
  readonly reason: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** Bytes of it, the empty line included. */
  readonly length: number;
}

/** Collects the beginning of an answer until its header is complete. */
export class CgiHeaderReader {
  #received: Buffer = Buffer.alloc(0);
  #header: CgiHeader | undefined;

  push(piece: Buffer): void {
    const { length } = this.#received;
    if (this.#header || length >= maxHeader) return;
    this.#received = Buffer.concat([this.#received, piece.subarray(0, maxHeader - length)]);
    // An empty line is two newlines with nothing, or a return, between them.
    const end = this.#received.toString('latin1', Math.max(0, length - 2));
    if (/\n\r?\n/.test(end)) this.#header = parseHeader(this.#received.toString('latin1'));
    if (this.#header) this.#received = Buffer.alloc(0);
  }

  /** Undefined: there is none, or not yet. */
  get header(): CgiHeader | undefined {
    return this.#header;
  }
}

/** A CGI header; or that of one that writes HTTP itself. Undefined: it is none. */
function parseHeader(text: string): CgiHeader | undefined {
  const header = /^(?:[!-9;-~]+:[^\n]*\r?\n|HTTP\/[^\n]*\r?\n)+\r?\n/.exec(text)?.[0];
  if (header === undefined) return undefined;
  const fields = [...header.matchAll(/^([!-9;-~]+):[ \t]*([^\r\n]*)/gm)].map(
    ([, name = '', value = '']) => [name, Buffer.from(value.trimEnd(), 'latin1').toString()] as const,
  );
  return { ...statusOf(header), fields, length: header.length };
}

function statusOf(header: string): { status: number; reason: string } {
  const line = /^(?:status:|HTTP\/[\d.]+)[ \t]*(\d{3})\b[ \t]*([^\r\n]*)/im.exec(header);
  if (line) return { status: Number(line[1]), reason: line[2] ?? '' };
  const isRedirect = /^location:/im.test(header);
  return { status: isRedirect ? 302 : 200, reason: isRedirect ? 'Found' : 'OK' };
}
