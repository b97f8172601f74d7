// Files that an input includes. As root they are followed only where nobody but root could have chosen them, the input
// included: somebody else's configuration must not show what only root may read.
import { dirname, resolve } from 'node:path';
import { guideOf } from '../../../sys/path/path-guide.ts';
import { ConfigReader } from '../../doctor/web-server/read-config.ts';
import type { Included, Source, Surroundings } from '../kinds/kind.ts';

const mostFiles = 200;

export function surroundingsOf(path: string, program: string | undefined): Surroundings {
  const reader = new ConfigReader();
  const isOthers = path !== '-' && process.getuid?.() === 0 && guideOf(resolve(path)) !== undefined;
  let left = mostFiles;
  const read = (found: string): Included => {
    if (isOthers) return refused(found, 'others than root may choose what is there; convert it as its owner');
    if (left-- <= 0) return refused(found, `there are more than ${mostFiles} files`);
    const text = reader.read(found);
    if (text === undefined) return refused(found, reader.unread.get(found) ?? 'it cannot be read');
    return { path: found, text: text.replace(/^\u{feff}/u, '').replaceAll('\r\n', '\n') };
  };
  return {
    include: (pattern, source) => reader.expand(resolve(baseOf(source), pattern)).map(read),
    environment: process.env,
    program,
  };
}

/** Relative to the file that includes; of standard input to where the command runs. */
function baseOf({ path }: Source): string {
  return path === 'standard input' ? '.' : dirname(path);
}

function refused(path: string, refusal: string): Included {
  return { path, text: '', refusal };
}
