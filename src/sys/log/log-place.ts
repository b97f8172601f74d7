// Where a descriptor of the caller's leads that events go to.
import { fstatSync, readlinkSync } from 'node:fs';
import type { LogPlace } from '../../core/log-target.ts';
import { isJournal } from './journal-stream.ts';

/** `number` is the caller's for it. */
export function placeOfDescriptor(descriptor: number, number: number): LogPlace {
  if (isJournal(descriptor)) return { kind: 'journal' };
  const leadsTo = readLink(descriptor);
  const isFile = leadsTo.startsWith('/') && !leadsTo.endsWith(' (deleted)') && isRegular(descriptor);
  return isFile ? { kind: 'file', path: leadsTo } : { kind: 'descriptor', number, leadsTo };
}

function readLink(descriptor: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return 'unknown';
  }
}

function isRegular(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFile();
  } catch {
    return false;
  }
}
