// lighttpd's configuration: its words and values. What a condition holds is read as if it were true; include_shell and its
// like are never run.

/** Text, a number, or a list, whose entries may have keys. */
export type Value = string | readonly Entry[];

export interface Entry {
  readonly key: string | undefined;
  readonly value: Value;
}

export interface Assignment {
  readonly name: string;
  readonly operator: '=' | '+=' | ':=';
  readonly value: Value;
  readonly line: number;
  /** `$HTTP["host"] == "example.org"`, the innermost. */
  readonly condition: string | undefined;
}

export type Statement =
  | ({ readonly kind: 'assignment' } & Assignment)
  | { readonly kind: 'include'; readonly file: string; readonly line: number }
  /** `include_shell "…"`. */
  | { readonly kind: 'command'; readonly text: string; readonly line: number };

interface Token {
  readonly kind: 'text' | 'word' | 'mark';
  readonly text: string;
  readonly line: number;
}

/** Values of variables that are known so far, to which the reader adds. */
export type Variables = Map<string, Value>;

export function readLighttpd(
  text: string,
  variables: Variables,
  environment: Readonly<Record<string, string | undefined>>,
): Statement[] {
  return new Reader(scan(text), variables, environment).read();
}

function scan(text: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  const pattern = /\n|[^\S\n]+|#.*|"((?:[^"\\]|\\[^])*)"|=>|==|!=|=~|!~|=\^|=\$|\+=|:=|[\w.$/*-]+|[^]/g;
  for (const match of text.matchAll(pattern)) {
    const [all, quoted] = match;
    if (quoted !== undefined)
      tokens.push({ kind: 'text', text: quoted.replaceAll(/\\(["\\])/g, '$1'), line });
    else if (/^[\w.$/*-]/.test(all)) tokens.push({ kind: 'word', text: all, line });
    else if (!/^[\s#]/.test(all)) tokens.push({ kind: 'mark', text: all, line });
    line += all.split('\n').length - 1;
  }
  return tokens;
}

const deepest = 50;

class Reader {
  readonly #tokens: readonly Token[];
  readonly #variables: Variables;
  readonly #environment: Readonly<Record<string, string | undefined>>;
  readonly #statements: Statement[] = [];
  readonly #conditions: string[] = [];
  #at = 0;

  constructor(
    tokens: readonly Token[],
    variables: Variables,
    environment: Readonly<Record<string, string | undefined>>,
  ) {
    this.#tokens = tokens;
    this.#variables = variables;
    this.#environment = environment;
  }

  read(): Statement[] {
    while (this.#at < this.#tokens.length) this.#statement();
    return this.#statements;
  }

  #statement(): void {
    const token = this.#next();
    if (!token) return;
    if (token.text === '}' && token.kind === 'mark') {
      this.#conditions.pop();
      return;
    }
    if (token.kind !== 'word') return;
    const line = token.line;
    const follower = this.#peek();
    if (/^include(?:_shell)?$/.test(token.text) && follower) {
      const value = this.#value(0);
      const text = typeof value === 'string' ? value : '';
      if (token.text === 'include') this.#statements.push({ kind: 'include', file: text, line });
      else this.#statements.push({ kind: 'command', text: `include_shell "${text}"`, line });
    } else if (token.text.startsWith('$') || token.text === 'else') this.#condition(token);
    else if (follower?.kind === 'mark' && /^(?:=|\+=|:=)$/.test(follower.text)) this.#assignment(token);
  }

  /** Up to the brace that opens what holds then. */
  #condition(first: Token): void {
    let text = first.text;
    for (
      let token = this.#next();
      token && !(token.kind === 'mark' && token.text === '{');
      token = this.#next()
    )
      text +=
        token.kind === 'text'
          ? `"${token.text}"`
          : token.kind === 'word' || token.text.length > 1
            ? ` ${token.text} `
            : token.text;
    this.#conditions.push(text.replaceAll(/\s+/g, ' ').slice(0, 200));
  }

  #assignment({ text, line }: Token): void {
    const operator = (this.#next()?.text ?? '=') as Assignment['operator'];
    const value = this.#value(0);
    const name = text.replace(/^var\./, '');
    const before = this.#variables.get(name);
    const joined = operator === '+=' && before !== undefined ? join(before, value) : value;
    this.#variables.set(name, joined);
    const condition = this.#conditions.at(-1);
    this.#statements.push({ kind: 'assignment', name: text, operator, value, line, condition });
  }

  #value(depth: number): Value {
    let value = this.#single(depth);
    while (this.#peek()?.kind === 'mark' && this.#peek()?.text === '+') {
      this.#at++;
      value = join(value, this.#single(depth));
    }
    return value;
  }

  #single(depth: number): Value {
    const token = this.#next();
    if (!token) return '';
    if (token.kind === 'text') return token.text;
    if (token.kind === 'word') return this.#word(token.text);
    return token.text === '(' && depth < deepest ? this.#list(depth + 1) : '';
  }

  #word(word: string): Value {
    if (word.startsWith('env.')) return this.#environment[word.slice(4)] ?? `\${${word}}`;
    const name = word.replace(/^var\./, '');
    // lighttpd sets these two itself.
    return this.#variables.get(name) ?? (/^(?:PID|CWD)$/.test(name) ? `\${${name}}` : word);
  }

  #list(depth: number): Entry[] {
    const entries: Entry[] = [];
    for (
      let token = this.#peek();
      token && !(token.kind === 'mark' && token.text === ')');
      token = this.#peek()
    ) {
      if (token.kind === 'mark' && token.text !== '(') {
        this.#at++;
        continue;
      }
      const first = this.#value(depth);
      const hasKey = this.#peek()?.text === '=>' && typeof first === 'string';
      if (hasKey) this.#at++;
      entries.push(hasKey ? { key: first, value: this.#value(depth) } : { key: undefined, value: first });
    }
    this.#at++;
    return entries;
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#at];
  }

  #next(): Token | undefined {
    return this.#tokens[this.#at++];
  }
}

const longest = 100_000;

function join(one: Value, other: Value): Value {
  if (typeof one === 'string' && typeof other === 'string') return (one + other).slice(0, longest);
  const entries = (value: Value): readonly Entry[] =>
    typeof value === 'string' ? [{ key: undefined, value }] : value;
  return [...entries(one), ...entries(other)].slice(0, longest);
}

/** The entries of a list; a text has none. */
export function entriesOf(value: Value | undefined): readonly Entry[] {
  return value === undefined || typeof value === 'string' ? [] : value;
}

/** What only lighttpd's start tells, as the reader writes it: `${PID}`, `${env.NAME}`. */
export function unsaidIn(value: Value): string[] {
  if (typeof value !== 'string') return value.flatMap((entry) => unsaidIn(entry.value));
  return value.match(/\$\{(?:PID|CWD|env\.\w+)\}/g) ?? [];
}

export function textOf(value: Value | undefined): string {
  return typeof value === 'string' ? value : '';
}
