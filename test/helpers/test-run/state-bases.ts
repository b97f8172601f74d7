// The base directories in which pools of root and of nobody keep their state without $XDG_RUNTIME_DIR.
import { rmdirSync } from 'node:fs';
import { NOBODY } from '../machine/users.ts';

export const stateBases = ['/run/spawn-fcgi', `/tmp/spawn-fcgi-${NOBODY}`];

/** Removes the bases themselves if nobody uses them. */
export function forgetStateBases(): void {
  for (const base of stateBases) {
    try {
      rmdirSync(base);
    } catch {
      // Not there, or in use by others.
    }
  }
}
