// One HTTP request with bodies of megabytes: what is sent and what comes back is summed up on the way, not kept; and
// clients that leave in the middle.
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { crc32 } from 'node:zlib';

export interface Question {
  method?: string;
  /** With the query. */
  path: string;
  body?: Buffer;
  type?: string;
  timeoutMs?: number;
}

/** What came back. */
export interface Answer {
  /** 0 when there was no complete answer; the reason is then the text. */
  status: number;
  headers: IncomingMessage['headers'];
  /** Its first kilobytes. */
  text: string;
  /** Of the body. */
  bytes: number;
  /** Of the body, CRC-32. */
  sum: number;
}

const KEPT_BYTES = 4096;
const TIMEOUT_MS = 20_000;

/** Never rejects. */
export function ask(port: number, question: Question): Promise<Answer> {
  return new Promise((resolve) => {
    const answer: Answer = { status: 0, headers: {}, text: '', bytes: 0, sum: 0 };
    const fail = (reason: string): void => resolve({ ...answer, status: 0, text: reason });
    const sent = open(port, question);
    const timer = setTimeout(() => {
      fail('no complete answer in time');
      sent.destroy();
    }, question.timeoutMs ?? TIMEOUT_MS);
    sent.on('close', () => clearTimeout(timer));
    sent.on('error', (error) => fail(error.message));
    sent.on('response', (reply) => {
      answer.headers = reply.headers;
      reply.on('data', (chunk: Buffer) => take(answer, chunk));
      reply.on('error', (error) => fail(error.message));
      reply.on('end', () => resolve({ ...answer, status: reply.statusCode ?? 0 }));
    });
    sent.end(question.body);
  });
}

function take(answer: Answer, chunk: Buffer): void {
  if (answer.bytes < KEPT_BYTES) answer.text += chunk.toString('latin1').slice(0, KEPT_BYTES);
  answer.bytes += chunk.length;
  answer.sum = crc32(chunk, answer.sum);
}

/** Leaves when the answer has begun; resolves then, or when there was none. */
export function leaveDuringAnswer(port: number, question: Question): Promise<void> {
  return new Promise((resolve) => {
    const sent = open(port, question);
    sent.on('error', () => resolve());
    sent.on('response', (reply) => {
      reply.on('error', () => undefined);
      reply.once('data', () => sent.destroy());
      reply.once('close', () => resolve());
    });
    sent.end(question.body);
  });
}

/** Leaves when half of the body is sent. */
export function leaveDuringBody(port: number, question: Question & { body: Buffer }): Promise<void> {
  return new Promise((resolve) => {
    const sent = open(port, question);
    sent.on('error', () => undefined);
    sent.once('close', () => resolve());
    sent.on('response', (reply) => reply.on('error', () => undefined).resume());
    sent.write(question.body.subarray(0, question.body.length >> 1), () => sent.destroy());
  });
}

function open(port: number, { method = 'GET', path, body, type }: Question): ClientRequest {
  const headers = {
    ...(body === undefined ? {} : { 'Content-Length': body.length }),
    ...(type === undefined ? {} : { 'Content-Type': type }),
  };
  return request({ host: '127.0.0.1', port, path, method, headers, agent: false });
}
