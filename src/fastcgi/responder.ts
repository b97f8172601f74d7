// One request in the responder role, and the answer to it (FastCGI specification, sections
// 3.3, 5 and 6.2; RFC 3875 for the header). Bytes only.
import { encodeRecord, headerBytes, version } from './record.ts';

const requestId = 1;
/** The largest multiple of 8 that a record's length can tell: no record needs padding. */
const maxContent = 65_528;
const recordType = { begin: 1, end: 3, params: 4, stdin: 5, stdout: 6, stderr: 7 } as const;
const roleResponder = 1;
/** More of an answer is not kept: its header is what counts. */
const maxKept = 64 * 1024;

/** A request without a body; the application is asked to close the connection. */
export function encodeRequest(params: Readonly<Record<string, string>>): Buffer {
  const begin = Buffer.of(0, roleResponder, 0, 0, 0, 0, 0, 0);
  const pairs = Buffer.concat(Object.entries(params).flatMap(encodePair));
  return Buffer.concat([
    encodeRecord(recordType.begin, requestId, begin),
    ...splitContent(pairs).map((content) => encodeRecord(recordType.params, requestId, content)),
    encodeRecord(recordType.params, requestId, Buffer.alloc(0)),
    encodeRecord(recordType.stdin, requestId, Buffer.alloc(0)),
  ]);
}

function splitContent(content: Buffer): Buffer[] {
  const count = Math.ceil(content.length / maxContent);
  return Array.from({ length: count }, (_unused, index) =>
    content.subarray(index * maxContent, (index + 1) * maxContent),
  );
}

function encodePair([name, value]: [string, string]): Buffer[] {
  const [nameBytes, valueBytes] = [Buffer.from(name), Buffer.from(value)];
  return [encodeLength(nameBytes.length), encodeLength(valueBytes.length), nameBytes, valueBytes];
}

/** One byte up to 127, else four with the top bit set. */
function encodeLength(length: number): Buffer {
  if (length < 128) return Buffer.of(length);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length + 0x8000_0000);
  return bytes;
}

export type Answer =
  /** The HTTP status and its words as the application gave them. */
  | { readonly kind: 'answered'; readonly status: number; readonly reason: string }
  /** It took the request and refused it: `protocolStatus` of FCGI_END_REQUEST. */
  | { readonly kind: 'refused'; readonly protocolStatus: number }
  /** The bytes are no FastCGI, or the answer has no header. */
  | { readonly kind: 'malformed' };

/** Collects what comes back until the answer is complete. */
export class AnswerReader {
  #rest: Buffer = Buffer.alloc(0);
  #stdout: Buffer = Buffer.alloc(0);
  #stderr: Buffer = Buffer.alloc(0);
  #answer: Answer | undefined;

  /** The answer, once it is complete. */
  push(chunk: Buffer): Answer | undefined {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (!this.#answer && this.#rest.length >= headerBytes) {
      const [recordVersion, type = 0] = this.#rest;
      const end = headerBytes + this.#rest.readUInt16BE(4);
      if (recordVersion !== version) this.#answer = { kind: 'malformed' };
      const next = end + this.#rest.readUInt8(6);
      if (this.#answer || this.#rest.length < next) break;
      this.#take(type, this.#rest.subarray(headerBytes, end));
      this.#rest = this.#rest.subarray(next);
    }
    return this.#answer;
  }

  /** What the application complained of on the way. */
  get complaint(): string {
    return this.#stderr.toString('utf8');
  }

  #take(type: number, content: Buffer): void {
    if (type === recordType.stdout) this.#stdout = keep(this.#stdout, content);
    if (type === recordType.stderr) this.#stderr = keep(this.#stderr, content);
    if (type === recordType.end) this.#answer = this.#conclude(content[4] ?? 0);
  }

  #conclude(protocolStatus: number): Answer {
    if (protocolStatus !== 0) return { kind: 'refused', protocolStatus };
    return parseHeader(this.#stdout.toString('latin1')) ?? { kind: 'malformed' };
  }
}

function keep(kept: Buffer, more: Buffer): Buffer {
  return kept.length >= maxKept ? kept : Buffer.concat([kept, more]).subarray(0, maxKept);
}

/** A CGI header; or the status line of one that writes HTTP itself. Undefined: it is none. */
function parseHeader(text: string): Extract<Answer, { kind: 'answered' }> | undefined {
  const header = /^(?:[!-~]+:[^\n]*\r?\n|HTTP\/[^\n]*\r?\n)+\r?\n/.exec(text)?.[0];
  if (header === undefined) return undefined;
  const line = /^(?:status:|HTTP\/[\d.]+)[ \t]*(\d{3})\b[ \t]*([^\r\n]*)/im.exec(header);
  if (line) return { kind: 'answered', status: Number(line[1]), reason: line[2] ?? '' };
  const isRedirect = /^location:/im.test(header);
  return { kind: 'answered', status: isRedirect ? 302 : 200, reason: isRedirect ? 'Found' : 'OK' };
}
