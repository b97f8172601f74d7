// Where Caddy passes requests to: php_fastcgi, and reverse_proxy whose block says `transport fastcgi`.
import type { Line } from './configuration.ts';
import { addressesIn, type Pass } from './pass.ts';

/** With a matcher before the address, or without. */
const pass = /^\s*(php_fastcgi|reverse_proxy)\s+(?:[^\s{]+\s+)??(unix\/\/?\S+|\S+:\d+)/;

export function caddyPasses(lines: readonly Line[]): Pass[] {
  return lines.flatMap(({ text, place }, index): Pass[] => {
    const [, directive, to = ''] = pass.exec(text) ?? [];
    if (directive === undefined || (directive === 'reverse_proxy' && !speaksFastCgi(lines, index))) return [];
    return [{ text: text.trim(), place, addresses: addressesIn(to.replace(/^unix\/+/, 'unix:/')) }];
  });
}

/** By the block that the line opens. */
function speaksFastCgi(lines: readonly Line[], opening: number): boolean {
  let depth = 0;
  for (const { text } of lines.slice(opening)) {
    if (/^\s*transport\s+fastcgi\b/.test(text)) return true;
    if (/\{\s*$/.test(text)) depth += 1;
    if (/^\s*\}/.test(text)) depth -= 1;
    if (depth <= 0) return false;
  }
  return false;
}
