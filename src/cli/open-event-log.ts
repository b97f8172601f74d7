// Chooses where the supervisor's events go, before privileges are dropped.
import { existsSync } from 'node:fs';
import type { Config } from '../core/config.ts';
import { descriptorOfLog } from '../core/log-target.ts';
import type { EventLog } from '../supervisor/interfaces.ts';
import type { Caller } from '../sys/caller.ts';
import { fileLog, syslogLog } from '../sys/event-log.ts';
import type { Identity } from '../sys/identity.ts';
import { streamLog, takeDescriptor } from '../sys/stream-log.ts';
import type { StartJournal } from './start-journal.ts';

/** The descriptor that --log names instead of a file; see takeDescriptor for when. */
export function takeLogDescriptor({ logFile }: Config, { front }: Pick<Caller, 'front'>): number | undefined {
  const descriptor = logFile === undefined ? undefined : descriptorOfLog(logFile);
  return descriptor === undefined || logFile === undefined
    ? undefined
    : takeDescriptor(descriptor, logFile, front);
}

/** --log, else stderr in the foreground and syslog in the background; undefined without a supervisor. */
export function openEventLog(
  config: Config,
  identity: Identity,
  logDescriptor: number | undefined,
  journal: StartJournal,
): EventLog | undefined {
  if (config.model === 'exec' || config.model === 'unsupervised') return undefined;
  const options = { format: config.logFormat, name: config.name };
  const { logFile } = config;
  if (logFile !== undefined) {
    if (logDescriptor !== undefined) return streamLog(logDescriptor, options);
    return fileLog(logFile, identity, options, (file, undo) => journal.madeLog(file, undo));
  }
  return config.model === 'foreground' ? streamLog(2, options) : syslogLog(options);
}

/** What to tell about the log once the pool is up; looked up before chroot hides it. */
export function describeLogProblem(config: Config): string[] {
  if (config.model !== 'background' || config.logFile !== undefined || existsSync('/dev/log')) return [];
  return ['/dev/log is missing, so events of this pool are lost: --log FILE keeps them'];
}
