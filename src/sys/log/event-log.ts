// Supervisor events in a file (--log) and in syslog. Both are opened before chroot and
// the drop of privileges and used by descriptor afterwards.
import { writeSync } from 'node:fs';
import { SpawnFcgiError } from '../../core/errors.ts';
import { eventFacts } from '../../core/text/event-json.ts';
import { describeEvent } from '../../core/text/event-text.ts';
import { severityOf, type Severity } from '../../core/text/event-severity.ts';
import { countLosses, formatLine, type LogOptions } from './event-lines.ts';
import { AppendFile, openPlace } from './append-file.ts';
import type { CreatedFile } from '../file/held-file.ts';
import type { Identity } from '../process/identity.ts';
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
  const refuse = (_path: string, reason: string, hints: readonly string[]): SpawnFcgiError =>
    new SpawnFcgiError(`opening log file '${path}' failed: ${reason}`, { hints });
  // Who does not read a named pipe loses events: we wait for nobody.
  const file = new AppendFile({ at: openPlace(path, refuse), owner, waits: false, refuse, onCreated });
  return {
    write: countLosses((event) => writeQuietly(file.descriptor, formatLine(event, options, new Date()))),
    reopen: () => file.reopen(),
  };
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
