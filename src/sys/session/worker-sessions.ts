// Signals to whole sessions of live workers that are our children. A group is signalled only while its leader is our own
// unreaped child; any other PID only right after its session was read. What is left of dead ones: leftovers.ts.
import { constants } from 'node:os';
import type { EndOfIdle, EndSignal, IdleVerdict, Leftovers, Request, Sessions } from '../../core/machine.ts';
import { libc } from '../libc/libc.ts';
import { finishesOnTerm, readsBehindItsAnswer } from '../proc/known-programs.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import type { SessionLeftovers } from './leftovers.ts';
import type { SessionFreezer } from './session-freeze.ts';
import { isAnyBusy, requestsOf } from './session-requests.ts';
import { askHandlers, numberOf, refusesSignals } from './session-signals.ts';

const nobody: Leftovers = { members: [], signalled: [], isCertain: true };

/** Sessions by /proc; without /proc only the leaders' process groups are reached. */
export function workerSessions(
  proc: ProcFs | undefined,
  freezer: SessionFreezer,
  left: SessionLeftovers | undefined,
): Sessions {
  return new SessionsOfChildren(proc, freezer, left);
}

class SessionsOfChildren implements Sessions {
  readonly #proc: ProcFs | undefined;
  readonly #freezer: SessionFreezer;
  readonly #left: SessionLeftovers | undefined;

  constructor(proc: ProcFs | undefined, freezer: SessionFreezer, left: SessionLeftovers | undefined) {
    this.#proc = proc;
    this.#freezer = freezer;
    this.#left = left;
  }

  signalWorkers(leaders: readonly number[], signal: `SIG${string}`): readonly number[] {
    const number = numberOf(signal);
    this.#freezer.letGo(leaders);
    for (const leader of leaders) {
      libc.kill(-leader, number);
      // A worker that was stopped gets its TERM only when it goes on.
      libc.kill(-leader, constants.signals.SIGCONT);
    }
    // Job control gives some members groups of their own.
    for (const { pid, group, session } of this.#proc?.sessionMembers(new Set(leaders)) ?? []) {
      if (group !== session && this.#proc?.stat(pid)?.session === session) libc.kill(pid, number);
    }
    return leaders.filter(refusesSignals);
  }

  askHandlers(leaders: readonly number[]): readonly number[] {
    this.#freezer.letGo(leaders);
    if (this.#proc) return askHandlers(this.#proc, leaders);
    // Nobody knows who would die of it.
    this.signalWorkers(leaders, 'SIGTERM');
    return leaders;
  }

  finishesOnTerm(leader: number): boolean {
    return this.#proc !== undefined && finishesOnTerm(this.#proc, leader);
  }

  wouldCut(leader: number): boolean {
    if (!this.#proc || readsBehindItsAnswer(this.#proc, leader)) return false;
    return this.#freezer.awaitsClient(leader);
  }

  isAnyBusy(leaders: readonly number[]): boolean {
    return isAnyBusy(this.#freezer, leaders);
  }

  requestsOf(leaders: readonly number[]): ReadonlyMap<number, readonly Request[]> {
    return requestsOf(this.#freezer, leaders);
  }

  endIdle(leaders: readonly number[], how: EndOfIdle): ReadonlyMap<number, IdleVerdict> {
    const scan = this.#freezer.scan(leaders);
    return new Map(leaders.map((leader) => [leader, this.#freezer.endIfIdle(leader, true, how, scan)]));
  }

  isOver(leader: number): boolean {
    this.#freezer.forget(leader);
    return this.#left?.childEnded(leader) ?? true;
  }

  signalLeftovers(leaders: readonly number[], signal: EndSignal): Leftovers {
    return this.#left?.signal(leaders, signal) ?? nobody;
  }

  leftovers(leaders: readonly number[]): Leftovers {
    return this.#left?.look(leaders) ?? nobody;
  }
}
