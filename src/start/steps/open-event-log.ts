// A step of a start: chooses where the supervisor's events go, before privileges are dropped.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Config } from '../../core/config.ts';
import { descriptorOfLog, type LogPlace } from '../../core/log-target.ts';
import type { EventLog } from '../../core/machine.ts';
import type { Caller } from '../../sys/process/caller.ts';
import type { LogOptions } from '../../sys/log/event-lines.ts';
import { fileLog, syslogLog } from '../../sys/log/event-log.ts';
import { placeOfDescriptor } from '../../sys/log/log-place.ts';
import { streamLog, takeDescriptor } from '../../sys/log/stream-log.ts';
import type { Place } from './find-place.ts';
import type { Users } from './resolve-users.ts';
import type { Foreseen } from './socket-owner.ts';
import type { Given } from '../start-given.ts';
import type { Step } from '../start-plan.ts';

/** The descriptor that --log names instead of a file; see takeDescriptor for when. */
export function takeLogDescriptor({ logFile }: Config, { front }: Pick<Caller, 'front'>): number | undefined {
  const descriptor = logFile === undefined ? undefined : descriptorOfLog(logFile);
  return descriptor === undefined || logFile === undefined
    ? undefined
    : takeDescriptor(descriptor, front, `opening log file '${logFile}' failed`);
}

/** Where events go that no --log asks for. */
export interface DefaultLog {
  readonly open: (options: LogOptions) => EventLog;
  readonly place: () => LogPlace;
  /** What is in the way, for people; looked up before chroot hides it. */
  readonly describeProblem: () => string[];
}

/** Of a supervisor in the foreground. */
export const stderrLog: DefaultLog = {
  open: (options) => streamLog(2, options),
  place: () => placeOfDescriptor(2, 2),
  describeProblem: () => [],
};

/** Of one in the background. */
export const syslog: DefaultLog = {
  open: syslogLog,
  place: () => ({ kind: 'syslog' }),
  describeProblem: () =>
    existsSync('/dev/log')
      ? []
      : ['/dev/log is missing, so events of this pool are lost: --log FILE keeps them'],
};

export interface Logged extends Foreseen {
  readonly log: EventLog;
  /** For those who look for it. */
  readonly logPlace: LogPlace;
}

export function openEventLog(
  byDefault: DefaultLog,
): Step<Pick<Given, 'config' | 'logDescriptor' | 'journal'> & Users & Pick<Place, 'address'>, Logged> {
  return ({ config, logDescriptor, journal, identity, address }) => {
    const options = { format: config.logFormat, name: config.name, address, pid: process.pid };
    const { logFile } = config;
    if (logFile === undefined) {
      const log = byDefault.open(options);
      return { log, logPlace: byDefault.place(), laterHints: byDefault.describeProblem() };
    }
    if (logDescriptor === undefined) {
      const log = fileLog(logFile, identity, options, (file, undo) => journal.madeLog(file, undo));
      return { log, logPlace: { kind: 'file', path: resolve(logFile) }, laterHints: [] };
    }
    const logPlace = placeOfDescriptor(logDescriptor, descriptorOfLog(logFile) ?? logDescriptor);
    return { log: streamLog(logDescriptor, options), logPlace, laterHints: [] };
  };
}
