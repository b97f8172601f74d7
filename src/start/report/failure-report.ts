// Tells syslog why a start in the background failed: nobody reads standard error at boot.
// The same lines, once; not where standard error is the journal, which has them already.
import type { Config } from '../../core/config.ts';
import { isJournal } from '../../sys/log/journal-stream.ts';
import { Syslog } from '../../sys/log/syslog.ts';
import { printedErrors } from './print.ts';

const err = 3;
const stderr = 2;
/** Opened before a chroot that would hide /dev/log. */
let kept: Syslog | undefined;

/** To be called before chroot; costs nothing without one. */
export function keepSyslogInReach({ model, chroot, name }: Config): void {
  if (model === 'background' && chroot !== undefined && !isJournal(stderr)) kept = openSyslog(name);
}

/** `name` is the pool's, where it got so far. */
export function reportFailure(name: string | undefined): void {
  const lines = new Set(printedErrors());
  if (lines.size === 0 || isJournal(stderr)) return;
  const syslog = kept ?? openSyslog(name);
  for (const line of lines) syslog.write(err, line);
}

function openSyslog(name: string | undefined): Syslog {
  return new Syslog(name === undefined ? 'spawn-fcgi' : `spawn-fcgi/${name}`);
}
