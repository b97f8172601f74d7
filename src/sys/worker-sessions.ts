// Signals to whole sessions, and what is left of them. A group is signalled only
// while its leader is our own unreaped child; any other PID only right after its
// session was read.
import { constants } from 'node:os';
import type { AdoptedSessions, Request, Sessions } from '../supervisor/interfaces.ts';
import { finishesOnTerm } from './known-programs.ts';
import { attempt, E, libc } from './libc.ts';
import type { ProcessStat, ProcFs } from './proc-fs.ts';
import type { SessionFreezer } from './session-freeze.ts';
import { mindsTerm } from './term-disposition.ts';

/** Sessions by /proc; without /proc only the leaders' process groups are reached. */
export function workerSessions(proc: ProcFs | undefined, freezer: SessionFreezer): Sessions {
  const membersOf = (leaders: readonly number[]): ProcessStat[] =>
    proc?.sessionMembers(new Set(leaders)) ?? [];

  /** A number that names a live process again is no longer the session of the worker that ended. */
  const leftovers = (leaders: readonly number[]): ProcessStat[] =>
    membersOf(leaders.filter((leader) => proc?.stat(leader) === undefined));

  const signalWorkers: Sessions['signalWorkers'] = (leaders, signal) => {
    const number = numberOf(signal);
    for (const leader of leaders) {
      libc.kill(-leader, number);
      // A worker that was stopped gets its TERM only when it goes on.
      libc.kill(-leader, constants.signals.SIGCONT);
    }
    // Job control gives some members groups of their own.
    for (const { pid, group, session } of membersOf(leaders)) {
      if (group !== session && proc?.stat(pid)?.session === session) libc.kill(pid, number);
    }
    return leaders.filter(refusesSignals);
  };

  return {
    signalWorkers,
    askHandlers(leaders) {
      if (proc) return askHandlers(proc, leaders);
      // Nobody knows who would die of it.
      signalWorkers(leaders, 'SIGTERM');
      return leaders;
    },
    finishesOnTerm: (leader) => proc !== undefined && finishesOnTerm(proc, leader),
    isAnyBusy: (leaders) => isAnyBusy(freezer, leaders),
    requestsOf: (leaders) => requestsOf(freezer, leaders),
    endIdle(leaders, how) {
      const scan = freezer.scan(leaders);
      return new Map(leaders.map((leader) => [leader, freezer.endIfIdle(leader, true, how, scan)]));
    },
    signalLeftovers(leaders, signal) {
      const number = numberOf(signal);
      const reached = leftovers(leaders).filter(({ pid, session }) => proc?.stat(pid)?.session === session);
      return reached.map(({ pid, session }) => {
        const isRefused = attempt(() => libc.kill(pid, number)) === -E.PERM;
        // One that was stopped gets its TERM only when it goes on.
        libc.kill(pid, constants.signals.SIGCONT);
        return isRefused ? { pid, session, isRefused } : { pid, session };
      });
    },
    leftovers: (leaders) => leftovers(leaders).map(({ pid, session }) => ({ pid, session })),
    hasGroup: (leader) => libc.kill(-leader, 0) === 0,
  };
}

/**
 * Sessions of workers that are not our children: their numbers may be somebody else's by
 * now, so each call proves them by their start time, and no group is signalled.
 */
export function adoptedSessions(proc: ProcFs | undefined, freezer: SessionFreezer): AdoptedSessions {
  const startTimes = new Map<number, string>();
  const isAlive = (pid: number): boolean =>
    proc !== undefined && startTimes.has(pid) && proc.isAlive({ pid, startTime: startTimes.get(pid) });
  const own = workerSessions(proc, freezer);
  return {
    ...own,
    adopt: ({ pid, startTime }) => void startTimes.set(pid, startTime),
    isAlive,
    signalWorkers(leaders, signal) {
      const live = new Set(leaders.filter(isAlive));
      for (const { pid, session } of proc?.sessionMembers(live) ?? []) {
        if (proc?.stat(pid)?.session !== session) continue;
        libc.kill(pid, numberOf(signal));
        libc.kill(pid, constants.signals.SIGCONT);
      }
      return [...live].filter(refusesSignals);
    },
    askHandlers: (leaders) => (proc ? askHandlers(proc, leaders.filter(isAlive)) : []),
    finishesOnTerm: (leader) => isAlive(leader) && own.finishesOnTerm(leader),
    isAnyBusy: (leaders) => isAnyBusy(freezer, leaders.filter(isAlive)),
    requestsOf: (leaders) => requestsOf(freezer, leaders.filter(isAlive)),
    endIdle(leaders, how) {
      const live = leaders.filter(isAlive);
      const scan = freezer.scan(live);
      return new Map(live.map((leader) => [leader, freezer.endIfIdle(leader, false, how, scan)]));
    },
  };
}

/** TERM to those processes of live workers that do not die of it by the kernel's default action. */
function askHandlers(proc: ProcFs, leaders: readonly number[]): number[] {
  const asked = new Set<number>();
  for (const { pid, session } of proc.sessionMembers(new Set(leaders))) {
    if (!mindsTerm(proc, pid) || proc.stat(pid)?.session !== session) continue;
    libc.kill(pid, constants.signals.SIGTERM);
    // A worker that was stopped gets its TERM only when it goes on.
    libc.kill(pid, constants.signals.SIGCONT);
    asked.add(session);
  }
  return [...asked];
}

function isAnyBusy(freezer: SessionFreezer, leaders: readonly number[]): boolean {
  const scan = freezer.scan(leaders);
  return leaders.some((leader) => freezer.activity(leader, scan) === 'busy');
}

function requestsOf(freezer: SessionFreezer, leaders: readonly number[]): Map<number, Request[]> {
  const scan = freezer.scan(leaders);
  return new Map(
    leaders.map((leader) => [
      leader,
      freezer.connections(leader, scan).map(({ inode, ageMs }) => ({ connection: inode, ageMs })),
    ]),
  );
}

/** The kernel does not let us: it runs as somebody else by a set-user-ID bit. */
function refusesSignals(pid: number): boolean {
  return attempt(() => libc.kill(pid, 0)) === -E.PERM;
}

function numberOf(signal: string): number {
  return constants.signals[signal as NodeJS.Signals];
}
