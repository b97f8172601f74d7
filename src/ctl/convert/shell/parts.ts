// The words of a shell script as a shell reads them, without running anything: texts, variables, and what only a run
// would tell. dash's grammar, as far as configuration and start scripts use it.

export type Part =
  | { readonly kind: 'text'; readonly text: string; readonly isQuoted: boolean }
  | {
      readonly kind: 'variable';
      readonly name: string;
      /** `${NAME:-…}`, and its like. */
      readonly operator: string;
      readonly operand: readonly Part[];
      readonly isQuoted: boolean;
      readonly source: string;
    }
  /** `$(…)`, `$1` and all that the file does not say. */
  | { readonly kind: 'unknown'; readonly source: string; readonly isQuoted: boolean };

export interface Scanned {
  readonly parts: readonly Part[];
  /** The index behind it. */
  readonly end: number;
}

/** Of one `${…}`: they may stand in each other. */
const mostInBraces = 4096;
const wordEnd = /[\s;&|<>()]/;

/** The word that begins at `at`. */
export function scanWord(text: string, at: number, stop: RegExp = wordEnd): Scanned {
  const parts: Part[] = [];
  let index = at;
  while (index < text.length && !stop.test(text.charAt(index))) {
    const scanned = scanPart(text, index);
    parts.push(...scanned.parts);
    index = Math.max(scanned.end, index + 1);
  }
  return { parts, end: index };
}

function scanPart(text: string, at: number): Scanned {
  const char = text.charAt(at);
  if (char === "'") {
    const close = text.indexOf("'", at + 1);
    const end = close < 0 ? text.length : close;
    return { parts: [quotedText(text.slice(at + 1, end))], end: end + 1 };
  }
  if (char === '"') return scanDoubleQuotes(text, at + 1);
  if (char === '\\') {
    if (text[at + 1] === '\n') return { parts: [], end: at + 2 };
    return { parts: [quotedText(text.charAt(at + 1))], end: at + 2 };
  }
  if (char === '$' || char === '`') return scanExpansion(text, at, false);
  return { parts: [{ kind: 'text', text: char, isQuoted: false }], end: at + 1 };
}

function quotedText(text: string): Part {
  return { kind: 'text', text, isQuoted: true };
}

function scanDoubleQuotes(text: string, at: number): Scanned {
  // An empty pair of quotes is a word, too.
  const parts: Part[] = [quotedText('')];
  let index = at;
  while (index < text.length && text[index] !== '"') {
    const char = text.charAt(index);
    if (char === '\\') {
      const next = text.charAt(index + 1);
      if (next !== '\n') parts.push(quotedText(/["$`\\]/.test(next) ? next : `\\${next}`));
      index += 2;
    } else if (char === '$' || char === '`') {
      const scanned = scanExpansion(text, index, true);
      parts.push(...scanned.parts);
      index = scanned.end;
    } else {
      parts.push(quotedText(char));
      index++;
    }
  }
  return { parts, end: index + 1 };
}

function scanExpansion(text: string, at: number, isQuoted: boolean): Scanned {
  const rest = text.slice(at);
  const plain = /^\$([A-Za-z_]\w*)/.exec(rest);
  if (plain) {
    const [source, name = ''] = plain;
    const part: Part = { kind: 'variable', name, operator: '', operand: [], isQuoted, source };
    return { parts: [part], end: at + source.length };
  }
  if (rest.startsWith('${')) return scanBraces(text, at, isQuoted);
  if (rest.startsWith('$(') || rest.startsWith('`')) {
    const end = rest.startsWith('`') ? closingTick(text, at + 1) : closing(text, at + 1, '(', ')');
    return { parts: [{ kind: 'unknown', source: text.slice(at, end), isQuoted }], end };
  }
  const special = /^\$[\d@*#?$!-]/.exec(rest)?.[0];
  if (special !== undefined)
    return { parts: [{ kind: 'unknown', source: special, isQuoted }], end: at + special.length };
  return { parts: [{ kind: 'text', text: '$', isQuoted }], end: at + 1 };
}

function scanBraces(text: string, at: number, isQuoted: boolean): Scanned {
  const end = closing(text, at + 1, '{', '}');
  const source = text.slice(at, end);
  if (source.length > mostInBraces) return { parts: [{ kind: 'unknown', source, isQuoted }], end };
  const [, name, operator, operand = ''] =
    /^\$\{([A-Za-z_]\w*)(?:(:?[-=+?]|##?|%%?)([^]*))?\}$/.exec(source) ?? [];
  if (name === undefined) return { parts: [{ kind: 'unknown', source, isQuoted }], end };
  const parts = scanWord(operand, 0, /(?!)/).parts;
  return {
    parts: [{ kind: 'variable', name, operator: operator ?? '', operand: parts, isQuoted, source }],
    end,
  };
}

/** The index behind the bracket that closes the one at `at`; quotes are passed over. */
function closing(text: string, at: number, open: string, close: string): number {
  let depth = 0;
  for (let index = at; index < text.length; index++) {
    const char = text.charAt(index);
    if (char === '\\') index++;
    else if (char === "'") {
      const end = text.indexOf("'", index + 1);
      if (end < 0) return text.length;
      index = end;
    } else if (char === open) depth++;
    else if (char === close && --depth === 0) return index + 1;
  }
  return text.length;
}

function closingTick(text: string, at: number): number {
  for (let index = at; index < text.length; index++) {
    if (text[index] === '\\') index++;
    else if (text[index] === '`') return index + 1;
  }
  return text.length;
}
