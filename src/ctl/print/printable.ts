// JSON and columns of text from files and from the server, safe for a terminal. Pure.
import { unprintable } from '../../core/text/printable.ts';

/** JSON with what its own escapes leave out escaped too; newlines of its layout stay. On one line with an indent of 0. */
export function printableJson(value: unknown, indent = 2): string {
  return JSON.stringify(value, undefined, indent).replaceAll(unprintable(), (char) =>
    char === '\n' ? char : char.split('').map(escapeUnit).join(''),
  );
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Columns that a terminal needs for printable text. A table of a thousand workers asks this ten thousand times. */
export function widthOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  return charactersOf(text).reduce((sum, character) => sum + widthOfCharacter(character), 0);
}

let segmenter: Intl.Segmenter | undefined;

/** What a reader takes for one character: with its accents, flags of two letters, hands with a colour of skin. */
function charactersOf(text: string): string[] {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** A flag, a character made a picture by U+FE0F, one with a colour of skin, or several joined. */
const pictureOfMany =
  /^(?:\p{Regional_Indicator}{2}|\p{Emoji}\ufe0f|\p{Extended_Pictographic}.*[\u200d\p{Emoji_Modifier}])/u;

/** Of Hangul syllables in letters only the first one takes room. */
const takesNone = /[\p{Mn}\p{Me}\p{Default_Ignorable_Code_Point}\u1160-\u11ff\ud7b0-\ud7fb]/u;

/** East Asian Width W and F of Unicode, pictures left out. */
const isWide =
  /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6b\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18d08}\u{1aff0}-\u{1b2fb}\u{1d300}-\u{1d376}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}]/u;

function widthOfCharacter(character: string): number {
  if (pictureOfMany.test(character)) return 2;
  return [...character].reduce((sum, point) => sum + widthOfPoint(point), 0);
}

function widthOfPoint(point: string): number {
  if (takesNone.test(point)) return 0;
  const isPicture = /\p{Emoji_Presentation}/u.test(point) && !/\p{Regional_Indicator}/u.test(point);
  return isPicture || isWide.test(point) ? 2 : 1;
}

/** At most `columns` wide: the beginning, and two dots for the rest. */
export function cutEnd(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  return `${takeColumns(charactersOf(text), columns - 2).join('')}..`;
}

/** At most `columns` wide: two dots, and the end, which tells paths apart. */
export function cutStart(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  return `..${takeColumns(charactersOf(text).reverse(), columns - 2)
    .reverse()
    .join('')}`;
}

function takeColumns(characters: readonly string[], columns: number): string[] {
  const taken: string[] = [];
  let left = columns;
  for (const character of characters) {
    left -= widthOfCharacter(character);
    if (left < 0) break;
    taken.push(character);
  }
  return taken;
}
