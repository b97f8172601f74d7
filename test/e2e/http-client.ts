// Sends one HTTP request to nginx and reads what the echo programs of test/fixtures answer.
import { request } from 'node:http';

export interface Message {
  method?: 'GET' | 'POST';
  /** Without the query; the root of the site without it. */
  path?: string;
  query: string;
  body?: string;
  /** Content-Type of the body. */
  type?: string;
}

export interface Reply {
  /** The HTTP status; 0 when there was no answer at all, the reason is then the body. */
  status: number;
  body: string;
}

/** Never rejects: what becomes of a request is what the tests are about. */
export function send(
  port: number,
  { method = 'GET', path = '/', query, body = '', type }: Message,
): Promise<Reply> {
  return new Promise((resolve) => {
    const failed = (error: Error): void => resolve({ status: 0, body: error.message });
    const headers = {
      ...(method === 'POST' ? { 'Content-Length': Buffer.byteLength(body) } : {}),
      ...(type === undefined ? {} : { 'Content-Type': type }),
    };
    const sent = request(
      { host: '127.0.0.1', port, path: `${path}?${query}`, method, headers, agent: false },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', failed);
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
        );
      },
    );
    sent.on('error', failed);
    sent.end(body);
  });
}

/** The PID that answered, if the reply is the right echo of the message. */
export function answeringPid(
  reply: Reply,
  { method = 'GET', query, body = '' }: Message,
): number | undefined {
  const end = reply.body.indexOf('\n');
  const [echoedMethod, echoedQuery, pid] = reply.body.slice(0, end).split(' ');
  const isEcho = echoedMethod === method && echoedQuery === query && reply.body.slice(end + 1) === body;
  return reply.status === 200 && isEcho ? Number(pid) : undefined;
}
