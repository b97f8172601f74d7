// The side of an application (FastCGI specification, sections 3 to 6): requests of a web server in, answers out, one at a
// time on a connection. What a client may send is bounded. Bytes only.
import { encodeHeader, encodeRecord, maxContent, recordType } from './record.ts';
import { RecordReader, type RecordPiece } from './record-reader.ts';
import { decodePairs, encodePair } from './pairs.ts';
import { role } from './request.ts';

/** Of section 8 of the specification; `abort` and the management records have no place in what a client reads. */
const received = { begin: 1, abort: 2, params: 4, stdin: 5, getValues: 9 } as const;
const managementAnswer = { values: 10, unknownType: 11 } as const;
/** FCGI_END_REQUEST's protocolStatus. */
const protocolStatus = { complete: 0, cannotMultiplex: 1, overloaded: 2, unknownRole: 3 } as const;
const keepsConnection = 1;

export const applicationLimits = {
  /** Of all parameters of a request: a web server's headers have a quarter of it at most. */
  parameterBytes: 64 * 1024,
  /** Of a body, which nobody reads. */
  bodyBytes: 256 * 1024,
  /** Of records between two answers. */
  records: 512,
} as const;

/** What a web server asks for. */
export interface ReceivedRequest {
  readonly id: number;
  /** The client wants to ask once more on this connection. */
  readonly isKept: boolean;
  readonly params: ReadonlyMap<string, string>;
}

export type Received =
  /** The head of a request is complete: it can be answered. */
  | { readonly kind: 'request'; readonly request: ReceivedRequest }
  /** So is its body. */
  | { readonly kind: 'whole' }
  /** To be sent at once. */
  | { readonly kind: 'reply'; readonly bytes: Buffer }
  /** To be sent, and nothing more is read; without bytes it is no FastCGI. */
  | { readonly kind: 'over'; readonly bytes: Buffer };

interface Begun {
  readonly id: number;
  readonly isKept: boolean;
  readonly contents: Buffer[];
  length: number;
  bodyLength: number;
  isAnswerable: boolean;
}

/** Takes what arrives on one connection apart. After `over` it must not be asked again. */
export class ApplicationReader {
  readonly #records = new RecordReader();
  #begun: Begun | undefined;
  #count = 0;
  /** Content of a short record, whose pieces come one by one. */
  #short: Buffer = Buffer.alloc(0);

  *push(chunk: Buffer): Generator<Received> {
    for (const piece of this.#records.pieces(chunk)) {
      if (piece.isLast) this.#count += 1;
      if (this.#count > applicationLimits.records) {
        yield { kind: 'over', bytes: Buffer.alloc(0) };
        return;
      }
      yield* this.#take(piece);
    }
    if (this.#records.isMalformed) yield { kind: 'over', bytes: Buffer.alloc(0) };
  }

  *#take(piece: RecordPiece): Generator<Received> {
    if (piece.requestId === 0) yield* this.#manage(piece);
    else if (piece.type === received.begin) yield* this.#begin(piece);
    else if (piece.requestId === this.#begun?.id) yield* this.#continue(this.#begun, piece);
    // What belongs to a request that was refused, or to none, is skipped.
  }

  /** FCGI_GET_VALUES; any other type is answered as unknown. */
  *#manage(piece: RecordPiece): Generator<Received> {
    const content = this.#collect(piece, applicationLimits.parameterBytes);
    if (!piece.isLast) return;
    const bytes =
      piece.type === received.getValues
        ? encodeRecord(managementAnswer.values, 0, encodeKnown(content))
        : encodeRecord(managementAnswer.unknownType, 0, Buffer.of(piece.type, 0, 0, 0, 0, 0, 0, 0));
    // libfcgi's end of the stream of names is an empty record more.
    if (piece.type !== received.getValues || content.length > 0) yield { kind: 'reply', bytes };
  }

