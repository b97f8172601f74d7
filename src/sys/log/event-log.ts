// Supervisor events in a file (--log) and in syslog. Both are opened before chroot and
// the drop of privileges and used by descriptor afterwards.
import { constants, fchownSync, writeSync } from 'node:fs';
import { errnoOf, SpawnFcgiError } from '../../core/errors.ts';
import { eventFacts } from '../../core/text/event-json.ts';
import { describeEvent } from '../../core/text/event-text.ts';
import { severityOf, type Severity } from '../../core/text/event-severity.ts';
import { countLosses, formatLine, type LogOptions } from './event-lines.ts';
import { O_CLOEXEC, removeIfSame, statDescriptor, type NameAt } from '../path/file-at.ts';
import { describeOpenFailure, openParent } from '../path/open-parent.ts';
import type { CreatedFile } from '../file/held-file.ts';
import type { Identity } from '../process/identity.ts';
import { attempt, E, libc } from '../libc/libc.ts';
import { describeLease, openPastLease } from '../path/past-lease.ts';
import { holdFile, openHolding, removeUnheld } from '../file/shared-file.ts';
import { Syslog } from './syslog.ts';
import type { EventLog } from '../../core/machine.ts';

const syslogLevel: Readonly<Record<Severity, number>> = { err: 3, warning: 4, notice: 5, info: 6 };

/**
 * Lines in a file, each with its time; reopened in the same directory, also from inside a chroot.
 * `onCreated` hears of a file that was not there before.
 */
export function fileLog(
  path: string,
  owner: Identity,
  options: LogOptions,
  onCreated: (file: CreatedFile, undo: () => boolean) => void,
): EventLog {
  const at = openLogDirectory(path);
  let { descriptor, identity, isNew } = openShared(at, owner);
  if (isNew) onCreated({ at, identity }, () => removeEmpty(at, identity, descriptor));
  return {
    write: countLosses((event) => writeQuietly(descriptor, formatLine(event, options, new Date()))),
    reopen() {
      const next = openShared(at, noOwner);
      libc.close(descriptor);
      ({ descriptor, identity } = next);
    },
  };
}

interface LogFile {
  readonly descriptor: number;
  readonly identity: string;
  readonly isNew: boolean;
}

/** Another start may have made it a moment ago, and remove it when it fails. */
function openShared(at: NameAt, owner: Pick<Identity, 'uid' | 'gid'>): LogFile {
  return openHolding(
    () => openLogFile(at, owner),
    ({ descriptor, identity }) => holdFile(at, identity, descriptor),
    ({ descriptor }) => libc.close(descriptor),
  );
}

/** What says why a start failed stays. False: we may not remove it. */
function removeEmpty(at: NameAt, identity: string, descriptor: number): boolean {
  return statDescriptor(descriptor).size > 0n || removeUnheld(at, identity, descriptor);
}

const noOwner = { uid: 0, gid: 0 };
const appendFlags =
  constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NOCTTY | O_CLOEXEC;

function openLogDirectory(path: string): NameAt {
  try {
    return openParent(path);
  } catch (error) {
    const { reason, hints } = describeOpenFailure(error);
    throw refuseLog(path, reason, hints);
  }
}

/**
 * O_NOFOLLOW|O_APPEND|O_CREAT 0640. Only a file that we created is given to the -u
 * user; one with other names (hard links) could be anybody's and is refused.
 */
function openLogFile(at: NameAt, owner: Pick<Identity, 'uid' | 'gid'>): LogFile {
  const create = appendFlags | constants.O_CREAT | constants.O_EXCL;
  const created = attempt(() => libc.openat(at.directory, at.name, create, 0o640));
  if (created >= 0) {
    if (owner.uid !== 0) giveTo(owner, created, at);
    return { descriptor: created, identity: statDescriptor(created).identity, isNew: true };
  }
  const flags = appendFlags | constants.O_NONBLOCK;
  const opened = openPastLease(() => attempt(() => libc.openat(at.directory, at.name, flags, 0)));
  // Not there, and not to be created: why not is what matters.
  const failure = opened === -E.NOENT ? created : opened;
  if (opened < 0)
    throw refuseLog(
      at.path,
      failure === -E.LOOP ? 'it is a symbolic link' : libc.strerror(-failure),
      failure === -E.AGAIN ? [describeLease(at.path)] : [],
    );
  const { identity, links } = statDescriptor(opened);
  if (links > 1) {
    libc.close(opened);
    throw refuseLog(at.path, 'it has other names (hard links)');
  }
  return { descriptor: opened, identity, isNew: false };
}

/** Who may not be given it could not write it after a reopen. */
function giveTo({ uid, gid }: Pick<Identity, 'uid' | 'gid'>, descriptor: number, at: NameAt): void {
  try {
    fchownSync(descriptor, uid, gid === 0 ? -1 : gid);
  } catch (error) {
    const { identity } = statDescriptor(descriptor);
    libc.close(descriptor);
    removeIfSame(at, identity);
    throw refuseLog(at.path, `it cannot be given to uid ${uid}: ${libc.strerror(errnoOf(error))}`, [
      `a new log is given to the user of -u, which takes the capability CAP_CHOWN; or create the file first, as one that uid ${uid} may write`,
    ]);
  }
}

function refuseLog(path: string, reason: string, hints: readonly string[] = []): SpawnFcgiError {
  return new SpawnFcgiError(`opening log file '${path}' failed: ${reason}`, { hints });
}

/** To syslogd with facility daemon; connected at once, since /dev/log is out of reach after chroot. */
export function syslogLog(options: LogOptions, path?: string): EventLog {
  const syslog = new Syslog(`spawn-fcgi/${options.name}`, path);
  return {
    write: countLosses((event) => {
      const text =
        options.format === 'json'
          ? JSON.stringify(eventFacts(event, options, undefined))
          : describeEvent(event);
      return syslog.write(syslogLevel[severityOf(event)], text);
    }),
    reopen: () => undefined,
  };
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
