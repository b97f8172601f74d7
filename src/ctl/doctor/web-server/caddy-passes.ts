// Where Caddy passes requests to: php_fastcgi, and reverse_proxy whose block says `transport fastcgi`.
import type { Line } from './configuration.ts';
import { addressesIn, type Pass } from './pass.ts';

export function caddyPasses(written: readonly Line[]): Pass[] {
  const lines = written.map(({ text, place }) => ({ text: withoutComment(text), place }));
  return lines.flatMap((line, index): Pass[] => {
    const name = /^\s*(php_fastcgi|reverse_proxy)(?!\S)/.exec(line.text)?.[1];
    if (name === undefined) return [];
    const block = blockAt(lines, index);
    if (name === 'reverse_proxy' && !block.some(({ text }) => /^\s*transport\s+fastcgi(?!\S)/.test(text)))
      return [];
    return [line, ...block.filter(({ text }) => /^\s*(?:to|dynamic)\s/.test(text))].flatMap(passesIn);
  });
}

/** A text in quotes may have a # in it; so may a word, behind its begin. */
function withoutComment(text: string): string {
  return text.replaceAll(/(?<!\S)(?:("(?:\\.|[^"\\])*"|`[^`]*`)|#.*)/g, '$1');
}

/** What the line opens, if it does: its lines, but not those of the blocks within. */
function blockAt(lines: readonly Line[], opening: number): Line[] {
  const block: Line[] = [];
  let depth = 0;
  for (const line of lines.slice(opening)) {
    if (/^\s*\}/.test(line.text)) depth -= 1;
    if (depth === 1) block.push(line);
    if (/\{\s*$/.test(line.text)) depth += 1;
    if (depth <= 0) break;
  }
  return block;
}

/** Of each word behind the first that is no matcher; what is no address stands for one that is not known. */
function passesIn({ text, place }: Line): Pass[] {
  const words = text.trim().split(/\s+/).slice(1);
  return words
    .filter((word) => word !== '{' && !/^[/*@]/.test(word))
    .map((word) => ({
      text: text.trim(),
      place,
      addresses: addressesIn(word.replace(/^unix\/+/, 'unix:/')),
    }));
}
