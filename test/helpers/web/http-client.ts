// Sends one HTTP request to nginx and reads what the echo programs of test/fixtures answer.
import { request, type Agent } from 'node:http';

export interface Message {
  method?: 'GET' | 'POST';
  /** Without the query; the root of the site without it. */
  path?: string;
  query: string;
  body?: string;
  /** Content-Type of the body. */
  type?: string;
}

export type Failure = 'refused' | 'reset' | 'truncated' | 'timed out' | 'wrong';

export interface Reply {
  /** The HTTP status; 0 when there was no complete answer, the reason is then the body. */
  status: number;
  body: string;
  /** Set when there was no complete answer: "wrong" if it was no HTTP. */
  failure?: Failure;
}

export interface SendOptions {
  /** Keeps connections; without one, each request has its own. */
  agent?: Agent;
  timeoutMs?: number;
}

/** A port on 127.0.0.1, or the path of a Unix socket. */
export type WebAddress = number | string;

/** Never rejects: what becomes of a request is what the tests are about. */
export function send(address: WebAddress, message: Message, options: SendOptions = {}): Promise<Reply> {
  const { method = 'GET', path = '/', query, body = '', type } = message;
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const settle = (reply: Reply): void => {
      clearTimeout(timer);
      resolve(reply);
    };
    const headers = {
      ...(method === 'POST' ? { 'Content-Length': Buffer.byteLength(body) } : {}),
      ...(type === undefined ? {} : { 'Content-Type': type }),
    };
    const target =
      typeof address === 'string' ? { socketPath: address } : { host: '127.0.0.1', port: address };
    const sent = request(
      { ...target, path: `${path}?${query}`, method, headers, agent: options.agent ?? false },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', (error) => settle({ status: 0, body: error.message, failure: 'truncated' }));
        answer.on('end', () =>
          settle({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
        );
      },
    );
    sent.on('error', (error: NodeJS.ErrnoException) =>
      settle({ status: 0, body: error.message, failure: failureOf(error.code) }),
    );
    const { timeoutMs } = options;
    if (timeoutMs !== undefined) {
      timer = setTimeout(() => {
        settle({ status: 0, body: `no complete answer within ${timeoutMs} ms`, failure: 'timed out' });
        sent.destroy();
      }, timeoutMs);
    }
    sent.end(body);
  });
}

function failureOf(code = ''): Failure {
  if (code === 'ECONNREFUSED') return 'refused';
  return code.startsWith('HPE_') ? 'wrong' : 'reset';
}

export interface Echo {
  /** Who answered. */
  pid: number;
  /** What RELEASE beside its program said when it started, "-" without one. */
  release: string;
}

/** Who answered, if the reply is the right and complete echo of the message. */
export function readEcho(reply: Reply, { method = 'GET', query, body = '' }: Message): Echo | undefined {
  const end = reply.body.indexOf('\n');
  const [echoedMethod, echoedQuery, pid, release = ''] = reply.body.slice(0, end).split(' ');
  const isEcho = echoedMethod === method && echoedQuery === query && reply.body.slice(end + 1) === body;
  return reply.status === 200 && isEcho ? { pid: Number(pid), release } : undefined;
}

/** The PID that answered, if the reply is the right echo of the message. */
export function answeringPid(reply: Reply, message: Message): number | undefined {
  return readEcho(reply, message)?.pid;
}
