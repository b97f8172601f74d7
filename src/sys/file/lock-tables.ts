// Whether a pool lives whose files we may not open, by what the kernel tells everybody: who
// holds locks on which file, and who listens on which socket.
import { lstatSync, readFileSync } from 'node:fs';
import { unixListenersOf } from '../proc/process-look.ts';

interface Tables {
  /** Inode numbers of files with a lock of flock(2). */
  readonly locked: ReadonlySet<string>;
  /** Names of Unix sockets that listen. */
  readonly listening: ReadonlySet<string>;
}

let tables: Tables | undefined;

/**
 * The lock is held for the supervisor's life, and so is the control socket. Both are asked: a lock that was handed over
 * is not shown in a PID namespace whose first holder is gone, a socket only in its own network namespace. Where there is
 * no /proc a pool counts as alive.
 */
export function isHeldByTables(lockPath: string, controlPath: string): boolean {
  tables ??= readTables();
  if (!tables) return true;
  return tables.listening.has(controlPath) || tables.locked.has(inodeOf(lockPath) ?? '');
}

function readTables(): Tables | undefined {
  const listeners = unixListenersOf('self');
  if (!listeners) return undefined;
  return { locked: readLocks(), listening: new Set(listeners.map(({ address }) => address)) };
}

/** Lines `1: FLOCK  ADVISORY  WRITE 1234 00:1b:5678 0 EOF`; the device is the kernel's, which statx(2) may name otherwise. */
function readLocks(): Set<string> {
  try {
    const text = readFileSync('/proc/locks', 'latin1');
    return new Set(
      [...text.matchAll(/\bFLOCK\b.* [0-9a-f]+:[0-9a-f]+:(\d+) /g)].map((match) => match[1] ?? ''),
    );
  } catch {
    return new Set();
  }
}

function inodeOf(path: string): string | undefined {
  try {
    return String(lstatSync(path).ino);
  } catch {
    return undefined;
  }
}
