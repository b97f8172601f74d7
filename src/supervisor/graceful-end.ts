// Ends live workers without cutting a request: TERM for programs known to finish on
// it, idle stop for all others, deadlines for those that never are idle
// (docs/reload.md). One timer for all of them, none when nobody is being ended.
import type { StopMethod } from '../core/config.ts';
import type { Clock, EventLog, IdleVerdict, Sessions } from './interfaces.ts';

/** When patience ends, on the monotonic clock; `killAtMs` may be infinite where somebody else kills. */
export interface Deadline {
  readonly termAtMs: number;
  readonly killAtMs: number;
}

interface Ending {
  /** `told` it finishes by itself; `busy` not seen idle yet; `termed` it got TERM when idle; `killed`. */
  stage: 'told' | 'busy' | 'termed' | 'killed';
  deadline: Deadline;
  /** Next look whether it is idle. */
  lookAtMs: number;
  isWarned: boolean;
}

const firstPauseMs = 2;
const longestPauseMs = 50;
/** A worker that is still there this long after its TERM is killed when idle. */
const patienceAfterTermMs = 1000;

export class GracefulEnd {
  readonly #clock: Clock;
  readonly #sessions: Sessions;
  readonly #log: EventLog;
  readonly #method: StopMethod;
  readonly #endings = new Map<number, Ending>();
  #pauseMs = firstPauseMs;
  #timer: { readonly atMs: number; readonly cancel: () => void } | undefined;

  constructor(clock: Clock, sessions: Sessions, log: EventLog, method: StopMethod) {
    this.#clock = clock;
    this.#sessions = sessions;
    this.#log = log;
    this.#method = method;
  }

  /** Asks these workers to end, each the way its program needs; a second call only moves the deadline. */
  end(leaders: readonly number[], deadline: Deadline): void {
    const fresh = leaders.filter((leader) => !this.#endings.has(leader));
    for (const leader of leaders) this.#note(leader, deadline);
    const finishing = fresh.filter((leader) => this.#finishesWhenTold(leader));
    const signal = this.#method === 'auto' || this.#method === 'idle-kill' ? 'SIGTERM' : this.#method;
    if (finishing.length > 0) this.#sessions.signalWorkers(finishing, signal);
    for (const leader of finishing) this.#setStage(leader, 'told');
    if (fresh.length > finishing.length) {
      this.#pauseMs = firstPauseMs;
      this.#tick();
    } else this.#arm();
  }

  /** Those that are being ended get a new, earlier, deadline. */
  hurry(deadline: Deadline): void {
    for (const ending of this.#endings.values()) {
      const { termAtMs } = ending.deadline;
      ending.deadline = { ...deadline, termAtMs: Math.min(termAtMs, deadline.termAtMs) };
    }
    this.#arm();
  }

  /** The worker is gone. */
  leaderEnded(leader: number): void {
    if (this.#endings.delete(leader)) this.#arm();
  }

  #note(leader: number, deadline: Deadline): void {
    const known = this.#endings.get(leader);
    if (known) known.deadline = deadline;
    else this.#endings.set(leader, { stage: 'busy', deadline, lookAtMs: 0, isWarned: false });
  }

  #finishesWhenTold(leader: number): boolean {
    if (this.#method === 'idle-kill') return false;
    return this.#method !== 'auto' || this.#sessions.finishesOnTerm(leader);
  }

  #setStage(leader: number, stage: Ending['stage']): void {
    const ending = this.#endings.get(leader);
    if (ending) ending.stage = stage;
  }

  #arm(): void {
    const dueMs = Math.min(...[...this.#endings.values()].map(dueOf));
    if (this.#timer?.atMs === dueMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (!Number.isFinite(dueMs)) return;
    const cancel = this.#clock.after(Math.max(0, dueMs - this.#clock.nowMs()), () => {
      this.#timer = undefined;
      this.#tick();
    });
    this.#timer = { atMs: dueMs, cancel };
  }

  #tick(): void {
    const nowMs = this.#clock.nowMs();
    this.#killOverdue(nowMs);
    this.#termOverdue(nowMs);
    const isDue = (ending: Ending): boolean => ending.lookAtMs <= nowMs;
    const ends = this.#method === 'idle-kill' ? 'SIGKILL' : 'SIGTERM';
    this.#tryIdle(
      ends,
      this.#leadersWhere((ending) => ending.stage === 'busy' && isDue(ending)),
    );
    this.#tryIdle(
      'SIGKILL',
      this.#leadersWhere((ending) => ending.stage === 'termed' && isDue(ending)),
    );
    this.#pauseMs = Math.min(this.#pauseMs * 1.5, longestPauseMs);
    this.#arm();
  }

  #leadersWhere(matches: (ending: Ending) => boolean): number[] {
    return [...this.#endings].filter(([, ending]) => matches(ending)).map(([leader]) => leader);
  }

  #killOverdue(nowMs: number): void {
    const overdue = this.#leadersWhere(
      ({ stage, deadline }) => stage !== 'killed' && deadline.killAtMs <= nowMs,
    );
    if (overdue.length === 0) return;
    this.#sessions.signalWorkers(overdue, 'SIGKILL');
    for (const leader of overdue) this.#setStage(leader, 'killed');
    this.#log.write({ event: 'killed', reason: '--stop-timeout', pids: overdue });
  }

  /** Never seen idle: a kept-alive connection, or saturation. */
  #termOverdue(nowMs: number): void {
    const overdue = this.#leadersWhere(
      ({ stage, deadline }) => stage === 'busy' && deadline.termAtMs <= nowMs,
    );
    if (overdue.length === 0) return;
    if (this.#method !== 'idle-kill') this.#sessions.signalWorkers(overdue, 'SIGTERM');
    for (const leader of overdue) this.#setStage(leader, 'told');
  }

  #tryIdle(signal: 'SIGTERM' | 'SIGKILL', leaders: readonly number[]): void {
    if (leaders.length === 0) return;
    const verdicts = this.#sessions.endIdle(leaders, signal);
    for (const leader of leaders) this.#judge(leader, signal, verdicts.get(leader) ?? 'gone');
  }

  #judge(leader: number, signal: 'SIGTERM' | 'SIGKILL', verdict: IdleVerdict): void {
    const ending = this.#endings.get(leader);
    if (!ending) return;
    const nowMs = this.#clock.nowMs();
    ending.lookAtMs = nowMs + this.#pauseMs;
    if (verdict === 'gone') ending.stage = 'told';
    if (verdict === 'signalled') {
      ending.stage = signal === 'SIGKILL' ? 'killed' : 'termed';
      ending.lookAtMs = nowMs + patienceAfterTermMs;
    }
    if (verdict === 'unknown' && !ending.isWarned) {
      ending.isWarned = true;
      const message = `worker PID ${leader}: its connections cannot be seen, so it is ended at --stop-timeout`;
      this.#log.write({ event: 'warning', message });
    }
  }
}

/** When the ending next needs a look. */
function dueOf({ stage, deadline, lookAtMs }: Ending): number {
  switch (stage) {
    case 'busy':
      return Math.min(lookAtMs, deadline.termAtMs, deadline.killAtMs);
    case 'termed':
      return Math.min(lookAtMs, deadline.killAtMs);
    case 'told':
      return deadline.killAtMs;
    case 'killed':
      return Number.POSITIVE_INFINITY;
  }
}
