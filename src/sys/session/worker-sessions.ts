// Signals to whole sessions of live workers. A group is signalled only while its leader is our own unreaped child; any
// other PID only right after its session was read. What is left of dead ones: leftovers.ts.
import { constants } from 'node:os';
import type { AdoptedSessions, Leftovers, Request, Sessions } from '../../core/machine.ts';
import { finishesOnTerm } from '../proc/known-programs.ts';
import { nowTick, type SessionLeftovers } from './leftovers.ts';
import { attempt, E, libc } from '../libc/libc.ts';
import type { ProcessStat } from '../proc/process-stat.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import type { SessionFreezer } from './session-freeze.ts';
import { sessionOf } from './session-scan.ts';
import { mindsTerm } from '../process/term-disposition.ts';

const nobody: Leftovers = { members: [], signalled: [], isCertain: true };

/** Sessions by /proc; without /proc only the leaders' process groups are reached. */
export function workerSessions(
  proc: ProcFs | undefined,
  freezer: SessionFreezer,
  left: SessionLeftovers | undefined,
): Sessions {
  const membersOf = (leaders: readonly number[]): ProcessStat[] =>
    proc?.sessionMembers(new Set(leaders)) ?? [];

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
    isOver: (leader) => left?.childEnded(leader) ?? true,
    signalLeftovers: (leaders, signal) => left?.signal(leaders, signal) ?? nobody,
    leftovers: (leaders) => left?.look(leaders) ?? nobody,
  };
}

interface Adopted {
  readonly startTime: string;
  readonly session: number;
  readonly isBelow: boolean;
  /** When it was last seen alive. */
  aliveTick: number;
}

/**
 * Sessions of workers that are not our children, and of processes that have left those of workers: their numbers may be
 * somebody else's by now, so each call proves them by their start time, and no group is signalled. While such a process
 * is in its session, the session is the one that was meant.
 */
export function adoptedSessions(
  proc: ProcFs | undefined,
  freezer: SessionFreezer,
  left: SessionLeftovers | undefined,
): AdoptedSessions {
  const adopted = new Map<number, Adopted>();
  const isAlive = (pid: number): boolean => {
    const known = adopted.get(pid);
    const tick = nowTick();
    if (!known || !proc?.isAlive({ pid, startTime: known.startTime })) return false;
    if (sessionOf(proc, pid) !== known.session) return false;
    known.aliveTick = tick;
    return true;
  };
  const live = (pids: readonly number[]): { pid: number; session: number }[] =>
    pids.filter(isAlive).map((pid) => ({ pid, session: adopted.get(pid)?.session ?? pid }));
  const sessionsOf = (pids: readonly number[]): number[] => live(pids).map(({ session }) => session);
  const own = workerSessions(proc, freezer, left);
  return {
    ...own,
    adopt({ pid, startTime, session = pid }) {
      const isBelow = left?.isBelow(pid) === true;
      adopted.set(pid, { startTime, session, isBelow, aliveTick: 0 });
    },
    isAlive,
    isOver(pid) {
      const { session = pid, aliveTick = 0, isBelow = false } = adopted.get(pid) ?? {};
      // One that was given up is asked for later, too.
      if (!isAlive(pid)) adopted.delete(pid);
      return left?.strangerEnded(pid, session, aliveTick, isBelow) ?? true;
    },
    signalWorkers(pids, signal) {
      const meant = live(pids);
      for (const { pid, session } of proc?.sessionMembers(new Set(meant.map((one) => one.session))) ?? []) {
        if (proc?.stat(pid)?.session !== session) continue;
        libc.kill(pid, numberOf(signal));
        libc.kill(pid, constants.signals.SIGCONT);
      }
      return meant.map(({ pid }) => pid).filter(refusesSignals);
    },
    askHandlers(pids) {
      const meant = live(pids);
      const asked = proc
        ? askHandlers(
            proc,
            meant.map(({ session }) => session),
          )
        : [];
      return meant.filter(({ session }) => asked.includes(session)).map(({ pid }) => pid);
    },
    finishesOnTerm: (pid) => isAlive(pid) && own.finishesOnTerm(pid),
    isAnyBusy: (pids) => isAnyBusy(freezer, sessionsOf(pids)),
    requestsOf(pids) {
      const requests = requestsOf(freezer, sessionsOf(pids));
      return new Map(live(pids).map(({ pid, session }) => [pid, requests.get(session) ?? []]));
    },
    endIdle(pids, how) {
      const meant = live(pids);
      const scan = freezer.scan(meant.map(({ session }) => session));
      return new Map(
        meant.map(({ pid, session }) => [pid, freezer.endIfIdle(session, false, how, scan)] as const),
      );
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
