// Requests to a pool of plain-echo workers, without a web server in between: a few clients that are never idle, and what
// became of each of their requests. Nothing is tried twice.
import { awaitedLater } from '../machine/wait-for.ts';
import {
  fastcgiRequest,
  type FastcgiOptions,
  type FastcgiResponse,
  type FastcgiTarget,
} from './fastcgi-client.ts';

export interface Tally {
  sent: number;
  answered: number;
  /** One line for each request that was not answered. */
  lost: string[];
  /** The releases that answered, each with the PIDs that answered for it. */
  releases: Map<string, Set<number>>;
}

export interface RequestLoad {
  /** Filled while the load goes on. */
  tally: Tally;
  /** Sends no further request; resolves when those under way have ended. */
  stop(): Promise<Tally>;
}

const MOST_REQUESTS = 20_000;
const MOST_MS = 30_000;

/** About `clients` requests at a time, each of them 1 ms of work if the query says nothing else. */
export function startRequests(target: FastcgiTarget, clients = 3, query = 'sleep=1'): RequestLoad {
  const tally: Tally = { sent: 0, answered: 0, lost: [], releases: new Map() };
  const deadline = performance.now() + MOST_MS;
  let isStopped = false;

  async function runClient(): Promise<void> {
    while (!isStopped && tally.sent < MOST_REQUESTS && performance.now() < deadline) {
      tally.sent += 1;
      try {
        const { pid, release } = await askEcho(target, query);
        tally.answered += 1;
        const pids = tally.releases.get(release) ?? new Set();
        tally.releases.set(release, pids.add(pid));
      } catch (error) {
        tally.lost.push((error as Error).message);
      }
    }
  }

  const finished = Promise.all(Array.from({ length: clients }, runClient));
  return {
    tally,
    async stop() {
      isStopped = true;
      await finished;
      return tally;
    },
  };
}

export interface EchoAnswer {
  pid: number;
  release: string;
}

/** One request to plain-echo: who answered, and of which release. */
export function askEcho(
  target: FastcgiTarget,
  query = '',
  options: FastcgiOptions = {},
): Promise<EchoAnswer> {
  const params = { REQUEST_METHOD: 'GET', QUERY_STRING: query };
  return awaitedLater(fastcgiRequest(target, params, '', options).then(readAnswer));
}

function readAnswer({ stdout }: FastcgiResponse): EchoAnswer {
  const match = /^GET \S* (\d+) (\S+)$/m.exec(stdout);
  if (!match) throw new Error(`not the echo: ${stdout}`);
  return { pid: Number(match[1]), release: match[2] ?? '' };
}
