// A shell script as the list of commands that stand in it, in their order, whatever the flow of control makes of them. Runs
// nothing, and reads no other file.
import { type Part, scanWord } from './parts.ts';

export interface Command {
  readonly words: readonly (readonly Part[])[];
  readonly line: number;
  /** The `for`, `while` or `until` around it, as it is written. */
  readonly loop: string | undefined;
}

const loops = new Set(['for', 'while', 'until', 'select']);
/** Words before a command that are none of it. */
const openers = new Set(['if', 'then', 'elif', 'else', 'do', '{', '!', 'while', 'until', 'time']);
const closers = new Set(['fi', 'esac', '}']);

/** Commands and assignments, one after the other. */
export function scanCommands(text: string): Command[] {
  return new Scanner(text).scan();
}

class Scanner {
  readonly #text: string;
  readonly #commands: Command[] = [];
  readonly #loops: string[] = [];
  readonly #hereDocuments: { end: string; stripsTabs: boolean }[] = [];
  #words: (readonly Part[])[] = [];
  #at = 0;
  #line = 1;
  #startLine = 1;

  constructor(text: string) {
    this.#text = text;
  }

  scan(): Command[] {
    while (this.#at < this.#text.length) this.#step();
    this.#finish();
    return this.#commands;
  }

  #step(): void {
    const char = this.#text.charAt(this.#at);
    if (char === '\\' && this.#text[this.#at + 1] === '\n') this.#move(this.#at + 2);
    else if (char === '\n') this.#newLine();
    else if (/\s/.test(char)) this.#move(this.#at + 1);
    else if (char === '#') this.#move(this.#lineEnd());
    else if (this.#redirection()) return;
    else if (/[;&|()]/.test(char)) {
      this.#finish();
      this.#move(this.#at + 1);
    } else this.#word();
  }

  #newLine(): void {
    this.#finish();
    this.#move(this.#at + 1);
    for (const { end, stripsTabs } of this.#hereDocuments.splice(0)) {
      while (this.#at < this.#text.length) {
        const line = this.#text.slice(this.#at, this.#lineEnd());
        this.#move(Math.min(this.#lineEnd() + 1, this.#text.length));
        if ((stripsTabs ? line.replace(/^\t+/, '') : line) === end) break;
      }
    }
  }

  /** `>file`, `2>&1`, `<<END`: passed over. */
  #redirection(): boolean {
    const operator = /^(?:\d*(?:>>|>\||[<>]&|<<-?|<>|[<>])|&>>?)/.exec(
      this.#text.slice(this.#at, this.#at + 16),
    )?.[0];
    if (operator === undefined) return false;
    this.#move(this.#at + operator.length);
    while (/[ \t]/.test(this.#text.charAt(this.#at))) this.#move(this.#at + 1);
    const start = this.#at;
    const { end } = scanWord(this.#text, start);
    if (/<<-?$/.test(operator))
      this.#hereDocuments.push({
        end: this.#text.slice(start, end).replaceAll(/['"\\]/g, ''),
        stripsTabs: operator.endsWith('-'),
      });
    this.#move(end);
    return true;
  }

  #word(): void {
    const { parts, end } = scanWord(this.#text, this.#at);
    const plain = plainText(parts);
    if (this.#words.length === 0) {
      this.#startLine = this.#line;
      if (this.#keyword(plain, end)) return;
    }
    this.#words.push(parts);
    this.#move(end);
  }

  /** Whether the word at the beginning of a command is one of the shell's own. */
  #keyword(word: string | undefined, end: number): boolean {
    if (word === undefined) return false;
    if (loops.has(word)) this.#loops.push(this.#text.slice(this.#at, this.#lineEnd()).trim());
    if (word === 'done') this.#loops.pop();
    if (word === 'for' || word === 'case' || word === 'select') {
      // Up to the `do`, or the `in`: a list, or a word, and no command.
      this.#move(this.#headEnd(end, word === 'case' ? /\sin\s/ : /[;\n]/));
      return true;
    }
    if (!openers.has(word) && !closers.has(word) && word !== 'done') return false;
    this.#move(end);
    return true;
  }

  #headEnd(from: number, end: RegExp): number {
    const found = end.exec(this.#text.slice(from));
    return found ? from + found.index + found[0].trimEnd().length : this.#text.length;
  }

  #finish(): void {
    if (this.#words.length > 0)
      this.#commands.push({ words: this.#words, line: this.#startLine, loop: this.#loops.at(-1) });
    this.#words = [];
  }

  #lineEnd(): number {
    const end = this.#text.indexOf('\n', this.#at);
    return end < 0 ? this.#text.length : end;
  }

  #move(to: number): void {
    for (
      let at = this.#text.indexOf('\n', this.#at);
      at >= 0 && at < to;
      at = this.#text.indexOf('\n', at + 1)
    )
      this.#line++;
    this.#at = to;
  }
}

/** A word without quotes and variables. */
function plainText(parts: readonly Part[]): string | undefined {
  let text = '';
  for (const part of parts) {
    if (part.kind !== 'text' || part.isQuoted) return undefined;
    text += part.text;
  }
  return text;
}

/** `NAME=word` in front of a command, or alone. */
export function assignmentOf(parts: readonly Part[]): { name: string; value: readonly Part[] } | undefined {
  const leading = parts.findIndex((part) => part.kind !== 'text' || part.isQuoted);
  const texts = leading < 0 ? parts : parts.slice(0, leading);
  const head = texts.map((part) => (part.kind === 'text' ? part.text : '')).join('');
  const match = /^([A-Za-z_]\w*)(\+?)=/.exec(head);
  if (!match) return undefined;
  const [all, name = '', plus] = match;
  const rest = parts.slice(all.length);
  if (plus === '') return { name, value: rest };
  const before: Part = { kind: 'variable', name, operator: '', operand: [], isQuoted: true, source: '' };
  return { name, value: [before, ...rest] };
}
