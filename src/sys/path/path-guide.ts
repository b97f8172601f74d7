// Who else could choose what a path leads to: asked by root's tools before they act on what a path names. Loads no libc.
import { lstatSync, readlinkSync, statSync, type Stats } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const mostLinks = 40;
const stickyBit = 0o1000;

/** Of `guideOf`: everybody, or a group. */
export const anybody = -1;

/**
 * The user other than root who could choose what a path leads to: whose link or directory is on the way, or whose file
 * it is. Undefined: nobody.
 */
export function guideOf(path: string, linksLeft = mostLinks): number | undefined {
  if (linksLeft === 0) return undefined;
  for (const prefix of prefixesOf(path)) {
    const facts = linkStatOf(prefix);
    if (facts?.isSymbolicLink()) {
      if (facts.uid !== 0) return facts.uid;
      const further = guideOf(targetOf(prefix), linksLeft - 1);
      if (further !== undefined) return further;
    } else if (prefix !== path && facts && !isRootsAlone(facts)) {
      return facts.uid === 0 ? anybody : facts.uid;
    }
  }
  const file = statOf(path);
  return file?.isFile() && file.uid !== 0 ? file.uid : undefined;
}

function targetOf(link: string): string {
  return resolve(dirname(link), attempt(() => readlinkSync(link)) ?? '');
}

function prefixesOf(path: string): string[] {
  const parts = path.split('/').filter(Boolean);
  return parts.map((_part, index) => `/${parts.slice(0, index + 1).join('/')}`);
}

/** Nobody but root can exchange what is in the directory; in one with the sticky bit each only what is his own. */
function isRootsAlone({ uid, mode }: Stats): boolean {
  return uid === 0 && ((mode & 0o022) === 0 || (mode & stickyBit) !== 0);
}

/**
 * The path without links, as far as only root can have put them there: two paths of the same name are the same whatever
 * anybody does meanwhile.
 */
export function nameForRoot(path: string, linksLeft = mostLinks): string {
  const prefixes = prefixesOf(path);
  for (const [index, prefix] of prefixes.entries()) {
    const facts = linkStatOf(prefix);
    if (facts?.isSymbolicLink() && facts.uid === 0 && linksLeft > 0) {
      const rest = prefixes.at(-1)?.slice(prefix.length) ?? '';
      return nameForRoot(join(targetOf(prefix), rest), linksLeft - 1);
    }
    if (index < prefixes.length - 1 && (!facts || !isRootsAlone(facts))) break;
  }
  return prefixes.at(-1) ?? '/';
}

function linkStatOf(path: string): Stats | undefined {
  return attempt(() => lstatSync(path));
}

function statOf(path: string): Stats | undefined {
  return attempt(() => statSync(path));
}

/** Whatever is exchanged while we look is not there. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
