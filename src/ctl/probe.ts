// `ping --probe`: asks the pool's own socket, as a web server does, for a FastCGI management
// record or for a page, and says how it went.
import type { Socket } from 'node:net';
import { encodeGetValues, isManagementAnswer } from '../fastcgi/management.ts';
import { AnswerReader, type Answer } from '../fastcgi/answer.ts';
import { encodeRequest } from '../fastcgi/request.ts';
import { printable } from '../core/text/printable.ts';
import { cutEnd } from './print/printable.ts';
import { parametersFor } from './request/cgi-parameters.ts';
import { isQueueFull, openConnection, retryMs, type ServerAddress } from './request/open-connection.ts';
import { formatTime } from './status/status-table.ts';

export interface ProbeResult {
  readonly isServed: boolean;
  /** For people; printable. */
  readonly text: string;
}

const complaintColumns = 200;
const serverError = 500;

interface Limit {
  readonly timeoutMs: number;
  /** Of which that is what is left; for the message. */
  readonly inAllMs: number;
}

/** Undefined as `uri`: a management record, which every application answers in some way. */
export function probePool(
  target: ServerAddress,
  uri: string | undefined,
  limit: Limit,
): Promise<ProbeResult> {
  return new Promise((resolve) => {
    new Probe(target, uri, limit, resolve).start();
  });
}

/** Says what the bytes so far are; undefined: too few to say. */
type Reading = (chunk: Buffer) => ProbeResult | undefined;

class Probe {
  readonly #target: ServerAddress;
  readonly #request: Buffer;
  readonly #read: Reading;
  readonly #limit: Limit;
  readonly #resolve: (result: ProbeResult) => void;
  readonly #startedMs = performance.now();
  #socket: Socket | undefined;
  #timers: NodeJS.Timeout[] = [];

  constructor(
    target: ServerAddress,
    uri: string | undefined,
    limit: Limit,
    resolve: (result: ProbeResult) => void,
  ) {
    this.#target = target;
    this.#request =
      uri === undefined ? encodeGetValues() : encodeRequest(parametersFor({ method: 'GET', uri }));
    this.#read = uri === undefined ? this.#readManagement() : this.#readAnswer(uri);
    this.#limit = limit;
    this.#resolve = resolve;
  }

  start(): void {
    const { timeoutMs, inAllMs } = this.#limit;
    const timer = setTimeout(() => this.#fail(`no answer within ${formatTime(inAllMs)}`), timeoutMs);
    this.#timers.push(timer);
    this.#connect();
  }

  #connect(): void {
    try {
      this.#converse();
    } catch (error) {
      this.#fail(`no answer: ${describeError(error as NodeJS.ErrnoException)}`);
    }
  }

  #converse(): void {
    const socket = openConnection(this.#target);
    this.#socket = socket;
    socket.once('connect', () => socket.write(this.#request));
    socket.on('data', (chunk: Buffer) => {
      const result = this.#read(chunk);
      if (result) this.#end(result);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (isQueueFull(error)) this.#timers.push(setTimeout(() => this.#connect(), retryMs));
      else this.#fail(`no answer: ${describeError(error)}`);
    });
    socket.once('end', () => this.#fail('no answer: the connection was closed'));
  }

  #readManagement(): Reading {
    let received = Buffer.alloc(0);
    return (chunk) => {
      received = Buffer.concat([received, chunk]);
      const isAnswer = isManagementAnswer(received);
      if (isAnswer === undefined) return undefined;
      const text = isAnswer ? `answered in ${this.#elapsed()}` : 'no answer: what came is no FastCGI';
      return { isServed: isAnswer, text };
    };
  }

  #readAnswer(uri: string): Reading {
    const reader = new AnswerReader();
    return (chunk) => {
      const answer = reader.push(chunk);
      if (!answer) return undefined;
      const isServed = answer.kind === 'answered' && answer.status < serverError;
      const said = isServed ? '' : describeComplaint(reader.complaint);
      return { isServed, text: `GET ${uri}: ${describeAnswer(answer)} in ${this.#elapsed()}${said}` };
    };
  }

  #elapsed(): string {
    return `${(performance.now() - this.#startedMs).toFixed(0)} ms`;
  }

  #fail(text: string): void {
    this.#end({ isServed: false, text });
  }

  #end(result: ProbeResult): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#socket?.destroy();
    this.#resolve(result);
  }
}

const refusals = ['', 'it cannot multiplex connections', 'it is overloaded', 'it does not know the role'];

function describeAnswer(answer: Answer): string {
  switch (answer.kind) {
    case 'answered':
      return printable(`${answer.status} ${answer.reason}`.trim());
    case 'refused':
      return `refused (${refusals[answer.protocolStatus] ?? `protocol status ${answer.protocolStatus}`})`;
    case 'malformed':
      return 'an answer without a header';
  }
}

/** The last line: that is where programs say what went wrong. */
function describeComplaint(text: string): string {
  const last = text.trim().split('\n').at(-1) ?? '';
  return last === '' ? '' : `, saying '${cutEnd(printable(last), complaintColumns)}'`;
}

function describeError({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ENOENT':
      return 'its socket file is not there';
    case 'ECONNREFUSED':
      return 'nobody listens on its socket';
    case 'EACCES':
      return 'its socket may not be used';
    case 'ECONNRESET':
    case 'EPIPE':
      return 'the connection was closed';
    default:
      return printable(message);
  }
}
