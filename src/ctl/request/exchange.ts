// One request over one connection: the body goes out while the answer comes in, neither is kept, and every way to end has
// its outcome.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { AnswerStream, type AnswerEnd, type AnswerTaker } from '../../fastcgi/answer.ts';
import { encodeBody } from '../../fastcgi/request.ts';
import { maxContent } from '../../fastcgi/record.ts';
import {
  AnsweredSocket,
  isQueueFull,
  openConnection,
  retryMs,
  type ServerAddress,
} from './open-connection.ts';
import { Patience, type Limit } from './patience.ts';
import type { RequestBody } from './request-body.ts';

export type Outcome =
  | Extract<AnswerEnd, { kind: 'ended' }>
  /** What came is no FastCGI; `beginning` is what it begins with. */
  | { readonly kind: 'malformed'; readonly beginning: Buffer }
  /** The connection was closed, or broke, before the end of the answer. */
  | { readonly kind: 'closed'; readonly receivedBytes: number }
  | { readonly kind: 'timed-out'; readonly isConnected: boolean; readonly limit: Limit }
  /** There was no connection. */
  | { readonly kind: 'unreachable'; readonly error: NodeJS.ErrnoException };

/** Since the start; undefined: it did not come to that. */
export interface Times {
  connectedMs: number | undefined;
  firstByteMs: number | undefined;
  totalMs: number;
}

export interface RequestToSend {
  readonly address: ServerAddress;
  /** Everything before the body, as records. */
  readonly head: Buffer;
  readonly body: RequestBody;
  readonly limit: Limit;
  /** What it throws ends the exchange. */
  readonly taker: AnswerTaker;
}

/** Rejects only when our own output or the body fails. */
export function sendRequest(request: RequestToSend): Promise<{ outcome: Outcome; times: Times }> {
  return new Promise((resolve, reject) => {
    new Exchange(request, resolve, reject).start();
  });
}

const beginningBytes = 40;

class Exchange {
  readonly #request: RequestToSend;
  readonly #resolve: (result: { outcome: Outcome; times: Times }) => void;
  readonly #reject: (error: unknown) => void;
  readonly #answer: AnswerStream;
  readonly #patience: Patience;
  readonly #startedMs = performance.now();
  readonly #times: Times = { connectedMs: undefined, firstByteMs: undefined, totalMs: 0 };
  #connection: AnsweredSocket | undefined;
  #retry: NodeJS.Timeout | undefined;
  #beginning: Buffer = Buffer.alloc(0);
  #receivedBytes = 0;
  #isOver = false;

  constructor(
    request: RequestToSend,
    resolve: (result: { outcome: Outcome; times: Times }) => void,
    reject: (error: unknown) => void,
  ) {
    this.#request = request;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#answer = new AnswerStream(request.taker);
    this.#patience = new Patience(request.limit, () => this.#giveUp());
  }

  start(): void {
    try {
      this.#connect();
    } catch (error) {
      this.#end({ kind: 'unreachable', error: error as NodeJS.ErrnoException });
    }
  }

  #connect(): void {
    const connection = openConnection(this.#request.address);
    this.#connection = connection;
    connection.once('connect', () => {
      this.#times.connectedMs = this.#elapsedMs();
      this.#sendAll(connection).catch((error: unknown) => this.#fail(error));
    });
    connection.on('data', (chunk: Buffer) => this.#take(chunk));
    connection.once('end', () => this.#close());
    connection.once('error', (error: NodeJS.ErrnoException) => {
      if (this.#times.connectedMs !== undefined) this.#close();
      else if (isQueueFull(error)) this.#retry = setTimeout(() => this.start(), retryMs);
      else this.#end({ kind: 'unreachable', error });
    });
  }

  async #sendAll(connection: AnsweredSocket): Promise<void> {
    const { head, body } = this.#request;
    await this.#send(connection, head);
    const length = body.length ?? 0;
    for (let offset = 0; offset < length && this.#isWanted(connection);) {
      const piece = body.read(offset, maxContent);
      offset += piece.length;
      await this.#send(connection, encodeBody(piece));
    }
    if (this.#isWanted(connection)) connection.write(encodeBody(Buffer.alloc(0)));
  }

  #isWanted(connection: AnsweredSocket): boolean {
    return !this.#isOver && connection.takesMore;
  }

  /** Until the server has taken it, or takes nothing any more. */
  async #send(connection: AnsweredSocket, bytes: Buffer): Promise<void> {
    await connection.send(bytes);
    this.#patience.heard();
    // An answer before the end of the body is read before more is sent.
    await nextTurn();
  }

  #take(chunk: Buffer): void {
    this.#times.firstByteMs ??= this.#elapsedMs();
    if (this.#beginning.length < beginningBytes)
      this.#beginning = Buffer.concat([this.#beginning, chunk.subarray(0, beginningBytes)]);
    this.#receivedBytes += chunk.length;
    const startedMs = performance.now();
    try {
      const end = this.#answer.push(chunk);
      if (end) this.#end(end.kind === 'ended' ? end : { kind: 'malformed', beginning: this.#beginning });
    } catch (error) {
      this.#fail(error);
    }
    this.#patience.excuse(performance.now() - startedMs);
    this.#patience.heard();
  }

  #close(): void {
    this.#end({ kind: 'closed', receivedBytes: this.#receivedBytes });
  }

  #giveUp(): void {
    const isConnected = this.#times.connectedMs !== undefined;
    this.#end({ kind: 'timed-out', isConnected, limit: this.#request.limit });
  }

  #end(outcome: Outcome): void {
    if (this.#leave()) this.#resolve({ outcome, times: this.#times });
  }

  #fail(error: unknown): void {
    if (this.#leave()) this.#reject(error);
  }

  /** Once. */
  #leave(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#times.totalMs = this.#elapsedMs();
    this.#patience.end();
    clearTimeout(this.#retry);
    this.#connection?.destroy();
    return true;
  }

  #elapsedMs(): number {
    return performance.now() - this.#startedMs;
  }
}
