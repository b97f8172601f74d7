// What to do about a command line that getopt refuses.
import { explainSeparator } from './misplaced-options.ts';
import { suspectTyping } from './typing-hints.ts';
import { specs } from '../options.ts';
import type { Placement } from '../request.ts';

/** `placement` is that of a mistake behind the program's name. */
export function explainMistake(
  text: string,
  args: readonly string[],
  placement: Placement | undefined,
): string[] {
  const isName = !text.includes('requires an argument');
  return [
    ...(placement && !args.includes('--') ? [explainSeparator(placement)] : []),
    ...suspectTyping(args),
    ...(isName ? [...nameOption(text), 'spawn-fcgi -h lists the options'] : []),
  ];
}

function nameOption(text: string): string[] {
  const typed = /^unrecognized option '--([^=']+)/.exec(text)?.[1];
  return typed === undefined ? [] : nearestNames(typed).map((name) => `did you mean --${name}?`);
}

/** At most this many letters wrong, and fewer in short names. */
const mostMistakes = 3;

/** The option's name that the fewest mistakes away; a beginning counts as one, `_` or no hyphen as none. */
function nearestNames(typed: string): string[] {
  const wanted = normalise(typed);
  const ranked = specs.flatMap(({ long }) =>
    long === undefined ? [] : [{ long, mistakes: countMistakes(wanted, normalise(long)) }],
  );
  const best = Math.min(...ranked.map(({ mistakes }) => mistakes));
  if (best > Math.min(mostMistakes, Math.floor(wanted.length / 3))) return [];
  return [...new Set(ranked.filter(({ mistakes }) => mistakes === best).map(({ long }) => long))];
}

function normalise(name: string): string {
  return name.toLowerCase().replaceAll(/[-_]/g, '');
}

function countMistakes(typed: string, name: string): number {
  return typed.length >= 3 && name.startsWith(typed)
    ? Math.min(1, name.length - typed.length)
    : distance(typed, name);
}

/** Insertions, deletions, other letters and swapped neighbours (Damerau and Levenshtein). */
function distance(one: string, other: string): number {
  const rows: number[][] = [Array.from({ length: other.length + 1 }, (_unused, column) => column)];
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    for (let column = 1; column <= other.length; column++) {
      const cost = (up: number, left: number): number => rows[row - up]?.[column - left] ?? Infinity;
      const isSame = one[row - 1] === other[column - 1];
      const isSwapped = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      current.push(
        Math.min(
          cost(1, 0) + 1,
          (current[column - 1] ?? Infinity) + 1,
          cost(1, 1) + (isSame ? 0 : 1),
          isSwapped ? cost(2, 2) + 1 : Infinity,
        ),
      );
    }
    rows.push(current);
  }
  return rows[one.length]?.[other.length] ?? Infinity;
}
