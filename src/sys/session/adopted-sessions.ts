// Sessions of workers that are not our children, and of processes that have left those of workers. Each call proves first
// who they are, and no group is signalled. While such a process is in its session, the session is the one that was meant.
import { constants } from 'node:os';
import type {
  AdoptedSessions,
  EndOfIdle,
  EndSignal,
  IdleVerdict,
  Leftovers,
  Request,
  Sessions,
} from '../../core/machine.ts';
import type { AdoptedWorker } from '../../core/pool/roster.ts';
import { libc } from '../libc/libc.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { AdoptedLeaders } from './adopted-leaders.ts';
import type { SessionLeftovers } from './leftovers.ts';
import type { SessionFreezer } from './session-freeze.ts';
import { isAnyBusy, requestsOf } from './session-requests.ts';
import { askHandlers, numberOf, refusesSignals } from './session-signals.ts';
import { workerSessions } from './worker-sessions.ts';

export function adoptedSessions(
  proc: ProcFs | undefined,
  freezer: SessionFreezer,
  left: SessionLeftovers | undefined,
): AdoptedSessions {
  return new SessionsOfOthers(proc, freezer, left);
}

class SessionsOfOthers implements AdoptedSessions {
  readonly #proc: ProcFs | undefined;
  readonly #freezer: SessionFreezer;
  readonly #left: SessionLeftovers | undefined;
  readonly #leaders: AdoptedLeaders;
  /** For what is the same with children of ours. */
  readonly #sessions: Sessions;

  constructor(proc: ProcFs | undefined, freezer: SessionFreezer, left: SessionLeftovers | undefined) {
    this.#proc = proc;
    this.#freezer = freezer;
    this.#left = left;
    this.#leaders = new AdoptedLeaders(proc);
    this.#sessions = workerSessions(proc, freezer, left);
  }

  adopt(worker: AdoptedWorker): void {
    this.#leaders.add(worker, this.#left?.isBelow(worker.pid) === true);
  }

  isAlive(pid: number): boolean {
    return this.#leaders.isAlive(pid);
  }

  isOver(pid: number): boolean {
    const { session, aliveTick, isBelow } = this.#leaders.forgetEnded(pid);
    this.#freezer.forget(session);
    return this.#left?.strangerEnded(pid, session, aliveTick, isBelow) ?? true;
  }

  signalWorkers(pids: readonly number[], signal: `SIG${string}`): readonly number[] {
    const meant = this.#leaders.live(pids);
    const sessions = new Set(meant.map((one) => one.session));
    this.#freezer.letGo([...sessions]);
    for (const { pid, session } of this.#proc?.sessionMembers(sessions) ?? []) {
      if (this.#proc?.stat(pid)?.session !== session) continue;
      libc.kill(pid, numberOf(signal));
      libc.kill(pid, constants.signals.SIGCONT);
    }
    return meant.map(({ pid }) => pid).filter(refusesSignals);
  }

  askHandlers(pids: readonly number[]): readonly number[] {
    const meant = this.#leaders.live(pids);
    const sessions = meant.map(({ session }) => session);
    this.#freezer.letGo(sessions);
    const asked = this.#proc ? askHandlers(this.#proc, sessions) : [];
    return meant.filter(({ session }) => asked.includes(session)).map(({ pid }) => pid);
  }

  finishesOnTerm(pid: number): boolean {
    return this.isAlive(pid) && this.#sessions.finishesOnTerm(pid);
  }

  wouldCut(pid: number): boolean {
    return this.isAlive(pid) && this.#sessions.wouldCut(pid);
  }

  isAnyBusy(pids: readonly number[]): boolean {
    return isAnyBusy(this.#freezer, this.#sessionsOf(pids));
  }

  requestsOf(pids: readonly number[]): ReadonlyMap<number, readonly Request[]> {
    const requests = requestsOf(this.#freezer, this.#sessionsOf(pids));
    return new Map(this.#leaders.live(pids).map(({ pid, session }) => [pid, requests.get(session) ?? []]));
  }

  endIdle(pids: readonly number[], how: EndOfIdle): ReadonlyMap<number, IdleVerdict> {
    const meant = this.#leaders.live(pids);
    const scan = this.#freezer.scan(meant.map(({ session }) => session));
    return new Map(
      meant.map(({ pid, session }) => [pid, this.#freezer.endIfIdle(session, false, how, scan)] as const),
    );
  }

  signalLeftovers(pids: readonly number[], signal: EndSignal): Leftovers {
    return this.#sessions.signalLeftovers(pids, signal);
  }

  leftovers(pids: readonly number[]): Leftovers {
    return this.#sessions.leftovers(pids);
  }

  #sessionsOf(pids: readonly number[]): number[] {
    return this.#leaders.live(pids).map(({ session }) => session);
  }
}
