// Where pools keep their files. Alone in its file, so that spawn-fcgictl need not load libc for it.
import { join } from 'node:path';

/** Where pool files live for this user, in the order to try (spec section 7). */
export function baseDirectories(stateDir: string | undefined, runtimeDir: string | undefined): string[] {
  if (stateDir !== undefined) return [stateDir];
  const uid = process.getuid?.() ?? 0;
  if (uid === 0) return ['/run/spawn-fcgi'];
  const own = `/tmp/spawn-fcgi-${uid}`;
  // A relative one is to be ignored (XDG Base Directory Specification).
  return runtimeDir?.startsWith('/') ? [join(runtimeDir, 'spawn-fcgi'), own] : [own];
}
