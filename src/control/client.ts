// One question to a supervisor over its control socket: the request, progress lines,
// the result or why there is none. Prints nothing and decides nothing.
import { connect, type Socket } from 'node:net';
import { nameSocket, type NamedSocket } from '../sys/socket/socket-name.ts';
import { LineReader } from './line-reader.ts';
import { formatRequest, limits, type ControlRequest, type ControlResult } from './protocol.ts';
import { parseAnswer } from './parse-answer.ts';

export type Outcome =
  | { readonly kind: 'result'; readonly result: ControlResult }
  /** No control socket, or nobody listens on it. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'not-permitted' }
  /** Another process than the pool's supervisor listens there; undefined: who does is not known. */
  | { readonly kind: 'impostor'; readonly pid: number | undefined }
  | { readonly kind: 'timed-out'; readonly afterMs: number }
  | { readonly kind: 'other-version'; readonly version: number }
  /** The connection ended without a result. */
  | { readonly kind: 'closed' }
  /** An answer that is not of this protocol, or longer than any that is. */
  | { readonly kind: 'malformed' }
  | { readonly kind: 'failed'; readonly message: string };

/** Of a pool in a directory of another user, who can put anything there: the socket must be his, no link, and this process's. */
export interface SocketOwner {
  readonly uid: number;
  readonly pid: number;
}

export interface AskOptions {
  /** For all of it, the connection included; undefined: as long as it takes. */
  readonly timeoutMs?: number | undefined;
  readonly onProgress?: (text: string) => void;
  /** Lines of the command's own; without it there may be none. */
  readonly onLine?: (fields: Readonly<Record<string, unknown>>) => void;
  /** After the result waits this long for the server's end of the connection, too. */
  readonly lingerMs?: number;
  readonly signal?: AbortSignal;
  readonly owner?: SocketOwner | undefined;
}

/** The kernel's answer when the queue of the socket is full. */
const retryMs = 25;

/** Asks the supervisor behind the socket at `path`. Never rejects. */
export function ask(path: string, request: ControlRequest, options: AskOptions = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    new Conversation(path, request, options, resolve).start();
  });
}

class Conversation {
  readonly #path: string;
  readonly #request: ControlRequest;
  readonly #options: AskOptions;
  readonly #resolve: (outcome: Outcome) => void;
  readonly #reader = new LineReader(limits.answerBytes);
  readonly #timers = new Set<NodeJS.Timeout>();
  #connection: Socket | undefined;
  /** A result that waits for the end of the connection. */
  #held: Outcome | undefined;
  #isOver = false;

  constructor(
    path: string,
    request: ControlRequest,
    options: AskOptions,
    resolve: (outcome: Outcome) => void,
  ) {
    this.#path = path;
    this.#request = request;
    this.#options = options;
    this.#resolve = resolve;
  }

  start(): void {
    const { timeoutMs, signal } = this.#options;
    if (timeoutMs !== undefined) this.#after(timeoutMs, () => this.#timeOut(timeoutMs));
    signal?.addEventListener('abort', () => this.#end({ kind: 'closed' }), { once: true });
    this.#connect();
  }

  #connect(): void {
    let socket: NamedSocket;
    try {
      socket = nameSocket(this.#path, this.#options.owner?.uid);
    } catch (error) {
      return this.#end(explain(error));
    }
    const connection = connect(socket.path);
    this.#connection = connection;
    connection.once('connect', () => {
      socket.release();
      this.#greet(connection).catch((error: unknown) => this.#end(explain(error)));
    });
    connection.on('data', (chunk) => this.#read(chunk));
    connection.once('error', (error) => {
      socket.release();
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') this.#after(retryMs, () => this.#connect());
      else this.#end(explain(error));
    });
    connection.once('end', () => this.#end({ kind: 'closed' }));
  }

  async #greet(connection: Socket): Promise<void> {
    const { owner } = this.#options;
    if (owner) {
      // With libc, which nobody else waits for.
      const { peerOf } = await import('../sys/connection/peer-process.ts');
      const pid = peerOf(connection);
      if (pid !== owner.pid) return this.#end({ kind: 'impostor', pid });
    }
    connection.write(formatRequest(this.#request));
  }

  #read(chunk: Buffer): void {
    for (const line of this.#reader.push(chunk)) {
      if (this.#isOver || this.#held) return;
      this.#take(line);
    }
    if (this.#reader.isTooLong) this.#end({ kind: 'malformed' });
  }

  #take(line: string): void {
    const answer = parseAnswer(line);
    switch (answer.kind) {
      case 'progress':
        return this.#options.onProgress?.(answer.text);
      case 'result':
        return this.#takeResult(answer.result);
      case 'own':
        return this.#takeLine(answer.fields);
      case 'version':
        return this.#end({ kind: 'other-version', version: answer.version });
      case 'malformed':
        return this.#end({ kind: 'malformed' });
    }
  }

  #takeLine(fields: Readonly<Record<string, unknown>>): void {
    const { onLine } = this.#options;
    if (!onLine) return this.#end({ kind: 'malformed' });
    onLine(fields);
  }

  #takeResult(result: ControlResult): void {
    const { lingerMs } = this.#options;
    const outcome: Outcome = { kind: 'result', result };
    if (lingerMs === undefined) return this.#end(outcome);
    this.#held = outcome;
    this.#after(lingerMs, () => this.#end(outcome));
  }

  #timeOut(afterMs: number): void {
    this.#end({ kind: 'timed-out', afterMs });
  }

  #after(delayMs: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, delayMs);
    this.#timers.add(timer);
  }

  #end(outcome: Outcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timers.forEach(clearTimeout);
    this.#connection?.destroy();
    this.#resolve(this.#held ?? outcome);
  }
}

function explain(error: unknown): Outcome {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return { kind: 'absent' };
    case 'EACCES':
    case 'EPERM':
      return { kind: 'not-permitted' };
    case 'ECONNRESET':
    case 'EPIPE':
      return { kind: 'closed' };
    default:
      return { kind: 'failed', message };
  }
}
