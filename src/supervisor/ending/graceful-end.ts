// Ends live workers without cutting a request: idle stop, and for those that are not
// seen idle TERM where the program is known to finish on it, else a deadline
// (docs/internals/graceful-end.md). One timer for all of them, none when nobody is being ended.
import type { StopMethod } from '../../core/config.ts';
import type { WorkerExit } from '../../core/worker-exit.ts';
import { CutRequests } from './cut-requests.ts';
import { DueTimer } from './due-timer.ts';
import { Endings, isKillable, isStopping, isToldInVain, type Deadline, type Ending } from './ending.ts';
import type { Clock, EndOfIdle, IdleVerdict, Sessions } from '../../core/machine.ts';
import { OverdueEnds, type OverdueOptions } from './overdue-ends.ts';
import { QueueWatch } from './queue-watch.ts';

const firstPauseMs = 2;
/** Who always has a next request is idle for microseconds between two: at first it is looked at often. */
const eager = { forMs: 2000, longestPauseMs: 5 };
const longestPauseMs = 50;
/** Who is followed waits for us at each of its system calls. */
const followPauseMs = 2;
/** TERM in the middle of a request body cuts it short even in programs that finish on TERM: idle is better. */
const patienceWithKnownMs = 2000;

export interface GracefulEndOptions extends OverdueOptions {
  readonly clock: Clock;
  readonly method: StopMethod;
  readonly slotOf: (leader: number) => number | undefined;
  /** Connections that wait to be accepted, while nobody new is let in. */
  readonly queued: () => number | undefined;
}

export class GracefulEnd {
  readonly #options: GracefulEndOptions;
  readonly #clock: Clock;
  readonly #sessions: Sessions;
  readonly #cut: CutRequests;
  readonly #overdue: OverdueEnds;
  readonly #queue: QueueWatch;
  readonly #endings = new Endings();
  readonly #timer: DueTimer;
  #pauseMs = firstPauseMs;
  #eagerUntilMs = 0;

