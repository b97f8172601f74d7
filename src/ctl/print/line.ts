// A line for people in parts that may have a colour: cut first, coloured then, so that no escape sequence counts as text.
import { isatty } from 'node:tty';
import { styleText } from 'node:util';
import { cutEnd, widthOf } from './printable.ts';

export type Colour = 'green' | 'yellow' | 'red' | 'dim';

export interface Span {
  readonly text: string;
  readonly colour?: Colour | undefined;
}

export type Line = readonly Span[];

export function lineOf(text: string, colour?: Colour): Line {
  return [{ text, colour }];
}

/** Whether the descriptor is a terminal that knows more than lines. */
export function isDrawable(descriptor: number, { TERM = 'dumb' }: NodeJS.ProcessEnv): boolean {
  return isatty(descriptor) && TERM !== '' && TERM !== 'dumb';
}

/** Whether what goes to the descriptor is to be coloured (no-color.org). */
export function takesColours(descriptor: number, environment: NodeJS.ProcessEnv): boolean {
  return isDrawable(descriptor, environment) && (environment['NO_COLOR'] ?? '') === '';
}

export function widthOfLine(line: Line): number {
  return line.reduce((sum, { text }) => sum + widthOf(text), 0);
}

/** At most `columns` wide: the beginning, and two dots for the rest. */
export function cutLine(line: Line, columns: number): Line {
  if (widthOfLine(line) <= columns) return line;
  let left = columns - 2;
  const taken: Span[] = [];
  for (const span of line) {
    const width = widthOf(span.text);
    if (width > left) return [...taken, { ...span, text: cutEnd(span.text, left + 2) }];
    taken.push(span);
    left -= width;
  }
  return taken;
}

/** Without blanks at its end. */
export function renderLine(line: Line, isColoured: boolean): string {
  if (!isColoured)
    return line
      .map(({ text }) => text)
      .join('')
      .trimEnd();
  // Where it goes was asked before, and not by process.stdout.
  return line
    .map(({ text, colour }) =>
      colour === undefined ? text : styleText(colour, text, { validateStream: false }),
    )
    .join('')
    .trimEnd();
}

export function renderLines(lines: readonly Line[], isColoured: boolean): string {
  return lines.map((line) => `${renderLine(line, isColoured)}\n`).join('');
}
