// Load with a ledger: a few clients, never idle unless told to be, and what became of each of their requests. Bounded in
// count and time. Nothing is tried twice, here or in nginx, so that whatever the pool loses is on record.
import { existsSync, readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { readEcho, send, type Failure, type Message, type Reply, type WebAddress } from './http-client.ts';

/** The first is good; all others are losses. */
export const outcomes = ['answered', 'refused', 'reset', 'truncated', 'timed out', 'wrong'] as const;
export type RequestOutcome = (typeof outcomes)[number];

export interface Ledger {
  sent: number;
  /** Add up to `sent` once the load has stopped. */
  counts: Record<RequestOutcome, number>;
  /** One line per request that was not answered. */
  lost: string[];
  /** The releases that answered, each with the PIDs that answered for it. */
  releases: Map<string, Set<number>>;
  /** The longest time that an answer took. */
  slowestMs: number;
}

export interface Load {
  /** Filled while the load goes on. */
  ledger: Ledger;
  /** Requests that have ended, one way or the other. */
  ended(): number;
  /** Sends no further request; resolves when those under way have ended. */
  stop(): Promise<Ledger>;
  /** Resolves when a limit is reached and all requests have ended. */
  finished: Promise<Ledger>;
}

export interface LoadOptions {
  clients?: number;
  /** Limits of the whole load. */
  mostRequests?: number;
  mostMs?: number;
  /** After that a request counts as timed out. */
  timeoutMs?: number;
  /** Without them nothing is sent that a web server would not try again. */
  hasPosts?: boolean;
  /** About how long the program works on a request. */
  workMs?: number;
  /** How long a client reads what it has got before it asks again. */
  thinkMs?: number;
  /** nginx's: tells what is behind a 502. */
  errorLog?: string;
}

export function startLoad(address: WebAddress, options: LoadOptions = {}): Load {
  const {
    clients = 3,
    mostRequests = 20_000,
    mostMs = 60_000,
    timeoutMs = 10_000,
    workMs = 0,
    thinkMs = 0,
    hasPosts = true,
  } = options;
  const ledger = emptyLedger();
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const deadline = performance.now() + mostMs;
  let limit = mostRequests;

  async function sendOne(number: number): Promise<void> {
    const message = messageNumber(number, workMs, hasPosts);
    const begin = performance.now();
    const reply = await send(address, message, { agent, timeoutMs });
    const tookMs = performance.now() - begin;
    enter(ledger, message, reply, { tookMs, errorLog: options.errorLog });
  }

  async function runClient(): Promise<void> {
    while (ledger.sent < limit && performance.now() < deadline) {
      ledger.sent += 1;
      await sendOne(ledger.sent);
      if (thinkMs > 0) await pause(thinkMs);
    }
  }

  const finished = Promise.all(Array.from({ length: clients }, runClient)).then(() => {
    agent.destroy();
    return ledger;
  });
  return {
    ledger,
    ended: () => endedIn(ledger),
    stop: () => {
      limit = 0;
      return finished;
    },
    finished,
  };
}

export function emptyLedger(): Ledger {
  const counts = Object.fromEntries(outcomes.map((outcome) => [outcome, 0])) as Record<
    RequestOutcome,
    number
  >;
  return { sent: 0, counts, lost: [], releases: new Map(), slowestMs: 0 };
}

function endedIn({ counts }: Ledger): number {
  return outcomes.reduce((sum, outcome) => sum + counts[outcome], 0);
}

/** Every third is a POST, every ninth a large one; the work differs from one to the next. */
function messageNumber(n: number, workMs: number, hasPosts: boolean): Message {
  const sleepMs = Math.ceil((workMs * (1 + (n % 4))) / 2.5);
  const query = workMs > 0 ? `n=${n}&sleep=${sleepMs}` : `n=${n}`;
  if (n % 3 !== 0 || !hasPosts) return { query };
  return { method: 'POST', query, body: `body ${n} `.repeat(n % 9 === 0 ? 5_000 : 100) };
}

interface Circumstances {
  tookMs: number;
  errorLog: string | undefined;
}

function enter(ledger: Ledger, message: Message, reply: Reply, { tookMs, errorLog }: Circumstances): void {
  const echo = readEcho(reply, message);
  if (echo) {
    ledger.counts.answered += 1;
    ledger.slowestMs = Math.max(ledger.slowestMs, tookMs);
    const pids = ledger.releases.get(echo.release) ?? new Set();
    ledger.releases.set(echo.release, pids.add(echo.pid));
    return;
  }
  const complaint = complaintOfNginx(errorLog, message);
  const outcome = failureBehind(complaint) ?? reply.failure ?? failureOf(reply, message);
  ledger.counts[outcome] += 1;
  ledger.lost.push(
    `${message.query}: ${outcome} after ${Math.round(tookMs)} ms: ${reply.status} ${reply.body.slice(0, 100)} ${complaint}`,
  );
}

/** A whole HTTP answer that is not the echo: with the beginning of it, nginx was cut off and could not tell us. */
function failureOf(reply: Reply, { method = 'GET', query, body = '' }: Message): Failure {
  if (reply.status === 504) return 'timed out';
  const head = `${method} ${query} `;
  const end = reply.body.indexOf('\n');
  const isBeginning =
    end < 0
      ? head.startsWith(reply.body.slice(0, head.length))
      : reply.body.startsWith(head) && body.startsWith(reply.body.slice(end + 1));
  return reply.status === 200 && isBeginning ? 'truncated' : 'wrong';
}

/** The line in nginx's error log about a request; each has a query of its own. */
function complaintOfNginx(errorLog: string | undefined, { method = 'GET', query }: Message): string {
  if (errorLog === undefined || !existsSync(errorLog)) return '';
  const lines = readFileSync(errorLog, 'utf8').split('\n');
  return lines.findLast((line) => line.includes(`request: "${method} /?${query} HTTP`)) ?? '';
}

function failureBehind(complaint: string): Failure | undefined {
  if (/connect\(\) .*failed/.test(complaint)) return 'refused';
  if (/\(104: |\(32: /.test(complaint)) return 'reset';
  if (complaint.includes('prematurely closed')) return 'truncated';
  return complaint.includes('(110: ') ? 'timed out' : undefined;
}
