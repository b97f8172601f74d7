// Writes down the requests that the end of a worker cuts off: who, how many, how old at least. Where the kernel
// knows no age (Unix sockets) it is the time since the connection was first seen here.
import type { Clock, EventLog, Request, Sessions } from '../../core/machine.ts';

/** How often connections are looked at for that: their age is known to about this. */
const noteEveryMs = 1000;

interface Seen {
  slot: number | undefined;
  notedAtMs: number;
  /** When each connection that was open at the last look was seen first. */
  connections: ReadonlyMap<string, number>;
  /** What it was at work on when it got the last TERM. */
  atTerm: { readonly connections: number; readonly sinceMs: number } | undefined;
}

export class CutRequests {
  readonly #clock: Clock;
  readonly #sessions: Sessions;
  readonly #log: EventLog;
  readonly #workers = new Map<number, Seen>();

  constructor(clock: Clock, sessions: Sessions, log: EventLog) {
    this.#clock = clock;
    this.#sessions = sessions;
    this.#log = log;
  }

  /** The worker is to end. */
  begin(leader: number, slot: number | undefined): void {
    const notedAtMs = Number.NEGATIVE_INFINITY;
    this.#workers.set(leader, { slot, notedAtMs, connections: new Map(), atTerm: undefined });
  }

  /** It was looked at, and is not idle or not to be ended yet. */
  noteBusy(leader: number): void {
    const seen = this.#workers.get(leader);
    if (!seen || (!seen.atTerm && this.#clock.nowMs() - seen.notedAtMs < noteEveryMs)) return;
    const requests = this.#sessions.requestsOf([leader]).get(leader) ?? [];
    this.#note(seen, requests);
    if (requests.length === 0) seen.atTerm = undefined;
  }

  /** It is killed while it is idle. */
  noteIdle(leader: number): void {
    const seen = this.#workers.get(leader);
    if (seen) seen.atTerm = undefined;
  }

  /** These are about to be killed; the result writes down what that has cut, but for those that could not be. */
  beforeKill(leaders: readonly number[], reason: string): (refused: readonly number[]) => void {
    const cuts = [...this.#sessions.requestsOf(leaders)].flatMap(([leader, requests]) => {
      const seen = this.#workers.get(leader);
      if (!seen) return [];
      seen.atTerm = undefined;
      return requests.length === 0
        ? []
        : [{ leader, seen, count: requests.length, sinceMs: this.#note(seen, requests) }];
    });
    return (refused) => {
      for (const { leader, seen, count, sinceMs } of cuts) {
        if (!refused.includes(leader)) this.#write(leader, seen, count, sinceMs, reason);
      }
    };
  }

  /** These are about to get a TERM that they may die of, or on which they may yet finish. */
  beforeTerm(leaders: readonly number[]): void {
    for (const [leader, requests] of this.#sessions.requestsOf(leaders)) {
      const seen = this.#workers.get(leader);
      if (!seen || requests.length === 0) continue;
      seen.atTerm = { connections: requests.length, sinceMs: this.#note(seen, requests) };
    }
  }

  /** It is gone; `hasFinished`: by itself and well, so that it has finished its request first. */
  ended(leader: number, hasFinished: boolean): void {
    const seen = this.#workers.get(leader);
    this.#workers.delete(leader);
    if (!seen?.atTerm || hasFinished) return;
    const { connections, sinceMs } = seen.atTerm;
    this.#write(leader, seen, connections, sinceMs, 'TERM at --stop-timeout');
  }

  /** Since when the oldest of them has been in progress at least. */
  #note(seen: Seen, requests: readonly Request[]): number {
    const nowMs = this.#clock.nowMs();
    const first = (request: Request): number => seen.connections.get(request.connection) ?? nowMs;
    const since = requests.map((request) =>
      request.ageMs === undefined ? first(request) : nowMs - request.ageMs,
    );
    seen.connections = new Map(requests.map((request) => [request.connection, first(request)]));
    seen.notedAtMs = nowMs;
    return Math.min(nowMs, ...since);
  }

  #write(leader: number, { slot }: Seen, connections: number, sinceMs: number, reason: string): void {
    const ageMs = Math.round(this.#clock.nowMs() - sinceMs);
    this.#log.write({ event: 'request-cut', slot, workerPid: leader, connections, ageMs, reason });
  }
}
