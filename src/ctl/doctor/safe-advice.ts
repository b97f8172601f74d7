// What root may be told to do to a file: nothing that would hit, or open, another one, to which somebody has led.
import { shellQuote } from '../../core/text/shell-quote.ts';
import { guideOf } from '../../sys/path/path-guide.ts';
import type { PathFacts } from '../../sys/path/way-to.ts';

/** Whether a command of the caller's on this path could act on a file that another user has chosen: his link, his directory. */
export function isOthersToChoose(path: string): boolean {
  return guideOfRoot(path) !== undefined;
}

/** How to open what is on the way to `path`: `command` on it, unless another user has led there, and it is not his own. */
export function adviseOpening(path: string, found: Pick<PathFacts, 'path' | 'uid'>, command: string): string {
  const guide = guideOfRoot(path);
  return guide === undefined || guide === found.uid
    ? `${command} ${shellQuote(found.path)}`
    : `see who leads there before you open it: namei -l ${shellQuote(path)}`;
}

function guideOfRoot(path: string): number | undefined {
  return process.getuid?.() === 0 ? guideOf(path) : undefined;
}
