// The ledger of the end-to-end tests, against a web server that loses requests in every way: each loss is one line
// under its own name, and nothing else is.
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { freePort, makeTempDir } from '../helpers/machine/index.ts';
import { emptyLedger, startLoad, type LoadOptions, type RequestOutcome } from '../helpers/web/index.ts';

const REQUESTS = 30;
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map(async (close) => close()));
});

/** What a server does with a request instead of answering it; `echo` is the right answer. */
type Mischief = (answer: ServerResponse, echo: string) => void;

const mischiefs: [string, RequestOutcome, Mischief][] = [
  ['closed without an answer', 'reset', (answer) => answer.destroy()],
  ['cut off in the middle of the body', 'truncated', cutOff],
  ['ended before the echo begins', 'truncated', (answer) => answer.end()],
  ['ended in the middle of the first line', 'truncated', (answer, echo) => answer.end(echo.slice(0, 6))],
  ['ended one byte too early', 'truncated', (answer, echo) => answer.end(echo.slice(0, -1))],
  ['never answered', 'timed out', () => undefined],
  ['never answered to the end', 'timed out', (answer, echo) => answer.write(echo.slice(0, -1))],
  ['answered with 502', 'wrong', (answer, echo) => answer.writeHead(502).end(echo)],
  ['answered with 504', 'timed out', (answer) => answer.writeHead(504).end()],
  ["answered with another request's echo", 'wrong', (answer, echo) => answer.end(echo.replace('n=', 'n=1'))],
  ['answered with too much', 'wrong', (answer, echo) => answer.end(`${echo}!`)],
  ['answered with something that is no HTTP', 'wrong', (answer) => answer.socket?.end('FTP/1.1 220\r\n\r\n')],
];

test.each(mischiefs)('a request that is %s counts as %s, and only that one', async (_, outcome, mischief) => {
  const port = await serve((answer, echo, number) =>
    number === 12 ? mischief(answer, echo) : answer.end(echo),
  );
  const ledger = await load(port);
  expect(ledger.counts).toEqual({ ...emptyLedger().counts, answered: REQUESTS - 1, [outcome]: 1 });
  expect(ledger.sent).toBe(REQUESTS);
  expect(ledger.lost).toEqual([expect.stringContaining(`n=12: ${outcome}`)]);
});

test('requests to a port where nobody listens count as refused', async () => {
  const ledger = await load(await freePort());
  expect(ledger.counts).toEqual({ ...emptyLedger().counts, refused: REQUESTS });
});

test.each([
  ['connect() to unix:/app.sock failed (111: Connection refused) while connecting to upstream', 'refused'],
  ['connect() to unix:/app.sock failed (11: Resource temporarily unavailable)', 'refused'],
  ['recv() failed (104: Connection reset by peer) while reading response header', 'reset'],
  ['writev() failed (32: Broken pipe) while sending request to upstream', 'reset'],
  ['upstream prematurely closed connection while reading response header', 'truncated'],
  ['upstream timed out (110: Connection timed out) while reading response', 'timed out'],
])('a 502 of which nginx says "%s" counts as %s', async (complaint, outcome) => {
  const errorLog = join(makeTempDir(), 'error.log');
  const line = (number: number): string =>
    `[error] ${complaint}, client: 127.0.0.1, request: "GET /?n=${number} HTTP/1.1"\n`;
  writeFileSync(errorLog, `${line(1)}${line(13)}`);
  const port = await serve((answer, echo, number) => {
    if (number === 13) answer.writeHead(502);
    answer.end(echo);
  });
  const ledger = await load(port, { errorLog });
  expect(ledger.counts).toEqual({ ...emptyLedger().counts, answered: REQUESTS - 1, [outcome]: 1 });
});

test('the load ends by itself at its limit of time', async () => {
  const port = await serve((answer, echo) => answer.end(echo));
  const ledger = await startLoad(port, { mostMs: 50 }).finished;
  expect(ledger.sent).toBeGreaterThan(0);
  expect(ledger.counts.answered).toBe(ledger.sent);
});

test('stop lets the requests under way end, and the ledger names who answered', async () => {
  const waiting: (() => void)[] = [];
  const port = await serve((answer, echo) => {
    waiting.push(() => answer.end(echo));
    if (waiting.length === 3) stopped = running.stop();
    if (waiting.length === 3) for (const go of waiting) go();
  });
  const running = startLoad(port);
  let stopped = running.finished;
  const ledger = await stopped;
  expect(ledger.counts).toEqual({ ...emptyLedger().counts, answered: 3 });
  expect(ledger.releases).toEqual(new Map([['r1', new Set([4711])]]));
});

function load(port: number, options: LoadOptions = {}) {
  return startLoad(port, { mostRequests: REQUESTS, timeoutMs: 500, ...options }).finished;
}

/** Answers with what the echo programs would. */
async function serve(act: (answer: ServerResponse, echo: string, number: number) => void): Promise<number> {
  const listener: RequestListener = (request, answer) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const query = request.url?.slice('/?'.length) ?? '';
      const body = Buffer.concat(chunks).toString();
      act(answer, `${request.method} ${query} 4711 r1\n${body}`, Number(/^n=(\d+)/.exec(query)?.[1]));
    });
  };
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(
    async () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return (server.address() as AddressInfo).port;
}

function cutOff(answer: ServerResponse, echo: string): void {
  answer.write(echo.slice(0, -1), () => answer.destroy());
}
