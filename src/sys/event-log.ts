// Where supervisor events go: stderr, a file (--log) or syslog. All are opened
// before chroot and the drop of privileges and used by descriptor afterwards.
import { closeSync, constants, fchownSync, writeSync } from 'node:fs';
import { SpawnFcgiError } from '../core/errors.ts';
import { describeEvent, severityOf, type PoolEvent, type Severity } from '../core/event-text.ts';
import { writeWithin } from './bounded-write.ts';
import { O_CLOEXEC, openParent, statDescriptor, type NameAt } from './file-at.ts';
import type { Identity } from './identity.ts';
import { attempt, E, libc } from './libc.ts';
import { Syslog } from './syslog.ts';
import type { EventLog } from '../supervisor/interfaces.ts';

const syslogLevel: Readonly<Record<Severity, number>> = { err: 3, warning: 4, notice: 5, info: 6 };

export interface LogOptions {
  readonly format: 'human' | 'json';
  readonly name: string;
}

/** Lines on standard error, for the foreground; time is left to whoever collects them, as journald does. */
export function stderrLog(options: LogOptions): EventLog {
  let isTorn = false;
  let isStuck = false;
  return {
    write: countLosses((event) => {
      const line = Buffer.from(`${isTorn ? '\n' : ''}${formatLine(event, options, undefined)}`);
      // Whoever did not read for so long is not waited for again until he does.
      const sent = writeWithin(2, line, isStuck ? 0 : stderrPatienceMs);
      isStuck = sent < line.length;
      isTorn = sent > 0 ? isStuck : isTorn;
      return !isStuck;
    }),
    reopen: () => undefined,
  };
}

/** What somebody who does not read our standard error costs the pool. */
const stderrPatienceMs = 1000;

/** Counts the events that `write` could not hand over, and says so with the next one that it can. */
function countLosses(write: (event: PoolEvent) => boolean): EventLog['write'] {
  let lost = 0;
  return (event) => {
    if (lost > 0) {
      const message = `${lost} ${lost === 1 ? 'event was' : 'events were'} not logged: nobody took ${lost === 1 ? 'it' : 'them'}`;
      if (!write({ event: 'warning', message })) {
        lost++;
        return;
      }
      lost = 0;
    }
    if (!write(event)) lost++;
  };
}

/** Lines in a file, each with its time; reopened in the same directory, also from inside a chroot. */
export function fileLog(path: string, owner: Identity, options: LogOptions): EventLog {
  const at = openLogDirectory(path);
  let descriptor = openLogFile(at, owner);
  return {
    write: countLosses((event) => writeQuietly(descriptor, formatLine(event, options, new Date()))),
    reopen() {
      const next = openLogFile(at, noOwner);
      closeSync(descriptor);
      descriptor = next;
    },
  };
}

const noOwner = { uid: 0, gid: 0 };
const appendFlags =
  constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NOCTTY | O_CLOEXEC;

function openLogDirectory(path: string): NameAt {
  try {
    return openParent(path);
  } catch (error) {
    throw refuseLog(path, libc.strerror(-((error as { errno?: number }).errno ?? -E.NOENT)));
  }
}

/**
 * O_NOFOLLOW|O_APPEND|O_CREAT 0640. Only a file that we created is given to the -u
 * user; one with other names (hard links) could be anybody's and is refused.
 */
function openLogFile(at: NameAt, owner: Pick<Identity, 'uid' | 'gid'>): number {
  const create = appendFlags | constants.O_CREAT | constants.O_EXCL;
  const created = attempt(() => libc.openat(at.directory, at.name, create, 0o640));
  if (created >= 0) {
    if (owner.uid !== 0) fchownSync(created, owner.uid, owner.gid === 0 ? -1 : owner.gid);
    return created;
  }
  const opened = attempt(() => libc.openat(at.directory, at.name, appendFlags | constants.O_NONBLOCK, 0));
  // Not there, and not to be created: why not is what matters.
  const failure = opened === -E.NOENT ? created : opened;
  if (opened < 0)
    throw refuseLog(at.path, failure === -E.LOOP ? 'it is a symbolic link' : libc.strerror(-failure));
  if (statDescriptor(opened).links > 1) {
    closeSync(opened);
    throw refuseLog(at.path, 'it has other names (hard links)');
  }
  return opened;
}

function refuseLog(path: string, reason: string): SpawnFcgiError {
  return new SpawnFcgiError(`opening log file '${path}' failed: ${reason}`);
}

/** To syslogd with facility daemon; connected at once, since /dev/log is out of reach after chroot. */
export function syslogLog(options: LogOptions, path?: string): EventLog {
  const syslog = new Syslog(`spawn-fcgi/${options.name}`, path);
  return {
    write: countLosses((event) => {
      const text = options.format === 'json' ? JSON.stringify(event) : describeEvent(event);
      return syslog.write(syslogLevel[severityOf(event)], text);
    }),
    reopen: () => undefined,
  };
}

function formatLine(event: PoolEvent, options: LogOptions, time: Date | undefined): string {
  if (options.format === 'json') {
    const when = (time ?? new Date()).toISOString();
    const facts = { time: when, name: options.name, pid: process.pid, severity: severityOf(event), ...event };
    return `${JSON.stringify(facts)}\n`;
  }
  const prefix = time ? `${time.toISOString()} ` : '';
  return `${prefix}spawn-fcgi[${process.pid}] ${options.name}: ${describeEvent(event)}\n`;
}

/** A log that cannot be written must not end the pool. */
function writeQuietly(descriptor: number, line: string): boolean {
  try {
    writeSync(descriptor, line);
    return true;
  } catch {
    // Full disk: the event is lost, the workers are not.
    return false;
  }
}