  constructor(options: GracefulEndOptions) {
    const { clock, sessions, log, queued } = options;
    this.#options = options;
    this.#clock = clock;
    this.#sessions = sessions;
    this.#cut = new CutRequests(clock, sessions, log);
    this.#overdue = new OverdueEnds(options, this.#endings, this.#cut);
    this.#queue = new QueueWatch(clock, sessions, queued);
    this.#timer = new DueTimer(
      clock,
      () => this.#endings.dueMs,
      () => this.#tick(),
    );
  }

  /** Asks these workers to end, each the way its program needs; a second call only moves the deadline. */
  end(leaders: readonly number[], deadline: Deadline): void {
    const fresh = leaders.filter((leader) => !this.#endings.has(leader));
    const kept = this.#withoutTerm(deadline);
    for (const leader of leaders) this.#note(leader, kept);
    const { method } = this.#options;
    if (method === 'auto' || method === 'idle-kill') {
      this.#pauseMs = firstPauseMs;
      this.#eagerUntilMs = this.#clock.nowMs() + eager.forMs;
      if (fresh.length > 0) this.#tick();
      else this.#timer.renew();
      return;
    }
    // The user knows the signal on which the program finishes its request.
    if (fresh.length > 0) this.#sessions.signalWorkers(fresh, method);
    for (const leader of fresh) this.#endings.setStage(leader, 'told');
    this.#timer.renew();
  }

  /** Those that are being ended get a new deadline where it is an earlier one. */
  hurry(hurried: Deadline): void {
    const deadline = this.#withoutTerm(hurried);
    for (const ending of this.#endings.all()) {
      const { termAtMs, killAtMs } = ending.deadline;
      ending.deadline = {
        ...deadline,
        termAtMs: Math.min(termAtMs, deadline.termAtMs),
        killAtMs: Math.min(killAtMs, deadline.killAtMs),
      };
    }
    this.#timer.renew();
  }

  /** The worker is gone; how one that is not our child has ended, nobody knows. */
  leaderEnded(leader: number, exit?: WorkerExit): void {
    if (!this.#endings.delete(leader)) return;
    this.#cut.ended(leader, exit?.kind === 'exited' && exit.status === 0);
    this.#timer.renew();
  }

  /** All of them are about to be killed; the result writes down what that has cut, but for those that could not be. */
  beforeKill(reason: string): (refused: readonly number[]) => void {
    return this.#cut.beforeKill(this.#endings.where(isKillable), reason);
  }

  /** Idle kill has no TERM to send, so it goes on looking until the KILL. */
  #withoutTerm(deadline: Deadline): Deadline {
    const isWithout = this.#options.method === 'idle-kill';
    return isWithout ? { ...deadline, termAtMs: Number.POSITIVE_INFINITY } : deadline;
  }

  #note(leader: number, deadline: Deadline): void {
    const known = this.#endings.get(leader);
    if (known) {
      known.deadline = deadline;
      return;
    }
    const nowMs = this.#clock.nowMs();
    const isKnown = this.#options.method === 'auto' && this.#sessions.finishesOnTerm(leader);
    const patienceMs = Math.min(patienceWithKnownMs, Math.max(0, deadline.termAtMs - nowMs) / 2);
    this.#endings.add(leader, deadline, nowMs, isKnown ? nowMs + patienceMs : Number.POSITIVE_INFINITY);
    this.#cut.begin(leader, this.#options.slotOf(leader));
  }

  #tick(): void {
    const nowMs = this.#clock.nowMs();
    this.#overdue.giveUpStuck(nowMs);
    this.#overdue.kill(nowMs);
    const isHeldBack = this.#queue.isBeingServed(this.#endings.where(isStopping));
    this.#tellKnown(nowMs, isHeldBack);
    this.#overdue.term(nowMs);
    this.#lookAtBusy(nowMs, isHeldBack);
    this.#lookAtTermed(nowMs);
    this.#lookAtTold(nowMs);
    const longestMs = nowMs < this.#eagerUntilMs ? eager.longestPauseMs : longestPauseMs;
    this.#pauseMs = Math.min(this.#pauseMs * 1.5, longestMs);
    this.#timer.renew();
  }

  /**
   * Busy for long: a program that is known to finish its request on TERM may hear of it, unless more requests wait, or TERM
   * would cut its own.
   */
  #tellKnown(nowMs: number, isHeldBack: boolean): void {
    const due = this.#endings.where(({ stage, tellAtMs }) => stage === 'busy' && tellAtMs <= nowMs);
    const told = isHeldBack ? [] : due.filter((leader) => !this.#sessions.wouldCut(leader));
    if (told.length > 0) this.#sessions.signalWorkers(told, 'SIGTERM');
    for (const leader of due) {
      const ending = this.#endings.get(leader);
      if (told.includes(leader)) this.#endings.noteTermed(leader, nowMs);
      else if (ending) ending.tellAtMs = nowMs + this.#pauseMs;
    }
  }

  #lookAtBusy(nowMs: number, isHeldBack: boolean): void {
    const isDue = ({ stage, lookAtMs }: Ending): boolean => stage === 'busy' && lookAtMs <= nowMs;
    const due = (isReplaced: boolean): number[] =>
      this.#endings.where((ending) => isDue(ending) && ending.deadline.isReplaced === isReplaced);
    const killsOnly = this.#options.method === 'idle-kill';
    this.#tryIdle(killsOnly ? 'kill' : 'replace', due(true));
    // It may be between two requests, and takes the next one from the queue in a moment.
    if (isHeldBack) for (const leader of due(false)) this.#judge(leader, 'ask', 'busy');
    else this.#tryIdle(killsOnly ? 'kill' : 'ask', due(false));
  }

  #lookAtTermed(nowMs: number): void {
    const due = (isKilledIdle: boolean): number[] =>
      this.#endings.where(
        ({ stage, lookAtMs, killIdleAtMs }) =>
          stage === 'termed' && lookAtMs <= nowMs && killIdleAtMs <= nowMs === isKilledIdle,
      );
    this.#tryIdle('kill', due(true));
    this.#tryIdle('kill-waiting', due(false));
  }

  #lookAtTold(nowMs: number): void {
    this.#tryIdle(
      'kill',
      this.#endings.where((ending) => isToldInVain(ending, nowMs)),
    );
  }

  #tryIdle(how: EndOfIdle, leaders: readonly number[]): void {
    const quiet = how === 'kill' ? 'kill-quietly' : how === 'replace' ? 'replace-quietly' : how;
    const patient = leaders.filter((leader) => this.#endings.isPatient(leader, this.#clock.nowMs()));
    this.#tryAll(
      how,
      leaders.filter((leader) => !patient.includes(leader)),
    );
    this.#tryAll(quiet, patient);
  }

  #tryAll(how: EndOfIdle, leaders: readonly number[]): void {
    if (leaders.length === 0) return;
    const verdicts = this.#sessions.endIdle(leaders, how);
    for (const leader of leaders) this.#judge(leader, how, verdicts.get(leader) ?? 'gone');
  }

  #judge(leader: number, how: EndOfIdle, verdict: IdleVerdict): void {
    const ending = this.#endings.get(leader);
    if (!ending) return;
    const nowMs = this.#clock.nowMs();
    if (verdict === 'followed') ending.lookAtMs = nowMs + followPauseMs;
    else this.#endings.noteLooked(leader, nowMs, this.#pauseMs);
    if (verdict === 'gone') ending.stage = 'told';
    if (verdict === 'busy' || verdict === 'followed') this.#cut.noteBusy(leader);
    if (verdict === 'signalled') {
      this.#cut.noteIdle(leader);
      if (how.startsWith('kill')) this.#endings.noteKilled(leader, nowMs);
      else this.#endings.noteTermed(leader, nowMs);
    }
    if (verdict === 'unknown') ending.deadline = { ...ending.deadline, ...ending.deadline.unhurried };
    if (verdict === 'unknown' && !ending.isWarned) {
      ending.isWarned = true;
      const message = `worker PID ${leader}: its connections cannot be seen, so it is ended at --stop-timeout`;
      this.#options.log.write({ event: 'warning', message });
    }
  }
}
