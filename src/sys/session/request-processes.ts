// The processes of a worker that are at work on one connection: who holds it and serves the pool, and what those have
// started. Signalled one by one, each right after it was proved to be the one that was seen.
import { attempt, E, libc } from '../libc/libc.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { isRunning, type ProcessStat } from '../proc/process-stat.ts';
import { numberOf } from './session-signals.ts';

/** Those of one request; a process may end at any time. */
export interface RequestProcesses {
  readonly leader: number;
  /** The one that has started the others comes first. */
  readonly members: readonly ProcessStat[];
  /** The worker's leader is one of them: it ends as a whole. */
  readonly isWhole: boolean;
  /** Who has started the first of them, and how many children it has with it; undefined where `isWhole`. */
  readonly parent: { readonly pid: number; readonly children: number } | undefined;
}

/** Signals whose default is to write a core (signal(7)). */
const dumping: ReadonlySet<string> = new Set([
  'SIGQUIT',
  'SIGILL',
  'SIGTRAP',
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
  'SIGSEGV',
  'SIGXCPU',
  'SIGXFSZ',
  'SIGSYS',
]);

/**
 * `session`: all processes of the worker. What a request has left in the background, whose parent is gone, and which
 * has the connection by inheritance, is not at work on it. Undefined: nobody is.
 */
export function processesOn(
  proc: ProcFs,
  leader: number,
  session: readonly number[],
  holders: ReadonlySet<number>,
): RequestProcesses | undefined {
  const stats = session.map((pid) => proc.stat(pid)).filter((stat) => stat !== undefined);
  const living = stats.filter((stat) => stat.session === leader && isRunning(stat));
  const byPid = new Map(living.map((stat) => [stat.pid, stat]));
  const lineOf = (pid: number): number[] => {
    const line: number[] = [];
    for (let stat = byPid.get(pid); stat && !line.includes(stat.pid); stat = byPid.get(stat.parent))
      line.push(stat.pid);
    return line;
  };
  const members = [...byPid.values()].filter(({ pid }) => {
    const line = lineOf(pid);
    return line.at(-1) === leader && line.some((one) => holders.has(one));
  });
  const first = members.find(({ parent }) => !members.some(({ pid }) => pid === parent));
  if (!first) return undefined;
  const isWhole = first.pid === leader;
  const siblings = [...byPid.values()].filter(({ parent }) => parent === first.parent);
  return {
    leader,
    members: [first, ...members.filter((stat) => stat !== first)],
    isWhole,
    parent: isWhole ? undefined : { pid: first.parent, children: siblings.length },
  };
}

/** Whether one of them is stopped, by SIGSTOP or a debugger. */
export function areStopped({ members }: RequestProcesses): boolean {
  return members.some(({ state }) => state === 'T' || state === 't');
}

/** Whether one of them writes its core. */
export function areDumping(proc: ProcFs, { members }: RequestProcesses): boolean {
  return members.some(({ pid }) => /^CoreDumping:\s*1$/m.test(proc.readText(`${pid}/status`) ?? ''));
}

/** Those to whom the signal says something: who would die of it without a word is killed a moment later anyway. */
export function whoHeeds(proc: ProcFs, { members }: RequestProcesses, signal: `SIG${string}`): ProcessStat[] {
  const bit = BigInt(numberOf(signal) - 1);
  return members.filter(({ pid }) => {
    const status = proc.readText(`${pid}/status`) ?? '';
    const has = (set: string): boolean => {
      const mask = new RegExp(`^${set}:\\s*([0-9a-f]+)`, 'm').exec(status)?.[1] ?? '0';
      return ((BigInt(`0x${mask}`) >> bit) & 1n) === 1n;
    };
    return has('SigCgt') || (dumping.has(signal) && !has('SigIgn'));
  });
}

/** Whether whoever had started the first of them, which were ended, has started another one in its place. */
export function isRefilled(proc: ProcFs, { members, parent }: RequestProcesses): boolean {
  if (!parent) return false;
  const ended = new Set(members.map(({ pid }) => pid));
  const children = proc.childrenOf(parent.pid).filter((pid) => {
    const stat = ended.has(pid) ? undefined : proc.stat(pid);
    return stat !== undefined && isRunning(stat);
  });
  return children.length >= parent.children;
}

export interface Delivery {
  readonly sent: readonly number[];
  /** Who may not be signalled. */
  readonly refused: readonly number[];
}

/** To each of them that still is who it was. */
export function signalEach(
  proc: ProcFs,
  leader: number,
  members: readonly ProcessStat[],
  signal: `SIG${string}`,
): Delivery {
  const sent: number[] = [];
  const refused: number[] = [];
  for (const { pid, startTime } of members) {
    const now = proc.stat(pid);
    if (pid <= 1 || now?.session !== leader || now.startTime !== startTime) continue;
    const result = attempt(() => libc.kill(pid, numberOf(signal)));
    if (result === 0) sent.push(pid);
    else if (result === -E.PERM) refused.push(pid);
  }
  return { sent, refused };
}

/** Who forks all the time is hit in the first few rounds. */
const mostRounds = 10;

/** Ends them and what they start meanwhile: stopped first, so that nobody of them is left to fork. */
export function killTree(proc: ProcFs, { leader, members }: RequestProcesses): Delivery {
  const all = new Map(members.map((stat) => [stat.pid, stat]));
  let fresh: readonly ProcessStat[] = members;
  for (let round = 0; fresh.length > 0 && round < mostRounds; round++) {
    signalEach(proc, leader, fresh, 'SIGSTOP');
    const children = [...all.keys()].flatMap((pid) => proc.childrenOf(pid)).filter((pid) => !all.has(pid));
    fresh = children
      .map((pid) => proc.stat(pid))
      .filter((stat) => stat !== undefined)
      .filter((stat) => stat.session === leader && isRunning(stat));
    for (const stat of fresh) all.set(stat.pid, stat);
  }
  return signalEach(proc, leader, [...all.values()], 'SIGKILL');
}
