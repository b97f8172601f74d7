// Where supervisor events go: stderr, a file (--log) or syslog. All are opened
// before chroot and the drop of privileges and used by descriptor afterwards.
import { closeSync, constants, fchownSync, writeSync } from 'node:fs';
import { SpawnFcgiError } from '../core/errors.ts';
import { describeEvent, severityOf, type PoolEvent, type Severity } from '../core/event-text.ts';
import { openParent, statDescriptor, type NameAt } from './file-at.ts';
import type { Identity } from './identity.ts';
import { attempt, cString, E, libc } from './libc.ts';
import type { EventLog } from '../supervisor/interfaces.ts';

const LOG_PID = 0x01;
const LOG_NDELAY = 0x08;
const LOG_DAEMON = 3 << 3;
const syslogLevel: Readonly<Record<Severity, number>> = { err: 3, warning: 4, notice: 5, info: 6 };

export interface LogOptions {
  readonly format: 'human' | 'json';
  readonly name: string;
}

/** Lines on standard error, for the foreground; time is left to whoever collects them, as journald does. */
export function stderrLog(options: LogOptions): EventLog {
  return {
    write: (event) => writeQuietly(2, formatLine(event, options, undefined)),
    reopen: () => undefined,
  };
}

/** Lines in a file, each with its time; reopened in the same directory, also from inside a chroot. */
export function fileLog(path: string, owner: Identity, options: LogOptions): EventLog {
  const at = openLogDirectory(path);
  let descriptor = openLogFile(at, owner);
  return {
    write: (event) => writeQuietly(descriptor, formatLine(event, options, new Date())),
    reopen() {
      const next = openLogFile(at, noOwner);
      closeSync(descriptor);
      descriptor = next;
    },
  };
}

const noOwner = { uid: 0, gid: 0 };
const O_CLOEXEC = 0o2000000;
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

/** glibc keeps the pointer that openlog(3) is given. */
let syslogIdent: Buffer | undefined;

/** syslog(3) with facility daemon; connected at once, since /dev/log is out of reach after chroot. */
export function syslogLog(options: LogOptions): EventLog {
  syslogIdent = cString(`spawn-fcgi/${options.name}`);
  libc.openlog(syslogIdent, LOG_PID | LOG_NDELAY, LOG_DAEMON);
  return {
    write(event) {
      const text = options.format === 'json' ? JSON.stringify(event) : describeEvent(event);
      libc.syslog(syslogLevel[severityOf(event)] | LOG_DAEMON, '%s', 'str', text);
    },
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
function writeQuietly(descriptor: number, line: string): void {
  try {
    writeSync(descriptor, line);
  } catch {
    // Full disk or closed pipe: the event is lost, the workers are not.
  }
}
