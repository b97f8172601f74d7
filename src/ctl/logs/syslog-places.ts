// Where syslog has put the events of a pool: the journal, or the file that a syslogd writes. They are known by the tag and
// the supervisor's PID.
import { closeSync, existsSync, fstatSync } from 'node:fs';
import { SpawnFcgiError } from '../../core/errors.ts';
import { printable } from '../../core/text/printable.ts';
import { ctlStatus } from '../statuses.ts';
import { describeEntry, type Pool } from '../target/pools.ts';
import { findLastLines, type Accept } from './last-lines.ts';
import { LogFile } from './log-file.ts';
import { showFile, tellPlace, type LogsRequest } from './show-file.ts';

/** Debian's and others', those of Red Hat, SUSE and busybox, and an older Debian's. */
const journalDirectory = '/run/systemd/journal';
const syslogFiles = ['/var/log/syslog', '/var/log/messages', '/var/log/daemon.log'];

export async function showSyslog(pool: Pool, request: LogsRequest): Promise<number> {
  const { name, pid } = pool.state;
  const tag = `spawn-fcgi/${name}`;
  const searched: string[] = [];
  if (existsSync(journalDirectory)) {
    const { findInJournal } = await loadJournalQuery();
    const found = await findInJournal(['-t', tag, `_PID=${pid}`]);
    if (found === true || (found === false && request.follows)) return showTagged(pool, tag, request);
    searched.push(`the journal${typeof found === 'string' ? ` (${printable(found)})` : ''}`);
  }
  const accept: Accept = (line) => line.includes(` ${tag}[${pid}]: `);
  for (const path of syslogFiles) {
    // Only root, or the syslogd that root has chosen, can have put it there.
    const file = new LogFile(path, undefined);
    const found = await look(file, accept);
    if (found === 'lines' || (found === 'none' && request.follows)) return showFile(file, request, accept);
    searched.push(found === 'none' || found === 'absent' ? path : `${path} (${found})`);
  }
  const isForbidden = searched.some((place) => /not permitted|insufficient permissions/.test(place));
  const isLost = existsSync('/dev/log') ? '' : '; /dev/log is not there: --log FILE keeps them';
  throw new SpawnFcgiError(
    `${describeEntry(pool)}: its events go to syslog as ${printable(tag)}[${pid}], and none is in ${searched.join(', ')}${isLost}`,
    { exitCode: isForbidden ? ctlStatus.notPermitted : ctlStatus.notServing },
  );
}

function showTagged(pool: Pool, tag: string, request: LogsRequest): Promise<number> {
  return showFromJournal(['-t', tag, `_PID=${pool.state.pid}`], request);
}

/** A socket may be the journal's, where nobody has set $JOURNAL_STREAM (systemd-cat); undefined: it is not. */
export async function showIfJournal(pool: Pool, request: LogsRequest): Promise<number | undefined> {
  if (!existsSync(journalDirectory)) return undefined;
  const { findInJournal } = await loadJournalQuery();
  const isThere = (await findInJournal([`_PID=${pool.state.pid}`])) === true;
  return isThere ? showJournalOf(pool, request) : undefined;
}

/** Of a supervisor whose standard error is the journal: by its PID alone, the tag is the unit's. */
export function showJournalOf({ state }: Pool, request: LogsRequest): Promise<number> {
  return showFromJournal([`_PID=${state.pid}`], request);
}

async function showFromJournal(matches: readonly string[], { lines, follows }: LogsRequest): Promise<number> {
  tellPlace(`journalctl ${matches.join(' ')}`);
  const { showJournal } = await loadJournalQuery();
  const isShown = await showJournal({ matches, lines, follows });
  return isShown ? ctlStatus.ok : ctlStatus.notServing;
}

/** Where the path stands the build puts that of the bundle. */
function loadJournalQuery() {
  return import('../../sys/programs/other-programs.ts');
}

/** `lines`, `none`, `absent`, or why that is not known. */
async function look(file: LogFile, accept: Accept): Promise<string> {
  try {
    const open = await file.open();
    if (!open) return 'absent';
    const { count } = findLastLines(open.descriptor, fstatSync(open.descriptor).size, 1, accept);
    closeSync(open.descriptor);
    return count > 0 ? 'lines' : 'none';
  } catch (error) {
    return (error as Error).message;
  }
}
