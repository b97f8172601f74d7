// Whose files root trusts: his own; in a user namespace also those of whoever owns what it was given, since its root has
// no privilege over them.
import { readFileSync } from 'node:fs';

/** What users have that a user namespace does not know (user_namespaces(7)). */
const overflowUid = 65534;
let hasStrangers: boolean | undefined;

export function isTrusted(uid: number): boolean {
  return uid === 0 || (uid === overflowUid && (hasStrangers ??= isUnmapped(overflowUid)));
}

function isUnmapped(uid: number): boolean {
  try {
    const ranges = readFileSync('/proc/self/uid_map', 'utf8').trim().split('\n');
    return !ranges.some((range) => {
      const [first = 0, , count = 0] = range.trim().split(/\s+/).map(Number);
      return first <= uid && uid < first + count;
    });
  } catch {
    return false;
  }
}
