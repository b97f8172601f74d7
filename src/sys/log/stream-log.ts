// Supervisor events on a descriptor that the caller has open: standard error in the
// foreground, or the one that --log names. Shared with others, so it stays as it is.
import { closeSync, constants, fstatSync, type Stats } from 'node:fs';
import { SpawnFcgiError } from '../../core/errors.ts';
import type { EventLog } from '../../core/machine.ts';
import { writeWithin } from '../file/bounded-write.ts';
import { descriptorsOf, firstInherited, isCallers } from '../process/caller.ts';
import { countLosses, formatLine, type LogOptions } from './event-lines.ts';
import { attempt, E, libc } from '../libc/libc.ts';
import { F_DUPFD_CLOEXEC, F_GETFL } from '../libc/fcntl-numbers.ts';

/** What somebody who does not read costs the pool. */
const patienceMs = 1000;
const O_ACCMODE = 3;

/**
 * Lines on a descriptor. A terminal and a file get the time with each; whoever reads a pipe or
 * a socket, as journald and svlogd do, has times of his own.
 */
export function streamLog(descriptor: number, options: LogOptions): EventLog {
  const isTimed = libc.isatty(descriptor) === 1 || statOf(descriptor)?.isFile() === true;
  let isTorn = false;
  let isStuck = false;
  return {
    write: countLosses((event) => {
      const text = formatLine(event, options, isTimed ? new Date() : undefined);
      const line = Buffer.from(`${isTorn ? '\n' : ''}${text}`);
      // Whoever did not read for so long is not waited for again until he does.
      const sent = writeWithin(descriptor, line, isStuck ? 0 : patienceMs);
      isStuck = sent < line.length;
      isTorn = sent > 0 ? isStuck : isTorn;
      return !isStuck;
    }),
    reopen: () => undefined,
  };
}

/**
 * Takes a descriptor of the caller's for a log, for output, or to be told of; `failure` begins the line of a refusal. To be called before we open
 * anything ourselves: nobody could tell ours from the caller's then. Behind a front it gets a number of its
 * own, which leaving the caller's streams does not touch.
 */
export function takeDescriptor(descriptor: number, front: number | undefined, failure: string): number {
  const refuse = (problem: string): SpawnFcgiError => new SpawnFcgiError(`${failure}: ${problem}`);
  const problem = findProblem(descriptor, front);
  if (problem !== undefined) throw refuse(problem);
  if (front === undefined) return descriptor;
  const taken = attempt(() => libc.fcntl(descriptor, F_DUPFD_CLOEXEC, 'int', firstInherited));
  if (taken < 0) throw refuse(libc.strerror(-taken));
  if (descriptor >= firstInherited) closeSync(descriptor);
  return taken;
}

function findProblem(descriptor: number, front: number | undefined): string | undefined {
  if (descriptor === 0) return 'descriptor 0 is for input';
  if (front !== undefined && descriptor > 2 && descriptor < firstInherited)
    return `the command itself uses descriptor ${descriptor} in the background; take 1, 2, or one from ${firstInherited} on`;
  const flags = attempt(() => libc.fcntl(descriptor, F_GETFL, 'int', 0));
  const isOpen = flags >= 0 && (descriptor <= 2 || isGiven(descriptor, front));
  if (!isOpen) return libc.strerror(E.BADF);
  return (flags & O_ACCMODE) === constants.O_RDONLY ? 'it is not open for writing' : undefined;
}

/** Node has descriptors, too, and must not find lines in them: events, and pipes of which this process has both ends. */
function isGiven(descriptor: number, front: number | undefined): boolean {
  if (front !== undefined) return isCallers(descriptor, front);
  const stat = statOf(descriptor);
  if (!stat) return false;
  if (stat.isFIFO()) return !hasBothEnds(stat);
  return stat.isFile() || stat.isCharacterDevice() || stat.isSocket();
}

function hasBothEnds({ dev, ino }: Stats): boolean {
  return descriptorsOf('self').some((descriptor) => {
    const stat = statOf(descriptor);
    const flags = libc.fcntl(descriptor, F_GETFL, 'int', 0);
    return stat?.dev === dev && stat.ino === ino && (flags & O_ACCMODE) === constants.O_RDONLY;
  });
}

function statOf(descriptor: number): Stats | undefined {
  try {
    return fstatSync(descriptor);
  } catch {
    return undefined;
  }
}
