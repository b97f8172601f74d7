// The work of the guard of a start, in a process of its own that still has the privileges: ends the workers of a start that
// failed and removes what is still what it made; after a success mode and owner of the socket's file.
import { readFileSync } from 'node:fs';
import { everyStep } from '../../core/every-step.ts';
import { removeUnheldAt } from '../file/shared-file.ts';
import { libc } from '../libc/libc.ts';
import { fileType, removeIfSame, statIfThere, type NameAt } from '../path/file-at.ts';
import { openParent } from '../path/open-parent.ts';
import { ProcFs } from '../proc/proc-fs.ts';
import { sessionsHolding } from '../session/socket-holders.ts';
import { adjustSocketFile, type Adjustment } from '../socket/socket-file.ts';
import { isLive } from '../socket/socket-place.ts';
import type { Binding, Inherited, Made, StartedWorker } from './undo-guard.ts';

const SIGKILL = 9;

/** The guard's work after a success: mode and owner of socket files. */
export function adjustSocket(): void {
  const list = readLines().map((line) => JSON.parse(line) as Made & Adjustment);
  everyStep(
    () => undefined,
    ...list.map(
      ({ path, identity, ...wanted }) =>
        () =>
          adjustSocketFile({ at: openParent(path), identity }, wanted),
    ),
  );
}

function readLines(): string[] {
  return readFileSync(0, 'utf8').split('\n').filter(Boolean);
}

/** The guard's work, in the process that it started: ends the workers, removes what is still what was made. */
export function undoStart(): void {
  const list = readLines().map((line) => JSON.parse(line) as Made | Binding | StartedWorker | Inherited);
  const proc = ProcFs.open();
  if (proc) {
    const others = list.flatMap((one) => ('socket' in one ? findUntold(one.socket, proc) : []));
    endSessions([...list.filter((one) => 'pid' in one), ...others], proc);
  }
  const last = list.at(-1);
  const untold = last && 'binding' in last && last.binding !== null ? last.binding : undefined;
  everyStep(
    () => undefined,
    () => untold !== undefined && removeUntold(untold),
    ...list.toReversed().map((made) => () => 'path' in made && remove(made)),
  );
}

/**
 * Nothing was at the path, and no other start can have come in between, since we hold the lock: a socket of
 * our own user there, without a listener, is the one that nobody could tell of any more.
 */
export function removeUntold(path: string): boolean {
  const at = openIfThere(path);
  if (!at) return true;
  const facts = statIfThere(at);
  const isOurs =
    facts !== undefined &&
    (facts.mode & fileType.mask) === fileType.socket &&
    facts.uid === process.getuid?.() &&
    facts.links === 1;
  return !isOurs || isLive(path) || removeIfSame(at, facts.identity);
}

function remove({ path, identity, isPidFile, isLog }: Made): void {
  const at = openIfThere(path);
  if (!at) return;
  if (isPidFile || isLog) removeUnheldAt(at, identity, isLog === true);
  else removeIfSame(at, identity);
}

function openIfThere(path: string): NameAt | undefined {
  try {
    return openParent(path);
  } catch {
    return undefined;
  }
}

const pauseMs = 5;
const mostLooks = 400;

/**
 * Workers of the moment between their start and the word of it: they came after the guard, lost the
 * same parent and have the socket as descriptor 0. (A supervisor that has taken the socket over has it as another.)
 */
function findUntold(inode: string, proc: ProcFs): StartedWorker[] {
  const guard = proc.stat(process.ppid);
  if (!guard) return [];
  return sessionsHolding(proc, inode, new Set([guard.pid])).filter(
    ({ pid, startTime }) =>
      proc.stat(pid)?.parent === guard.parent && BigInt(startTime) >= BigInt(guard.startTime),
  );
}

/** KILL for what is left of the sessions, until nothing is: a fork may escape a look. */
function endSessions(workers: readonly StartedWorker[], proc: ProcFs): void {
  for (let look = 0; look < mostLooks; look++) {
    const left = workers.flatMap((worker) => membersOf(worker, proc));
    for (const pid of left) libc.kill(pid, SIGKILL);
    if (left.length === 0) return;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
  }
}

/** While a session has members, its number is given to no new process: another process under it means that all are gone. */
function membersOf({ pid, startTime }: StartedWorker, proc: ProcFs): number[] {
  const leader = proc.stat(pid);
  if (leader && leader.startTime !== startTime) return [];
  return proc
    .sessionMembers(new Set([pid]))
    .filter((member) => BigInt(member.startTime) >= BigInt(startTime))
    .map((member) => member.pid);
}
