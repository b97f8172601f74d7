// JSON and columns of text from files and from the server, safe for a terminal. Pure.
import { unprintable } from '../../core/text/printable.ts';

/** JSON with what its own escapes leave out escaped too; newlines of its layout stay. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replaceAll(unprintable, (char) =>
    char === '\n' ? char : char.split('').map(escapeUnit).join(''),
  );
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Columns that a terminal needs for printable text. A table of a thousand workers asks this ten thousand times. */
export function widthOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  return [...text].reduce((sum, char) => sum + widthOfCharacter(char), 0);
}

function widthOfCharacter(char: string): number {
  if (/\p{M}/u.test(char)) return 0;
  return /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(
    char,
  )
    ? 2
    : 1;
}

/** At most `columns` wide: the beginning, and two dots for the rest. */
export function cutEnd(text: string, columns: number): string {
  return widthOf(text) <= columns ? text : `${takeColumns([...text], columns - 2).join('')}..`;
}

/** At most `columns` wide: two dots, and the end, which tells paths apart. */
export function cutStart(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  return `..${takeColumns([...text].reverse(), columns - 2)
    .reverse()
    .join('')}`;
}

function takeColumns(characters: readonly string[], columns: number): string[] {
  const taken: string[] = [];
  let left = columns;
  for (const char of characters) {
    left -= widthOfCharacter(char);
    if (left < 0) break;
    taken.push(char);
  }
  return taken;
}
