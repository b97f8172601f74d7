// The answer to a request (FastCGI specification, sections 3.3, 5 and 6): its two streams as they come, and its end.
// Bytes only.
import { CgiHeaderReader } from './cgi-header.ts';
import { recordType } from './record.ts';
import { RecordReader, type RecordPiece } from './record-reader.ts';
import { requestId } from './request.ts';

const endBytes = 8;
/** More of what a program complains of is not kept. */
const maxKept = 64 * 1024;

export type AnswerEnd =
  /** The application's exit status, and what became of the request (`protocolStatus`). */
  | { readonly kind: 'ended'; readonly appStatus: number; readonly protocolStatus: number }
  /** The bytes are no FastCGI. */
  | { readonly kind: 'malformed' };

/** Takes the pieces of the answer's streams. */
export interface AnswerTaker {
  stdout(piece: Buffer): void;
  stderr(piece: Buffer): void;
}

/** Reads an answer and keeps nothing of it. Records of other requests, of management and of unknown types are skipped. */
export class AnswerStream {
  readonly #records = new RecordReader();
  readonly #taker: AnswerTaker;
  #endRecord: Buffer = Buffer.alloc(0);

  constructor(taker: AnswerTaker) {
    this.#taker = taker;
  }

  /** The end, once it has come; what follows it is not read. */
  push(chunk: Buffer): AnswerEnd | undefined {
    for (const piece of this.#records.pieces(chunk)) {
      const end = piece.requestId === requestId ? this.#take(piece) : undefined;
      if (end) return end;
    }
    return this.#records.isMalformed ? { kind: 'malformed' } : undefined;
  }

  #take({ type, content, isLast }: RecordPiece): AnswerEnd | undefined {
    if (type === recordType.stdout && content.length > 0) this.#taker.stdout(content);
    if (type === recordType.stderr && content.length > 0) this.#taker.stderr(content);
    if (type !== recordType.end) return undefined;
    this.#endRecord = Buffer.concat([this.#endRecord, content]).subarray(0, endBytes);
    return isLast ? this.#conclude() : undefined;
  }

  #conclude(): AnswerEnd {
    if (this.#endRecord.length < endBytes) return { kind: 'malformed' };
    const [appStatus, protocolStatus] = [this.#endRecord.readUInt32BE(0), this.#endRecord.readUInt8(4)];
    return { kind: 'ended', appStatus, protocolStatus };
  }
}

export type Answer =
  /** The HTTP status and its words as the application gave them. */
  | { readonly kind: 'answered'; readonly status: number; readonly reason: string }
  /** It took the request and refused it: `protocolStatus` of FCGI_END_REQUEST. */
  | { readonly kind: 'refused'; readonly protocolStatus: number }
  /** The bytes are no FastCGI, or the answer has no header. */
  | { readonly kind: 'malformed' };

/** What a complete answer is, by its header alone. */
export class AnswerReader {
  readonly #header = new CgiHeaderReader();
  #stderr: Buffer = Buffer.alloc(0);
  readonly #stream = new AnswerStream({
    stdout: (piece) => this.#header.push(piece),
    stderr: (piece) => {
      if (this.#stderr.length < maxKept) this.#stderr = Buffer.concat([this.#stderr, piece]);
    },
  });

  /** The answer, once it is complete. */
  push(chunk: Buffer): Answer | undefined {
    const end = this.#stream.push(chunk);
    if (end?.kind !== 'ended') return end;
    const { protocolStatus } = end;
    if (protocolStatus !== 0) return { kind: 'refused', protocolStatus };
    const { header } = this.#header;
    return header
      ? { kind: 'answered', status: header.status, reason: header.reason }
      : { kind: 'malformed' };
  }

  /** What the application complained of on the way. */
  get complaint(): string {
    return this.#stderr.toString('utf8');
  }
}
