// As whom a process runs, by /proc. Loads no libc.
import { readFileSync } from 'node:fs';

export interface Credentials {
  /** Effective. */
  readonly uid: number;
  /** The effective group and all others. */
  readonly gids: readonly number[];
}

/** Undefined: it is gone. */
export function credentialsOf(pid: number): Credentials | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/status`, 'latin1');
  } catch {
    return undefined;
  }
  const idsOf = (name: string): number[] =>
    (new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(text)?.[1] ?? '').split(/\s+/).filter(Boolean).map(Number);
  const [, uid] = idsOf('Uid');
  const [, gid] = idsOf('Gid');
  if (uid === undefined || gid === undefined) return undefined;
  return { uid, gids: [...new Set([gid, ...idsOf('Groups')])] };
}