  *#begin(piece: RecordPiece): Generator<Received> {
    const body = this.#collect(piece, 8);
    if (!piece.isLast) return;
    const { requestId: id } = piece;
    if (body.length < 8) return yield { kind: 'over', bytes: Buffer.alloc(0) };
    if (this.#begun) return yield { kind: 'reply', bytes: encodeEnd(id, protocolStatus.cannotMultiplex) };
    const isKept = (body.readUInt8(2) & keepsConnection) !== 0;
    if (body.readUInt16BE(0) !== role.responder) {
      const bytes = encodeEnd(id, protocolStatus.unknownRole);
      return yield { kind: isKept ? 'reply' : 'over', bytes };
    }
    this.#begun = { id, isKept, contents: [], length: 0, bodyLength: 0, isAnswerable: false };
  }

  *#continue(begun: Begun, { type, content, isLast }: RecordPiece): Generator<Received> {
    if (type === received.abort && isLast) {
      this.#end();
      // Of one that was answered only the body was to come.
      if (begun.isAnswerable) return yield { kind: 'whole' };
      return yield { kind: begun.isKept ? 'reply' : 'over', bytes: encodeEnd(begun.id, 0) };
    }
    if (type === received.params && !begun.isAnswerable) yield* this.#takeParams(begun, content, isLast);
    else if (type === received.stdin && begun.isAnswerable) yield* this.#takeBody(begun, content, isLast);
  }

  *#takeParams(begun: Begun, content: Buffer, isLast: boolean): Generator<Received> {
    begun.length += content.length;
    if (begun.length > applicationLimits.parameterBytes)
      return yield { kind: 'over', bytes: encodeEnd(begun.id, protocolStatus.overloaded) };
    // A copy: what arrived is one piece of memory with all that came beside it.
    if (content.length > 0) begun.contents.push(Buffer.from(content));
    else if (isLast) {
      begun.isAnswerable = true;
      const { id, isKept, contents } = begun;
      yield { kind: 'request', request: { id, isKept, params: decodePairs(Buffer.concat(contents)) } };
    }
  }

  *#takeBody(begun: Begun, content: Buffer, isLast: boolean): Generator<Received> {
    begun.bodyLength += content.length;
    if (begun.bodyLength > applicationLimits.bodyBytes) return yield { kind: 'over', bytes: Buffer.alloc(0) };
    if (content.length > 0 || !isLast) return;
    this.#end();
    yield { kind: 'whole' };
  }

  #end(): void {
    this.#begun = undefined;
    this.#count = 0;
  }

  /** At most so much of it counts. */
  #collect({ content, isLast }: RecordPiece, most: number): Buffer {
    const whole = Buffer.concat([this.#short, content]).subarray(0, most);
    this.#short = isLast ? Buffer.alloc(0) : whole;
    return whole;
  }
}

/** The variables of section 4.1 that were asked for: requests come one after the other. */
function encodeKnown(asked: Buffer): Buffer {
  const known = { FCGI_MAX_CONNS: '64', FCGI_MAX_REQS: '64', FCGI_MPXS_CONNS: '0' };
  const names = decodePairs(asked);
  const pairs = Object.entries(known).filter(([name]) => names.has(name));
  return Buffer.concat(pairs.map(encodePair));
}

function encodeEnd(id: number, status: number): Buffer {
  return encodeRecord(recordType.end, id, Buffer.of(0, 0, 0, 0, status, 0, 0, 0));
}

/**
 * A whole answer as the pieces that are to be written one after the other; the body's bytes are not copied, since many
 * may be sent the same.
 */
export function encodeAnswer(id: number, header: string, body: Buffer): Buffer[] {
  const pieces = [encodeRecord(recordType.stdout, id, Buffer.from(header))];
  for (let at = 0; at < body.length; at += maxContent) {
    const content = body.subarray(at, at + maxContent);
    pieces.push(encodeHeader(recordType.stdout, id, content.length), content);
  }
  const end = Buffer.concat([encodeRecord(recordType.stdout, id, Buffer.alloc(0)), encodeEnd(id, 0)]);
  return [...pieces, end];
}
