/**
 * Looks at processes through /proc and ends them by PID. A PID alone is never
 * trusted over time: with a start time it names one process for ever.
 */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { waitFor } from './wait-for.ts';

export interface OpenFile {
  fd: number;
  target: string;
  /** Octal open flags of /proc/PID/fdinfo as a number. */
  flags: number;
}

export interface Stat {
  pid: number;
  comm: string;
  state: string;
  parent: number;
  processGroup: number;
  session: number;
  /** Device number of the controlling terminal; 0: none. */
  tty: number;
  nice: number;
  startTime: number;
}

export interface Limit {
  soft: string;
  hard: string;
}

export interface ProcessFacts extends Stat {
  /** Lines of /proc/PID/status, by name, as text. */
  status: Record<string, string>;
  args: string[];
  cwd: string | undefined;
  exe: string | undefined;
  fds: OpenFile[];
  limits: Record<string, Limit>;
}

/** What /proc/PID/stat says, or undefined when there is no such process. */
export function readStat(pid: number): Stat | undefined {
  const text = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  if (!text) return undefined;
  const end = text.lastIndexOf(')');
  const fields = text.slice(end + 2).split(' ');
  const number = (index: number): number => Number(fields[index - 3]);
  return {
    pid,
    comm: text.slice(text.indexOf('(') + 1, end),
    state: fields[0] ?? '?',
    parent: number(4),
    processGroup: number(5),
    session: number(6),
    tty: number(7),
    nice: number(19),
    startTime: number(22),
  };
}

/** Everything /proc tells about a process, or undefined when it is gone. */
export function readProcess(pid: number): ProcessFacts | undefined {
  const stat = readStat(pid);
  if (!stat) return undefined;
  const read = (file: string): string => attempt(() => readFileSync(`/proc/${pid}/${file}`, 'utf8')) ?? '';
  return {
    ...stat,
    status: parseStatus(read('status')),
    args: read('cmdline').split('\0').slice(0, -1),
    cwd: attempt(() => readlinkSync(`/proc/${pid}/cwd`)),
    exe: attempt(() => readlinkSync(`/proc/${pid}/exe`)),
    fds: readOpenFiles(pid),
    limits: parseLimits(read('limits')),
  };
}

export function readOpenFiles(pid: number): OpenFile[] {
  const names = attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
  return names.flatMap((name) => {
    const target = attempt(() => readlinkSync(`/proc/${pid}/fd/${name}`));
    const info = attempt(() => readFileSync(`/proc/${pid}/fdinfo/${name}`, 'utf8'));
    if (target === undefined || info === undefined) return [];
    return [{ fd: Number(name), target, flags: Number.parseInt(/flags:\s*(\d+)/.exec(info)?.[1] ?? '0', 8) }];
  });
}

/** True while the process runs (a zombie does not) and, if asked, is still the same one. */
export function isAlive(pid: number, startTime?: number): boolean {
  const stat = readStat(pid);
  if (!stat || stat.state === 'Z' || stat.state === 'X') return false;
  return startTime === undefined || stat.startTime === startTime;
}

export function childrenOf(pid: number): number[] {
  return allStats()
    .filter((stat) => stat.parent === pid)
    .map((stat) => stat.pid);
}

/** Living processes of a session, that is of one worker; zombies are left out. */
export function sessionMembers(session: number): number[] {
  return allStats()
    .filter((stat) => stat.session === session && stat.state !== 'Z')
    .map((stat) => stat.pid);
}

export function allStats(): Stat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readStat(Number(name)) ?? []);
}

export interface StopOptions {
  signal?: NodeJS.Signals;
  /** How long the signal may take before KILL follows. */
  timeoutMs?: number;
}

/** Ends a process and waits until it is gone: the signal, then KILL. */
export async function stopProcess(pid: number, { signal = 'SIGTERM', timeoutMs = 3_000 }: StopOptions = {}) {
  const startTime = readStat(pid)?.startTime;
  if (startTime === undefined) return;
  const gone = (): boolean => !isAlive(pid, startTime);
  signalProcess(pid, startTime, signal);
  try {
    await waitFor(`process ${pid} to end after ${signal}`, gone, { timeoutMs });
  } catch {
    signalProcess(pid, startTime, 'SIGKILL');
    await waitFor(`process ${pid} to end after SIGKILL`, gone);
  }
}

/** Sends a signal to exactly that process; one that is gone already is no error. */
export function signalProcess(pid: number, startTime: number, signal: NodeJS.Signals): void {
  if (isAlive(pid, startTime)) attempt(() => process.kill(pid, signal));
}

function parseStatus(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const colon = line.indexOf(':');
      return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()]];
    }),
  );
}

function parseLimits(text: string): Record<string, Limit> {
  const limits: Record<string, Limit> = {};
  for (const line of text.split('\n').slice(1)) {
    const [name, soft, hard] = line.split(/ {2,}/);
    if (name && soft && hard) limits[name] = { soft, hard: hard.trim() };
  }
  return limits;
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
