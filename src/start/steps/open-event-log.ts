// A step of a start: chooses where the supervisor's events go, before privileges are dropped.
import { existsSync } from 'node:fs';
import type { Config } from '../../core/config.ts';
import { descriptorOfLog } from '../../core/log-target.ts';
import type { EventLog } from '../../core/machine.ts';
import type { Caller } from '../../sys/process/caller.ts';
import type { LogOptions } from '../../sys/log/event-lines.ts';
import { fileLog, syslogLog } from '../../sys/log/event-log.ts';
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
    : takeDescriptor(descriptor, logFile, front);
}

/** Where events go that no --log asks for. */
export interface DefaultLog {
  readonly open: (options: LogOptions) => EventLog;
  /** What is in the way, for people; looked up before chroot hides it. */
  readonly describeProblem: () => string[];
}

/** Of a supervisor in the foreground. */
export const stderrLog: DefaultLog = {
  open: (options) => streamLog(2, options),
  describeProblem: () => [],
};

/** Of one in the background. */
export const syslog: DefaultLog = {
  open: syslogLog,
  describeProblem: () =>
    existsSync('/dev/log')
      ? []
      : ['/dev/log is missing, so events of this pool are lost: --log FILE keeps them'],
};

export interface Logged extends Foreseen {
  readonly log: EventLog;
}

export function openEventLog(
  byDefault: DefaultLog,
): Step<Pick<Given, 'config' | 'logDescriptor' | 'journal'> & Users & Pick<Place, 'address'>, Logged> {
  return ({ config, logDescriptor, journal, identity, address }) => {
    const options = { format: config.logFormat, name: config.name, address, pid: process.pid };
    const { logFile } = config;
    if (logFile === undefined)
      return { log: byDefault.open(options), laterHints: byDefault.describeProblem() };
    const log =
      logDescriptor === undefined
        ? fileLog(logFile, identity, options, (file, undo) => journal.madeLog(file, undo))
        : streamLog(logDescriptor, options);
    return { log, laterHints: [] };
  };
}
