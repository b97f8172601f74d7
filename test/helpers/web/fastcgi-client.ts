// A small FastCGI 1.0 client (responder role) for the tests and the demo: one connection and one request a call.
// It judges nothing that a program answers; what goes wrong on the way is a FastcgiError that says how far it came.
import { createConnection, type Socket } from 'node:net';
import { awaitedLater } from '../machine/wait-for.ts';

export type FastcgiTarget = { socketPath: string } | { host: string; port: number };

/** The answer to one request; the streams are decoded as UTF-8. */
export interface FastcgiResponse {
  stdout: string;
  stderr: string;
  /** What the program returned as its exit status (END_REQUEST's appStatus). */
  appStatus: number;
  /** 0 request complete, 1 cannot multiplex, 2 overloaded, 3 unknown role. */
  protocolStatus: number;
}

export interface FastcgiOptions {
  /** Asks the program to leave the connection open; this client closes it after the answer. */
  keepConn?: boolean;
  /** Connects at once, and sends when this has resolved. */
  sendAfter?: Promise<unknown>;
  /** For the whole call: connecting, sending, reading. */
  timeoutMs?: number;
}

/**
 * refused: nobody listens there. missing: no such socket file. reset: the connection broke with ECONNRESET or EPIPE.
 * truncated: it was closed in order, but before the answer was complete. timeout: the deadline came first.
 * protocol: the bytes are not FastCGI. failed: anything else, see `cause`.
 */
export type FastcgiErrorCode =
  'refused' | 'missing' | 'reset' | 'truncated' | 'timeout' | 'protocol' | 'failed';

class FastcgiError extends Error {
  readonly code: FastcgiErrorCode;
  readonly target: string;
  readonly connected: boolean;
  readonly bytesReceived: number;

  constructor(code: FastcgiErrorCode, facts: FastcgiFacts, detail: string, cause?: unknown) {
    super(`FastCGI request to ${facts.target}: ${code}, ${detail} (${describe(facts)})`, { cause });
    this.name = 'FastcgiError';
    this.code = code;
    this.target = facts.target;
    this.connected = facts.connected;
    this.bytesReceived = facts.bytesReceived;
  }
}

interface FastcgiFacts {
  target: string;
  connected: boolean;
  bytesReceived: number;
}

interface FastcgiRecord {
  type: number;
  requestId: number;
  content: Buffer;
}

const VERSION = 1;
const REQUEST_ID = 1;
const MANAGEMENT_ID = 0;
const ROLE_RESPONDER = 1;
const FLAG_KEEP_CONN = 1;
const HEADER_BYTES = 8;
const MAX_CONTENT_BYTES = 65528; // the largest multiple of 8: no record needs padding but a stream's last
const DEFAULT_TIMEOUT_MS = 10_000;
const TYPE = {
  beginRequest: 1,
  endRequest: 3,
  params: 4,
  stdin: 5,
  stdout: 6,
  stderr: 7,
  getValues: 9,
  getValuesResult: 10,
  unknownType: 11,
} as const;

/** Sends one request and resolves with the whole answer; rejects with a FastcgiError. */
export function fastcgiRequest(
  target: FastcgiTarget,
  params: Record<string, string>,
  body: string | Buffer = '',
  options: FastcgiOptions = {},
): Promise<FastcgiResponse> {
  const streams: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
  const bytes = encodeRequest(params, Buffer.from(body), options.keepConn ?? false);
  const answer = exchange(target, bytes, options, (record) => {
    if (record.requestId !== REQUEST_ID) return undefined;
    if (record.type === TYPE.stdout) streams.stdout.push(record.content);
    if (record.type === TYPE.stderr) streams.stderr.push(record.content);
    if (record.type !== TYPE.endRequest) return undefined;
    if (record.content.length < 8) throw new Error('END_REQUEST is shorter than 8 bytes');
    return {
      stdout: Buffer.concat(streams.stdout).toString(),
      stderr: Buffer.concat(streams.stderr).toString(),
      appStatus: record.content.readUInt32BE(0),
      protocolStatus: record.content.readUInt8(4),
    };
  });
  return awaitedLater(answer);
}

/** Asks with FCGI_GET_VALUES; 'unknown type' where the program does not know that record. */
export async function fastcgiGetValues(
  target: FastcgiTarget,
  names: readonly string[],
  options: FastcgiOptions = {},
): Promise<Record<string, string> | 'unknown type'> {
  const asked = encodePairs(Object.fromEntries(names.map((name) => [name, ''])));
  const bytes = encodeRecord(TYPE.getValues, MANAGEMENT_ID, asked);
  return exchange(target, bytes, options, (record) => {
    if (record.type === TYPE.getValuesResult) return decodePairs(record.content);
    return record.type === TYPE.unknownType ? 'unknown type' : undefined;
  });
}

