// What a word comes to, with what is known of the variables: fields, as after a shell's splitting, and in each what is not
// known.
import { SpawnFcgiError } from '../../../core/errors.ts';
import { type Part, scanWord } from './parts.ts';

export interface Field {
  /** With what is not known as it is written. */
  readonly text: string;
  /** `$(hostname)`, `$1`; empty: all of it is known. */
  readonly unknown: readonly string[];
}

/** Of the text of a field: whether it has something in it that is not known; `cd ~` and `cd -` lead there, too. */
export function isUnsaid(text: string): boolean {
  return /[$`]|^~|^-$/.test(text);
}

/** Undefined: nobody has said what it is. */
export type Values = ReadonlyMap<string, Field>;

/** A variable that is made of itself doubles each time. */
const mostLength = 1024 * 1024;

interface Piece extends Field {
  readonly isQuoted: boolean;
}

/** The fields of a word: none for an unquoted variable that is empty, several for one with blanks. */
export function expandWord(parts: readonly Part[], values: Values): Field[] {
  const fields: { text: string; unknown: string[] }[] = [];
  let current: { text: string; unknown: string[] } | undefined;
  for (const piece of parts.flatMap((part) => piecesOf(part, values))) {
    if (piece.isQuoted) {
      current ??= { text: '', unknown: [] };
      current.text += piece.text;
      current.unknown.push(...piece.unknown);
      continue;
    }
    for (const bit of piece.text.split(/(\s+)/)) {
      if (bit === '') continue;
      if (/^\s/.test(bit)) {
        if (current) fields.push(current);
        current = undefined;
        continue;
      }
      current ??= { text: '', unknown: [] };
      current.text += bit;
    }
    if (piece.unknown.length > 0) (current ??= { text: '', unknown: [] }).unknown.push(...piece.unknown);
  }
  if (current) fields.push(current);
  return fields;
}

/** A word as the value of a variable: nothing is split. */
export function expandValue(parts: readonly Part[], values: Values): Field {
  const pieces = parts.flatMap((part) => piecesOf(part, values));
  const text = pieces.map((piece) => piece.text).join('');
  if (text.length > mostLength)
    throw new SpawnFcgiError('a variable in it has grown to more than 1 MB, as none of a start does');
  return { text, unknown: pieces.flatMap(({ unknown }) => unknown) };
}

function piecesOf(part: Part, values: Values): Piece[] {
  switch (part.kind) {
    case 'text':
      return [{ text: part.text, unknown: [], isQuoted: part.isQuoted }];
    case 'unknown':
      if (/^\$\(\s*echo\s/.test(part.source)) return [echoed(part, values)];
      return [{ text: part.source, unknown: [part.source], isQuoted: true }];
    case 'variable':
      return [{ ...valueOf(part, values), isQuoted: part.isQuoted }].flatMap(asOne);
  }
}

/** `$(echo words)`, which needs no run; with another command in it, it is not known. */
function echoed({ source, isQuoted }: Extract<Part, { kind: 'unknown' }>, values: Values): Piece {
  const words = source.slice(2, -1).trim();
  if (/[;&|<>`]|\$\(/.test(words)) return { text: source, unknown: [source], isQuoted: true };
  const fields = splitWords(words, values).slice(1);
  const unknown = fields.flatMap((field) => field.unknown);
  return {
    text: fields.map(({ text }) => text).join(' '),
    unknown,
    isQuoted: isQuoted || unknown.length > 0,
  };
}

/** Nothing is split at the blanks of `$(cat file)`, but what stands around it is. */
function asOne(piece: Piece): Piece[] {
  if (piece.isQuoted || piece.unknown.length === 0) return [piece];
  const pieces: Piece[] = [];
  let rest = piece.text;
  for (const source of piece.unknown) {
    const at = rest.indexOf(source);
    if (at < 0) return [{ ...piece, isQuoted: true }];
    pieces.push({ text: rest.slice(0, at), unknown: [], isQuoted: false });
    pieces.push({ text: source, unknown: [source], isQuoted: true });
    rest = rest.slice(at + source.length);
  }
  return [...pieces, { text: rest, unknown: [], isQuoted: false }];
}

function valueOf(part: Extract<Part, { kind: 'variable' }>, values: Values): Field {
  const value = values.get(part.name);
  const operand = (): Field => expandValue(part.operand, values);
  const isThere = value !== undefined && (value.text !== '' || !part.operator.startsWith(':'));
  switch (part.operator.replace(':', '')) {
    case '-':
    case '=':
      return isThere ? value : operand();
    case '+':
      return isThere ? operand() : { text: '', unknown: [] };
    case '':
    case '?':
      return value ?? { text: part.source, unknown: [part.source] };
    default:
      return value === undefined || value.unknown.length > 0
        ? { text: part.source, unknown: [part.source] }
        : cut(part, value.text, operand());
  }
}

/** `${NAME#…}`, `${NAME##*…}`, `${NAME%…*}`, with `*` for anything. */
function cut(
  { operator, source }: { operator: string; source: string },
  text: string,
  pattern: Field,
): Field {
  if (pattern.unknown.length > 0 || /[?[\\]/.test(pattern.text)) return { text: source, unknown: [source] };
  const isGreedy = operator.length === 2;
  const fits = (piece: string): boolean => matchesForm(piece, pattern.text);
  const lengths = Array.from({ length: text.length + 1 }, (_, length) => length);
  const isHead = operator.startsWith('#');
  const pieces = lengths.map((length) => (isHead ? text.slice(0, length) : text.slice(text.length - length)));
  const found = isGreedy ? pieces.findLast(fits) : pieces.find(fits);
  const count = found?.length ?? 0;
  return { text: isHead ? text.slice(count) : text.slice(0, text.length - count), unknown: [] };
}

/** Whether a text is of a form with `*` in it; without a regular expression, which a hostile one could keep busy. */
export function matchesForm(text: string, form: string): boolean {
  const [first = '', ...rest] = form.split('*');
  if (rest.length === 0) return text === form;
  if (!text.startsWith(first)) return false;
  const last = rest.pop() ?? '';
  let at = first.length;
  for (const middle of rest) {
    const found = text.indexOf(middle, at);
    if (found < 0) return false;
    at = found + middle.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

/** The fields of a text that a shell reads anew: the command of `su -c`, or a systemd unit's. */
export function splitWords(text: string, values: Values): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at < text.length;) {
    if (/\s/.test(text.charAt(at))) {
      at++;
      continue;
    }
    const { parts, end } = scanWord(text, at, /\s/);
    fields.push(...expandWord(parts, values));
    at = end;
  }
  return fields;
}
