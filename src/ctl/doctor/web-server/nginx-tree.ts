// nginx's configuration as a tree of directives, each with its file and line; includes are in the places where they
// stand. Pure but for the files that it is given by name.

export interface Directive {
  readonly name: string;
  readonly args: readonly string[];
  /** `FILE:LINE`. */
  readonly place: string;
  /** Undefined: it ends with a semicolon. */
  readonly block: readonly Directive[] | undefined;
}

export interface Files {
  read(path: string): string | undefined;
  expand(pattern: string): readonly string[];
}

interface Token {
  readonly text: string;
  readonly line: number;
  readonly isQuoted: boolean;
}

const deepest = 30;

/** Relative includes are relative to `prefix`. */
export function parseNginx(path: string, prefix: string, files: Files, depth = 0): Directive[] {
  const text = depth > deepest ? undefined : files.read(path);
  if (text === undefined) return [];
  const tokens = tokensOf(text);
  let at = 0;
  const readBlock = (): Directive[] => {
    const found: Directive[] = [];
    let words: Token[] = [];
    const finish = (block: Directive[] | undefined): void => {
      const [first, ...rest] = words;
      words = [];
      if (!first) return;
      const args = rest.map((token) => token.text);
      if (first.text === 'include') {
        const pattern = args[0] ?? '';
        const whole = pattern.startsWith('/') ? pattern : `${prefix}/${pattern}`;
        for (const one of files.expand(whole)) found.push(...parseNginx(one, prefix, files, depth + 1));
      } else found.push({ name: first.text, args, place: `${path}:${first.line}`, block });
    };
    for (let token = tokens[at++]; token; token = tokens[at++]) {
      if (token.isQuoted) words.push(token);
      else if (token.text === '}') return found;
      else if (token.text === ';') finish(undefined);
      else if (token.text === '{') finish(readBlock());
      else words.push(token);
    }
    return found;
  };
  return readBlock();
}

/** Words, `;`, `{` and `}`; comments are left out. `${name}` is part of a word. */
function tokensOf(text: string): Token[] {
  const pattern = /#[^\n]*|"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)'|[;{}]|\n|(?:\\.|\$\{\w*\}|[^\s;{}])+/g;
  const tokens: Token[] = [];
  let line = 1;
  for (const match of text.matchAll(pattern)) {
    const [whole, double, single] = match;
    const quoted = double ?? single;
    if (quoted !== undefined)
      tokens.push({ text: quoted.replaceAll(/\\(["'\\])/g, '$1'), line, isQuoted: true });
    else if (whole !== '\n' && !whole.startsWith('#')) tokens.push({ text: whole, line, isQuoted: false });
    line += whole.split('\n').length - 1;
  }
  return tokens;
}