/** Sends `bytes` and feeds the records that come back to `take`, until it returns something. */
async function exchange<T>(
  target: FastcgiTarget,
  bytes: Buffer,
  options: FastcgiOptions,
  take: (record: FastcgiRecord) => T | undefined,
): Promise<T> {
  const facts: FastcgiFacts = { target: nameOf(target), connected: false, bytesReceived: 0 };
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const socket = open(target);
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      const fail = (code: FastcgiErrorCode, detail: string, cause?: unknown): void =>
        reject(new FastcgiError(code, facts, detail, cause));
      timer = setTimeout(() => fail('timeout', `no complete answer within ${timeoutMs} ms`), timeoutMs);
      let pending: Buffer = Buffer.alloc(0);
      socket.on('connect', () => {
        facts.connected = true;
        if (options.sendAfter === undefined) socket.write(bytes);
        else void options.sendAfter.then(() => socket.write(bytes));
      });
      socket.on('data', (chunk: Buffer) => {
        facts.bytesReceived += chunk.length;
        try {
          pending = takeRecords(Buffer.concat([pending, chunk]), (record) => {
            const answer = take(record);
            if (answer !== undefined) resolve(answer);
          });
        } catch (error) {
          fail('protocol', error instanceof Error ? error.message : String(error), error);
        }
      });
      socket.on('end', () =>
        fail('truncated', 'the program closed the connection before its answer was complete'),
      );
      socket.on('error', (error: NodeJS.ErrnoException) => fail(codeOf(error), error.message, error));
    });
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

function open(target: FastcgiTarget): Socket {
  return 'socketPath' in target
    ? createConnection({ path: target.socketPath })
    : createConnection({ host: target.host, port: target.port, noDelay: true });
}

function nameOf(target: FastcgiTarget): string {
  return 'socketPath' in target ? target.socketPath : `${target.host}:${target.port}`;
}

function describe(facts: FastcgiFacts): string {
  return facts.connected ? `${facts.bytesReceived} bytes received` : 'not connected';
}

function codeOf(error: NodeJS.ErrnoException): FastcgiErrorCode {
  if (error.code === 'ECONNREFUSED') return 'refused';
  if (error.code === 'ENOENT') return 'missing';
  return error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 'reset' : 'failed';
}

function encodeRequest(params: Record<string, string>, body: Buffer, keepConn: boolean): Buffer {
  const begin = Buffer.alloc(8);
  begin.writeUInt16BE(ROLE_RESPONDER, 0);
  begin.writeUInt8(keepConn ? FLAG_KEEP_CONN : 0, 2);
  return Buffer.concat([
    encodeRecord(TYPE.beginRequest, REQUEST_ID, begin),
    encodeStream(TYPE.params, encodePairs(params)),
    encodeStream(TYPE.stdin, body),
  ]);
}

/** Splits a stream into records and closes it with the empty one that ends every stream. */
function encodeStream(type: number, content: Buffer): Buffer {
  const records: Buffer[] = [];
  for (let start = 0; start < content.length; start += MAX_CONTENT_BYTES) {
    records.push(encodeRecord(type, REQUEST_ID, content.subarray(start, start + MAX_CONTENT_BYTES)));
  }
  return Buffer.concat([...records, encodeRecord(type, REQUEST_ID, Buffer.alloc(0))]);
}

function encodeRecord(type: number, requestId: number, content: Buffer): Buffer {
  const paddingBytes = (8 - (content.length % 8)) % 8;
  const record = Buffer.alloc(HEADER_BYTES + content.length + paddingBytes);
  record.writeUInt8(VERSION, 0);
  record.writeUInt8(type, 1);
  record.writeUInt16BE(requestId, 2);
  record.writeUInt16BE(content.length, 4);
  record.writeUInt8(paddingBytes, 6);
  content.copy(record, HEADER_BYTES);
  return record;
}

function encodePairs(pairs: Record<string, string>): Buffer {
  const parts = Object.entries(pairs).flatMap(([key, value]) => {
    const name = Buffer.from(key);
    const content = Buffer.from(value);
    return [encodeLength(name.length), encodeLength(content.length), name, content];
  });
  return Buffer.concat(parts);
}

/** One byte up to 127, else four with the top bit set. */
function encodeLength(length: number): Buffer {
  if (length < 128) return Buffer.from([length]);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length + 0x8000_0000);
  return bytes;
}

function decodePairs(content: Buffer): Record<string, string> {
  const pairs: Record<string, string> = {};
  let offset = 0;
  const length = (): number => {
    const isShort = content.readUInt8(offset) < 128;
    const value = isShort ? content.readUInt8(offset) : content.readUInt32BE(offset) - 0x8000_0000;
    offset += isShort ? 1 : 4;
    return value;
  };
  const text = (bytes: number): string => content.toString('utf8', offset, (offset += bytes));
  while (offset < content.length) {
    const nameBytes = length();
    const valueBytes = length();
    const name = text(nameBytes);
    pairs[name] = text(valueBytes);
  }
  return pairs;
}

/** Calls `take` for every complete record and returns the bytes that are left. */
function takeRecords(bytes: Buffer, take: (record: FastcgiRecord) => void): Buffer {
  let rest = bytes;
  while (rest.length >= HEADER_BYTES) {
    if (rest.readUInt8(0) !== VERSION) throw new Error(`a record of version ${rest.readUInt8(0)}`);
    const end = HEADER_BYTES + rest.readUInt16BE(4);
    const next = end + rest.readUInt8(6);
    if (rest.length < next) break;
    take({
      type: rest.readUInt8(1),
      requestId: rest.readUInt16BE(2),
      content: rest.subarray(HEADER_BYTES, end),
    });
    rest = rest.subarray(next);
  }
  return rest;
}
