// Patience is over: the last TERM, KILL, and what not even that ends.
import { describeRefused } from '../../core/text/end-text.ts';
import type { WhyLeft } from '../../core/text/left-process.ts';
import type { EventLog, Sessions } from '../../core/machine.ts';
import type { CutRequests } from './cut-requests.ts';
import { isKillable, type Endings } from './ending.ts';

export interface OverdueOptions {
  readonly sessions: Sessions;
  readonly log: EventLog;
  /** Nothing ends it. */
  readonly onLeft: (leader: number, why: WhyLeft) => void;
}

export class OverdueEnds {
  readonly #sessions: Sessions;
  readonly #log: EventLog;
  readonly #onLeft: OverdueOptions['onLeft'];
  readonly #endings: Endings;
  readonly #cut: CutRequests;

  constructor({ sessions, log, onLeft }: OverdueOptions, endings: Endings, cut: CutRequests) {
    this.#sessions = sessions;
    this.#log = log;
    this.#onLeft = onLeft;
    this.#endings = endings;
    this.#cut = cut;
  }

  kill(nowMs: number): void {
    const overdue = this.#endings.where((ending) => isKillable(ending) && ending.deadline.killAtMs <= nowMs);
    if (overdue.length === 0) return;
    const log = this.#log;
    const reportCut = this.#cut.beforeKill(overdue, '--stop-timeout');
    const refused = this.#sessions.signalWorkers(overdue, 'SIGKILL');
    const pids = overdue.filter((leader) => !refused.includes(leader));
    for (const leader of pids) this.#endings.noteKilled(leader, nowMs);
    if (pids.length > 0) log.write({ event: 'killed', reason: '--stop-timeout', pids });
    reportCut(refused);
    if (refused.length === 0) return;
    log.write({ event: 'warning', message: describeRefused(refused, 'a worker') });
    for (const leader of refused) this.#giveUp(leader, 'refused');
  }

  /** Uninterruptible sleep, on a dead file server for example: nobody can do more than go on without it. */
  giveUpStuck(nowMs: number): void {
    const late = this.#endings.where(({ stage, lookAtMs }) => stage === 'killed' && lookAtMs <= nowMs);
    for (const leader of late) {
      const message = `worker PID ${leader} does not even end on KILL`;
      this.#log.write({ event: 'warning', message });
      this.#giveUp(leader, 'stuck');
    }
  }

  #giveUp(leader: number, why: WhyLeft): void {
    this.#endings.setStage(leader, 'stuck');
    this.#onLeft(leader, why);
  }

  /**
   * Never seen idle: saturation, a long request, or a connection that is kept alive. Who handles TERM gets the
   * last second to tidy up in; it would take that second from who just dies of it.
   */
  term(nowMs: number): void {
    const overdue = this.#endings.where(
      ({ stage, deadline }) => stage === 'busy' && deadline.termAtMs <= nowMs,
    );
    if (overdue.length === 0) return;
    this.#cut.beforeTerm(overdue);
    const asked = new Set(this.#sessions.askHandlers(overdue));
    for (const leader of overdue) {
      if (asked.has(leader)) this.#endings.noteTermed(leader, nowMs);
      else this.#endings.noteSpared(leader);
    }
    this.kill(nowMs);
  }
}
