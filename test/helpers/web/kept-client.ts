// A client that keeps its FastCGI connection open between requests, as web servers do, and that may pause in the middle
// of a body.
import { connect, type Socket } from 'node:net';
import { atEnd, awaitedLater, waitFor } from '../machine/index.ts';
import type { FastcgiTarget } from './fastcgi-client.ts';

const types = { begin: 1, end: 3, params: 4, stdin: 5, stdout: 6 } as const;
const responderThatStays = Buffer.from([0, 1, 1, 0, 0, 0, 0, 0]);

export class KeptClient {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  isClosed = false;

  /** It has ended with the test at the latest. */
  constructor(target: FastcgiTarget) {
    this.#socket = connect('socketPath' in target ? { path: target.socketPath } : target);
    this.#socket.on('data', (chunk: Buffer) => (this.#received = Buffer.concat([this.#received, chunk])));
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => (this.isClosed = true));
    atEnd(() => void this.#socket.destroy());
  }

  /** A whole request; the answer of one of the echo programs. */
  ask(query = '', body = ''): Promise<string> {
    this.begin(query, body);
    this.finish();
    return this.answer();
  }

  /** All of a request but the rest of its body. */
  begin(query: string, body: string): void {
    this.#received = Buffer.alloc(0);
    const params = { REQUEST_METHOD: 'POST', QUERY_STRING: query, CONTENT_LENGTH: '1000' };
    const pairs = Object.entries(params).map(([name, value]) =>
      Buffer.concat([Buffer.from([name.length, value.length]), Buffer.from(name + value)]),
    );
    this.#write(types.begin, responderThatStays);
    this.#write(types.params, Buffer.concat(pairs));
    this.#write(types.params, Buffer.alloc(0));
    if (body !== '') this.#write(types.stdin, Buffer.from(body));
  }

  finish(rest = ''): void {
    if (rest !== '') this.#write(types.stdin, Buffer.from(rest));
    this.#write(types.stdin, Buffer.alloc(0));
  }

  /** The output of the request under way; rejects when the connection ends before. */
  answer(): Promise<string> {
    const look = (): string | undefined => {
      const output = outputOf(this.#received);
      if (output === undefined && this.isClosed)
        throw new Error('the connection was closed before the answer');
      return output;
    };
    return awaitedLater(waitFor('the end of the request', look, { intervalMs: 1 }));
  }

  /** The connection has ended in the middle of one, or the rest is on its way. */
  get hasPartOfAnswer(): boolean {
    return this.#received.length > 0 && outputOf(this.#received) === undefined;
  }

  close(): void {
    this.#socket.destroy();
  }

  #write(type: number, content: Buffer): void {
    const header = Buffer.from([1, type, 0, 1, content.length >> 8, content.length & 255, 0, 0]);
    this.#socket.write(Buffer.concat([header, content]));
  }
}

/** Undefined until the request has ended. */
function outputOf(bytes: Buffer): string | undefined {
  let output = '';
  for (let at = 0; at + 8 <= bytes.length;) {
    const end = at + 8 + bytes.readUInt16BE(at + 4);
    if (bytes[at + 1] === types.end && end <= bytes.length) return output;
    if (bytes[at + 1] === types.stdout) output += bytes.toString('utf8', at + 8, end);
    at = end + (bytes[at + 6] ?? 0);
  }
  return undefined;
}
