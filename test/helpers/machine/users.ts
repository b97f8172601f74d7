// Users that are not root.
import { chownSync } from 'node:fs';

/** nobody and nogroup. */
export const NOBODY = 65_534;

/** Gives a file or a directory to another user, and to the group of the same number. */
export function giveAway(path: string, uid: number): void {
  chownSync(path, uid, uid);
}
