// Ends what a dead worker left of its session: TERM, and KILL after the stop timeout.
import { describeRefused } from '../../core/text/end-text.ts';
import type { Clock, EventLog, SessionMember, Sessions } from '../../core/machine.ts';

const firstPollMs = 20;
const longestPollMs = 500;

export class SessionSweep {
  readonly #clock: Clock;
  readonly #sessions: Sessions;
  readonly #log: EventLog;
  readonly #stopTimeoutMs: number;
  readonly #onRefused: (member: SessionMember) => void;
  /** Sessions whose members got TERM, with the time of their KILL. */
  readonly #ending = new Map<number, number>();
  /** Sessions that got KILL and were reported. */
  readonly #killed = new Set<number>();
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
    return [...this.#ending.keys()];
  }

  /** A worker has ended just now. */
  add(leader: number, sessions: Pick<Sessions, 'isOver'> = this.#sessions): void {
    if (sessions.isOver(leader)) return;
    const { members, signalled, isCertain } = this.#sessions.signalLeftovers([leader], 'SIGTERM');
    for (const member of signalled) if (member.isRefused) this.#onRefused(member);
    const pids = signalled.map(({ pid }) => pid);
    if (pids.length > 0) this.#log.write({ event: 'session-left', session: leader, pids });
    if (members.length === 0 && isCertain) return;
    this.#ending.set(leader, this.#clock.nowMs() + this.#stopTimeoutMs);
    this.#pollIn(firstPollMs);
  }

  /** Takes over for a stop: the caller ends the pending sessions itself. */
  cancel(): void {
    this.#poll?.();
    this.#poll = undefined;
  }

  #pollIn(delayMs: number): void {
    this.#poll ??= this.#clock.after(delayMs, () => {
      this.#poll = undefined;
      this.#check(Math.min(delayMs * 2, longestPollMs));
    });
  }

  #check(nextMs: number): void {
    const { members, isCertain } = this.#sessions.signalLeftovers(this.pending, 'SIGTERM');
    const left = new Set(members.map(({ leader }) => leader));
    for (const [session, killAtMs] of this.#ending) {
      const isLate = this.#clock.nowMs() >= killAtMs;
      // Who cannot be seen for so long is not looked for any more: a running pool looks at nobody in vain.
      if (!left.has(session) && (isCertain || isLate)) this.#forget(session);
      else if (isLate) this.#kill(session);
    }
    if (this.#ending.size > 0) this.#pollIn(nextMs);
  }

  #forget(session: number): void {
    this.#ending.delete(session);
    this.#killed.delete(session);
  }

  /** Again at every look: a fork may have escaped the last one. */
  #kill(session: number): void {
    const { signalled } = this.#sessions.signalLeftovers([session], 'SIGKILL');
    const pids = signalled.filter(({ isRefused }) => !isRefused).map(({ pid }) => pid);
    const refused = signalled.filter(({ isRefused }) => isRefused).map(({ pid }) => pid);
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
