// Ends live workers without cutting a request: idle stop, and for those that are not
// seen idle TERM where the program is known to finish on it, else a deadline
// (docs/reload.md). One timer for all of them, none when nobody is being ended.
import type { StopMethod } from '../core/config.ts';
import { describeRefused } from '../core/event-text.ts';
import type { Clock, EventLog, IdleVerdict, Sessions } from './interfaces.ts';

/** When patience ends, on the monotonic clock; `killAtMs` may be infinite where somebody else kills. */
export interface Deadline {
  readonly termAtMs: number;
  readonly killAtMs: number;
  /** Others serve on: nothing may be accepted any more that would be lost. Else the whole pool ends. */
  readonly isReplaced: boolean;
}

interface Ending {
  /**
   * `busy` not seen idle yet; `told` it finishes by itself; `termed` the same, but it may be
   * killed when idle; `killed`; `stuck` not even KILL ends it, or it may not be sent.
   */
  stage: 'busy' | 'told' | 'termed' | 'killed' | 'stuck';
  deadline: Deadline;
  /** From then on TERM is as good as it gets: the program is known to finish its request on it. */
  tellAtMs: number;
  /** Next look whether it is idle. */
  lookAtMs: number;
  isWarned: boolean;
}

const firstPauseMs = 2;
const longestPauseMs = 50;
/** A worker that is still there this long after its TERM is killed when idle. */
const patienceAfterTermMs = 1000;
/** TERM in the middle of a request body cuts it short even in programs that finish on TERM: idle is better. */
const patienceWithKnownMs = 2000;
/** After KILL the kernel needs a moment; longer than this is a process in uninterruptible sleep. */
const afterKillMs = 2000;

export class GracefulEnd {
  readonly #clock: Clock;
  readonly #sessions: Sessions;
  readonly #log: EventLog;
  readonly #method: StopMethod;
  readonly #onStuck: (leader: number) => void;
  readonly #endings = new Map<number, Ending>();
  #pauseMs = firstPauseMs;
  #timer: { readonly atMs: number; readonly cancel: () => void } | undefined;

  constructor(
    clock: Clock,
    sessions: Sessions,
    log: EventLog,
    method: StopMethod,
    onStuck: (leader: number) => void,
  ) {
    this.#clock = clock;
    this.#sessions = sessions;
    this.#log = log;
    this.#method = method;
    this.#onStuck = onStuck;
  }

