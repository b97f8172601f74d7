// Whether a descriptor leads to systemd's journal, which has the time of each line and
// takes those of syslog, too (systemd.exec(5), $JOURNAL_STREAM).
import { fstatSync } from 'node:fs';

export function isJournal(descriptor: number): boolean {
  const [device, inode] = (process.env['JOURNAL_STREAM'] ?? '').split(':');
  if (device === undefined || inode === undefined) return false;
  try {
    const stat = fstatSync(descriptor, { bigint: true });
    return String(stat.dev) === device && String(stat.ino) === inode;
  } catch {
    return false;
  }
}
