// `ping --probe`: asks the pool's own socket, as a web server does, for a FastCGI management
// record or for a page, and says how it went.
import { connect, type Socket } from 'node:net';
import manifest from '../../package.json' with { type: 'json' };
import { encodeGetValues, isManagementAnswer } from '../fastcgi/management.ts';
import { AnswerReader, encodeRequest, type Answer } from '../fastcgi/responder.ts';
import { nameSocket } from '../sys/socket/socket-name.ts';
import { parseEndpoint } from './target/parse-target.ts';
import { printable } from '../core/text/printable.ts';
import { cutEnd } from './print/printable.ts';
import { formatTime } from './status/status-table.ts';

export interface ProbeResult {
  readonly isServed: boolean;
  /** For people; printable. */
  readonly text: string;
}

/** The kernel's answer when the queue of a Unix socket is full. */
const retryMs = 25;
const complaintColumns = 200;
const serverError = 500;

/** Where to connect: a pool's address, or the path of its socket from here with the user that it must belong to. */
export interface ProbeTarget {
  readonly address: string;
  readonly owner: number | undefined;
}

interface Limit {
  readonly timeoutMs: number;
  /** Of which that is what is left; for the message. */
  readonly inAllMs: number;
}

/** Undefined as `uri`: a management record, which every application answers in some way. */
export function probePool(target: ProbeTarget, uri: string | undefined, limit: Limit): Promise<ProbeResult> {
  return new Promise((resolve) => {
    new Probe(target, uri, limit, resolve).start();
  });
}

/** Says what the bytes so far are; undefined: too few to say. */
type Reading = (chunk: Buffer) => ProbeResult | undefined;

class Probe {
  readonly #target: ProbeTarget;
  readonly #request: Buffer;
  readonly #read: Reading;
  readonly #limit: Limit;
  readonly #resolve: (result: ProbeResult) => void;
  readonly #startedMs = performance.now();
  #socket: Socket | undefined;
  #timers: NodeJS.Timeout[] = [];

  constructor(
    target: ProbeTarget,
    uri: string | undefined,
    limit: Limit,
    resolve: (result: ProbeResult) => void,
  ) {
    this.#target = target;
    this.#request = uri === undefined ? encodeGetValues() : encodeRequest(paramsFor(uri));
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
    const { socket, release } = open(this.#target);
    this.#socket = socket;
    socket.once('connect', () => {
      release();
      socket.write(this.#request);
    });
    socket.on('data', (chunk: Buffer) => {
      const result = this.#read(chunk);
      if (result) this.#end(result);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      release();
      if (error.code === 'EAGAIN') this.#timers.push(setTimeout(() => this.#connect(), retryMs));
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

/** A socket that listens on every address is asked on the loopback one. */
function open({ address, owner }: ProbeTarget): { socket: Socket; release: () => void } {
  const endpoint = parseEndpoint(address);
  if (!endpoint) {
    const { path, release } = nameSocket(address, owner);
    return { socket: connect(path), release };
  }
  const { ip, port } = endpoint;
  const loopback: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  const socket = connect({ host: loopback[ip] ?? ip, port, noDelay: true });
  return { socket, release: () => undefined };
}

/**
 * What nginx's fastcgi_params hands over, and what applications look for in different places: PHP and fcgiwrap in
 * SCRIPT_FILENAME, Python, Perl and Ruby in PATH_INFO, Go in REQUEST_URI.
 */
function paramsFor(uri: string): Record<string, string> {
  const [path = '', ...query] = uri.split('?');
  return {
    GATEWAY_INTERFACE: 'CGI/1.1',
    SERVER_SOFTWARE: `spawn-fcgictl/${manifest.version}`,
    SERVER_PROTOCOL: 'HTTP/1.1',
    SERVER_NAME: 'localhost',
    SERVER_ADDR: '127.0.0.1',
    SERVER_PORT: '80',
    REMOTE_ADDR: '127.0.0.1',
    REMOTE_PORT: '0',
    REQUEST_METHOD: 'GET',
    REQUEST_SCHEME: 'http',
    REQUEST_URI: uri,
    DOCUMENT_URI: path,
    DOCUMENT_ROOT: '/',
    SCRIPT_NAME: path,
    SCRIPT_FILENAME: path,
    PATH_INFO: path,
    QUERY_STRING: query.join('?'),
    CONTENT_TYPE: '',
    CONTENT_LENGTH: '',
    // php-cgi refuses without it (cgi.force_redirect).
    REDIRECT_STATUS: '200',
    HTTP_HOST: 'localhost',
    HTTP_USER_AGENT: `spawn-fcgictl/${manifest.version}`,
  };
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
