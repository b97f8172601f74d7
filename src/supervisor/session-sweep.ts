// Ends what a dead worker left of its session: TERM, and KILL after the stop
// timeout. Looks at once where the process group still has members, else once
// within a second for members with groups of their own.
import { describeRefused } from '../core/event-text.ts';
import type { Clock, EventLog, SessionMember, Sessions } from './interfaces.ts';

const lazyLookMs = 1000;
const firstPollMs = 20;
const longestPollMs = 500;

export class SessionSweep {
  readonly #clock: Clock;
  readonly #sessions: Sessions;
  readonly #log: EventLog;
  readonly #stopTimeoutMs: number;
  readonly #onRefused: (member: SessionMember) => void;
  /** Sessions not looked at yet. */
  #waiting: number[] = [];
  /** Sessions whose members got TERM, with the time of their KILL. */
  #ending = new Map<number, number>();
  /** Sessions that got KILL and were reported. */
  readonly #killed = new Set<number>();
  #lazyLook: (() => void) | undefined;
  #poll: (() => void) | undefined;

  /** `onRefused` hears of members that may not be signalled, as soon as that is known. */
  constructor(
    clock: Clock,
    sessions: Sessions,
    log: EventLog,
    stopTimeoutMs: number,
    onRefused: (member: SessionMember) => void,
  ) {
    this.#clock = clock;
    this.#sessions = sessions;
    this.#log = log;
    this.#stopTimeoutMs = stopTimeoutMs;
    this.#onRefused = onRefused;
  }

  /** Sessions of dead workers that may still have members. */
  get pending(): number[] {
    return [...this.#waiting, ...this.#ending.keys()];
  }

  add(leader: number): void {
    this.#waiting.push(leader);
    if (this.#sessions.hasGroup(leader)) this.#look();
    else this.#lazyLook ??= this.#clock.after(lazyLookMs, () => this.#look());
  }

  /** Takes over for a stop: the caller ends the pending sessions itself. */
  cancel(): void {
    this.#lazyLook?.();
    this.#poll?.();
    this.#lazyLook = this.#poll = undefined;
  }

  #look(): void {
    this.#lazyLook?.();
    this.#lazyLook = undefined;
    const looked = this.#waiting;
    this.#waiting = [];
    const reached = this.#sessions.signalLeftovers(looked, 'SIGTERM');
    for (const member of reached) if (member.isRefused) this.#onRefused(member);
    const killAtMs = this.#clock.nowMs() + this.#stopTimeoutMs;
    for (const session of new Set(reached.map((member) => member.session))) {
      this.#ending.set(session, killAtMs);
      const pids = reached.filter((member) => member.session === session).map((member) => member.pid);
      this.#log.write({ event: 'session-left', session, pids });
    }
    if (this.#ending.size > 0) this.#pollIn(firstPollMs);
  }

  #pollIn(delayMs: number): void {
    this.#poll ??= this.#clock.after(delayMs, () => {
      this.#poll = undefined;
      this.#check(Math.min(delayMs * 2, longestPollMs));
    });
  }

  #check(nextMs: number): void {
    const left = new Set(this.#sessions.leftovers([...this.#ending.keys()]).map((member) => member.session));
    for (const [session, killAtMs] of this.#ending) {
      if (!left.has(session)) this.#forget(session);
      else if (this.#clock.nowMs() >= killAtMs) this.#kill(session);
    }
    if (this.#ending.size > 0) this.#pollIn(nextMs);
  }

  #forget(session: number): void {
    this.#ending.delete(session);
    this.#killed.delete(session);
  }

  /** Again at every look: a fork may have escaped the last one. */
  #kill(session: number): void {
    const reached = this.#sessions.signalLeftovers([session], 'SIGKILL');
    const pids = reached.filter(({ isRefused }) => !isRefused).map(({ pid }) => pid);
    const refused = reached.filter(({ isRefused }) => isRefused).map(({ pid }) => pid);
    if (pids.length > 0 && !this.#killed.has(session)) {
      this.#killed.add(session);
      this.#log.write({ event: 'killed', reason: '--stop-timeout', pids });
    }
    if (pids.length > 0 || refused.length === 0) return;
    // Only those are left that we may not end: looking at them again helps nobody.
    this.#log.write({ event: 'warning', message: describeRefused(refused, 'left of a worker') });
    this.#forget(session);
  }
}
