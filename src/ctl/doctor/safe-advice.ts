// What root may be told to do to a file: nothing that would hit another one, which somebody has put in its place.
import { guideOf } from '../../sys/path/path-guide.ts';

/** Whether a command of the caller's on this path could act on a file that another user has chosen: his link, his directory. */
export function isOthersToChoose(path: string): boolean {
  return process.getuid?.() === 0 && guideOf(path) !== undefined;
}
