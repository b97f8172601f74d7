// `spawn-fcgictl logs`: the events of a pool, from where its supervisor has said that they go.
import { readlinkSync } from 'node:fs';
import type { LogPlace } from '../../core/log-target.ts';
import { SpawnFcgiError } from '../../core/errors.ts';
import { printable } from '../../core/text/printable.ts';
import { readersOf } from '../../sys/proc/pipe-readers.ts';
import { ctlStatus } from '../statuses.ts';
import { describeEntry, isDeadPool, type Pool } from '../target/pools.ts';
import { LogFile } from './log-file.ts';
import { placeOfEvents } from './log-places.ts';
import { showFile, type LogsRequest } from './show-file.ts';
import { showIfJournal, showJournalOf, showSyslog } from './syslog-places.ts';

export async function showLogs(pool: Pool, request: LogsRequest): Promise<number> {
  const place = placeOfEvents(pool.state);
  switch (place?.kind) {
    case undefined:
      throw refuse(pool, 'its supervisor is of a version that does not say where its events go');
    case 'file':
      return showFile(new LogFile(place.path, ownersOf(pool), rootOf(pool)), request);
    case 'journal':
      return showJournalOf(pool, request);
    case 'syslog':
      return showSyslog(pool, request);
    case 'descriptor': {
      const isSocket = place.leadsTo.startsWith('socket:');
      const shown = isSocket ? await showIfJournal(pool, request) : undefined;
      if (shown !== undefined) return shown;
      throw refuse(pool, `its events go to ${describeDescriptor(place)}; --log FILE keeps them`);
    }
  }
}

function refuse(pool: Pool, reason: string): SpawnFcgiError {
  return new SpawnFcgiError(`${describeEntry(pool)}: ${reason}`, { exitCode: ctlStatus.notServing });
}

/** Undefined: the caller's own rights are enough. Root reads what the pool may have for its log, and nothing else. */
function ownersOf({ uid, isForeign, state }: Pool): readonly number[] | undefined {
  if (process.getuid?.() !== 0) return undefined;
  return isForeign ? [uid] : [...new Set([0, state.workerUid])];
}

/** Where a living supervisor has a /tmp of its own, what it sees. */
function rootOf(pool: Pool): string {
  const { pid } = pool.state;
  if (isDeadPool(pool) || process.getuid?.() !== 0) return '';
  try {
    const isElsewhere = readlinkSync(`/proc/${pid}/ns/mnt`) !== readlinkSync('/proc/self/ns/mnt');
    return isElsewhere ? `/proc/${pid}/root` : '';
  } catch {
    return '';
  }
}

const streams: Readonly<Record<number, string>> = { 1: 'standard output', 2: 'standard error' };

function describeDescriptor({ number, leadsTo }: Extract<LogPlace, { kind: 'descriptor' }>): string {
  const readers = leadsTo.startsWith('pipe:') ? readersOf(leadsTo) : [];
  const who = readers.map(({ pid, name }) => `PID ${pid} (${printable(name)})`).join(', ');
  const what = who === '' ? printable(leadsTo) : `a pipe that ${who} reads`;
  return `${streams[number] ?? `descriptor ${number}`} of whoever started it, ${what}`;
}