  /** Asks these workers to end, each the way its program needs; a second call only moves the deadline. */
  end(leaders: readonly number[], deadline: Deadline): void {
    const fresh = leaders.filter((leader) => !this.#endings.has(leader));
    const kept = this.#withoutTerm(deadline);
    for (const leader of leaders) this.#note(leader, kept);
    if (this.#method === 'auto' || this.#method === 'idle-kill') {
      this.#pauseMs = firstPauseMs;
      if (fresh.length > 0) this.#tick();
      else this.#arm();
      return;
    }
    // The user knows the signal on which the program finishes its request.
    if (fresh.length > 0) this.#sessions.signalWorkers(fresh, this.#method);
    for (const leader of fresh) this.#setStage(leader, 'told');
    this.#arm();
  }

  /** Those that are being ended get a new deadline where it is an earlier one. */
  hurry(hurried: Deadline): void {
    const deadline = this.#withoutTerm(hurried);
    for (const ending of this.#endings.values()) {
      const { termAtMs, killAtMs } = ending.deadline;
      ending.deadline = {
        ...deadline,
        termAtMs: Math.min(termAtMs, deadline.termAtMs),
        killAtMs: Math.min(killAtMs, deadline.killAtMs),
      };
    }
    this.#arm();
  }

  /** The worker is gone. */
  leaderEnded(leader: number): void {
    if (this.#endings.delete(leader)) this.#arm();
  }

  /** Idle kill has no TERM to send, so it goes on looking until the KILL. */
  #withoutTerm(deadline: Deadline): Deadline {
    return this.#method === 'idle-kill' ? { ...deadline, termAtMs: Number.POSITIVE_INFINITY } : deadline;
  }

  #note(leader: number, deadline: Deadline): void {
    const known = this.#endings.get(leader);
    if (known) {
      known.deadline = deadline;
      return;
    }
    const nowMs = this.#clock.nowMs();
    const isKnown = this.#method === 'auto' && this.#sessions.finishesOnTerm(leader);
    const patienceMs = Math.min(patienceWithKnownMs, Math.max(0, deadline.termAtMs - nowMs) / 2);
    const tellAtMs = isKnown ? nowMs + patienceMs : Number.POSITIVE_INFINITY;
    this.#endings.set(leader, { stage: 'busy', deadline, tellAtMs, lookAtMs: 0, isWarned: false });
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
    this.#giveUpStuck(nowMs);
    this.#killOverdue(nowMs);
    this.#termOverdue(nowMs);
    const due = (wanted: 'busy' | 'termed', isReplaced?: boolean): number[] =>
      this.#leadersWhere(
        ({ stage, lookAtMs, deadline }) =>
          stage === wanted &&
          lookAtMs <= nowMs &&
          (isReplaced ?? deadline.isReplaced) === deadline.isReplaced,
      );
    const killsOnly = this.#method === 'idle-kill';
    this.#tryIdle(killsOnly ? 'kill' : 'replace', due('busy', true));
    this.#tryIdle(killsOnly ? 'kill' : 'ask', due('busy', false));
    this.#tryIdle('kill', due('termed'));
    this.#pauseMs = Math.min(this.#pauseMs * 1.5, longestPauseMs);
    this.#arm();
  }

  #leadersWhere(matches: (ending: Ending) => boolean): number[] {
    return [...this.#endings].filter(([, ending]) => matches(ending)).map(([leader]) => leader);
  }

  #killOverdue(nowMs: number): void {
    const overdue = this.#leadersWhere(
      ({ stage, deadline }) => stage !== 'killed' && stage !== 'stuck' && deadline.killAtMs <= nowMs,
    );
    if (overdue.length === 0) return;
    const refused = this.#sessions.signalWorkers(overdue, 'SIGKILL');
    const pids = overdue.filter((leader) => !refused.includes(leader));
    for (const leader of pids) this.#noteKilled(leader);
    if (pids.length > 0) this.#log.write({ event: 'killed', reason: '--stop-timeout', pids });
    if (refused.length === 0) return;
    this.#log.write({ event: 'warning', message: describeRefused(refused, 'a worker') });
    for (const leader of refused) this.#giveUp(leader);
  }

  #noteKilled(leader: number): void {
    const ending = this.#endings.get(leader);
    if (!ending) return;
    ending.stage = 'killed';
    ending.lookAtMs = this.#clock.nowMs() + afterKillMs;
  }

  /** Uninterruptible sleep, on a dead file server for example: nobody can do more than go on without it. */
  #giveUpStuck(nowMs: number): void {
    for (const leader of this.#leadersWhere(
      ({ stage, lookAtMs }) => stage === 'killed' && lookAtMs <= nowMs,
    )) {
      this.#log.write({ event: 'warning', message: `worker PID ${leader} does not even end on KILL` });
      this.#giveUp(leader);
    }
  }

  #giveUp(leader: number): void {
    this.#setStage(leader, 'stuck');
    this.#onStuck(leader);
  }

  /** Never seen idle: saturation, or a connection that is kept alive. */
  #termOverdue(nowMs: number): void {
    const overdue = this.#leadersWhere(
      ({ stage, deadline, tellAtMs }) => stage === 'busy' && Math.min(tellAtMs, deadline.termAtMs) <= nowMs,
    );
    if (overdue.length === 0) return;
    this.#sessions.signalWorkers(overdue, 'SIGTERM');
    for (const leader of overdue) this.#noteTold(leader, nowMs);
  }

  #noteTold(leader: number, nowMs: number): void {
    const ending = this.#endings.get(leader);
    if (!ending) return;
    // In the end of the whole pool nobody waits for the place, and its cleaning up may take until the deadline.
    ending.stage = ending.deadline.isReplaced ? 'termed' : 'told';
    ending.lookAtMs = nowMs + patienceAfterTermMs;
  }

  #tryIdle(how: 'ask' | 'replace' | 'kill', leaders: readonly number[]): void {
    if (leaders.length === 0) return;
    const verdicts = this.#sessions.endIdle(leaders, how);
    for (const leader of leaders) this.#judge(leader, how, verdicts.get(leader) ?? 'gone');
  }

  #judge(leader: number, how: 'ask' | 'replace' | 'kill', verdict: IdleVerdict): void {
    const ending = this.#endings.get(leader);
    if (!ending) return;
    const nowMs = this.#clock.nowMs();
    ending.lookAtMs = nowMs + this.#pauseMs;
    if (verdict === 'gone') ending.stage = 'told';
    if (verdict === 'signalled') {
      if (how === 'kill') this.#noteKilled(leader);
      else this.#noteTold(leader, nowMs);
    }
    if (verdict === 'unknown' && !ending.isWarned) {
      ending.isWarned = true;
      const message = `worker PID ${leader}: its connections cannot be seen, so it is ended at --stop-timeout`;
      this.#log.write({ event: 'warning', message });
    }
  }
}

/** When the ending next needs a look. */
function dueOf({ stage, deadline, tellAtMs, lookAtMs }: Ending): number {
  switch (stage) {
    case 'busy':
      return Math.min(lookAtMs, tellAtMs, deadline.termAtMs, deadline.killAtMs);
    case 'termed':
      return Math.min(lookAtMs, deadline.killAtMs);
    case 'told':
      return deadline.killAtMs;
    case 'killed':
      return lookAtMs;
    case 'stuck':
      return Number.POSITIVE_INFINITY;
  }
}
