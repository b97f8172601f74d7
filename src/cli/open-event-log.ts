// Chooses where the supervisor's events go, before privileges are dropped.
import { existsSync } from 'node:fs';
import type { Config } from '../core/config.ts';
import type { EventLog } from '../supervisor/interfaces.ts';
import { fileLog, stderrLog, syslogLog } from '../sys/event-log.ts';
import type { Identity } from '../sys/identity.ts';

/** --log FILE, else stderr in the foreground and syslog in the background; undefined without a supervisor. */
export function openEventLog(config: Config, identity: Identity): EventLog | undefined {
  if (config.model === 'exec' || config.model === 'unsupervised') return undefined;
  const options = { format: config.logFormat, name: config.name };
  if (config.logFile !== undefined) return fileLog(config.logFile, identity, options);
  if (config.model === 'foreground') return stderrLog(options);
  return syslogLog(options);
}

/** What to tell about the log once the pool is up; looked up before chroot hides it. */
export function describeLogProblem(config: Config): string | undefined {
  if (config.model !== 'background' || config.logFile !== undefined || existsSync('/dev/log'))
    return undefined;
  return '/dev/log is missing, so events of this pool are lost: --log FILE keeps them';
}
