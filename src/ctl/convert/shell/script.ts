// A shell script followed from its first command to its last, as if every branch were taken once: what is assigned,
// exported and set, and the commands that are run under that. Nothing is executed.
import { posix } from 'node:path';
import { SpawnFcgiError } from '../../../core/errors.ts';
import { assignmentOf, type Command, scanCommands } from './commands.ts';
import { expandValue, expandWord, type Field, isUnsaid, type Values } from './expand.ts';
import { assignmentsIn, type Circumstances, mostDepth, type ReadText, unwrap } from './wrappers.ts';

/** A command, without what only wraps it (`sudo`, `env`, `nohup` …). */
export interface Run extends Circumstances {
  readonly argv: readonly Field[];
  readonly line: number;
  readonly loop: string | undefined;
  /** Of variables that its words are made of. */
  readonly names: readonly string[];
}

export interface Script {
  readonly runs: readonly Run[];
  /** Those in `$(…)`: what they print is asked for. */
  readonly asked: readonly Run[];
  /** At the end. */
  readonly values: Values;
  /** Names of those that are assigned more than once: in branches, mostly. */
  readonly reassigned: ReadonlySet<string>;
}

export function readScript(text: string): Script {
  return new Reader(new Map(), none, 0, { left: mostTexts }).read(scanCommands(text));
}

/** Of texts that stand in one another: a variable may have itself in its value several times, and be read anew. */
const mostTexts = 5000;

const none: Circumstances = {
  variables: new Map(),
  inherits: undefined,
  user: undefined,
  group: undefined,
  directory: undefined,
  umask: undefined,
  limits: [],
  nice: undefined,
  chroot: undefined,
};

class Reader {
  readonly #values: Map<string, Field>;
  readonly #exported = new Map<string, Field>();
  readonly #marked = new Set<string>();
  readonly #assigned = new Set<string>();
  readonly #reassigned = new Set<string>();
  readonly #runs: Run[] = [];
  readonly #asked: Run[] = [];
  #circumstances: Circumstances;
  readonly #depth: number;
  readonly #texts: { left: number };
  /** What held before each `(` that is open. */
  readonly #outside: { subshell: number; circumstances: Circumstances }[] = [];

  /** `around` holds for all of it, which stands that deep in other commands. */
  constructor(known: Values, around: Circumstances, depth: number, texts: { left: number }) {
    this.#values = new Map([...known, ...around.variables]);
    this.#circumstances = around;
    this.#depth = depth;
    this.#texts = texts;
  }

  read(commands: readonly Command[]): Script {
    for (const command of commands) this.#follow(command);
    return { runs: this.#runs, asked: this.#asked, values: this.#values, reassigned: this.#reassigned };
  }

  /** What `cd`, `umask` and `ulimit` do in `( … )` ends with it. */
  #enter(subshells: readonly number[]): void {
    const left = this.#outside.findIndex(({ subshell }) => !subshells.includes(subshell));
    if (left >= 0) this.#circumstances = this.#outside.splice(left)[0]?.circumstances ?? this.#circumstances;
    for (const subshell of subshells)
      if (!this.#outside.some((one) => one.subshell === subshell))
        this.#outside.push({ subshell, circumstances: this.#circumstances });
  }

  #follow({ words, line, loop, subshells }: Command): void {
    this.#enter(subshells);
    for (const part of words.flat()) if (part.kind === 'unknown') this.#ask(part.source, line, loop);
    const found = words.map(assignmentOf);
    const first = found.findIndex((assignment) => assignment === undefined);
    const assignments = found.slice(0, first < 0 ? found.length : first).filter((one) => one !== undefined);
    if (first < 0) {
      for (const { name, value } of assignments) this.#assign(name, expandValue(value, this.#values));
      return;
    }
    const own = new Map(assignments.map(({ name, value }) => [name, expandValue(value, this.#values)]));
    const argv = words.slice(first).flatMap((parts) => expandWord(parts, this.#values));
    if (argv.length === 0 || this.#builtin(argv, words.slice(first))) return;
    const names = words.flat().flatMap((part) => (part.kind === 'variable' ? [part.name] : []));
    const around = {
      ...this.#circumstances,
      variables: new Map([...this.#circumstances.variables, ...this.#exported, ...own]),
    };
    const readText: ReadText = (text, circumstances, depth) => this.#read(text, circumstances, depth).runs;
    for (const inner of unwrap(argv, around, readText, this.#depth))
      this.#runs.push({ ...inner, line, loop, names });
  }

  /** A text that stands in this one, and changes nothing in it. */
  #read(text: string, around: Circumstances, depth: number): Script {
    if (this.#texts.left-- <= 0)
      throw new SpawnFcgiError('commands in it are made of one another without end, as none of a start are');
    return new Reader(this.#values, around, depth, this.#texts).read(scanCommands(text));
  }

  #ask(source: string, line: number, loop: string | undefined): void {
    const [, inParentheses, inTicks] = /^(?:\$\(([^]*)\)|`([^]*)`)$/.exec(source) ?? [];
    const text = inParentheses ?? inTicks;
    if (text === undefined || this.#depth >= mostDepth) return;
    const variables = new Map([...this.#circumstances.variables, ...this.#exported]);
    const { runs, asked } = this.#read(text, { ...this.#circumstances, variables }, this.#depth + 1);
    for (const run of [...runs, ...asked]) this.#asked.push({ ...run, line, loop });
  }

  #assign(name: string, value: Field): void {
    if (this.#assigned.has(name) && this.#values.get(name)?.text !== value.text) this.#reassigned.add(name);
    this.#assigned.add(name);
    this.#values.set(name, value);
    if (this.#marked.has(name)) this.#exported.set(name, value);
  }

  /** What changes the shell itself, and so what comes after it. */
  #builtin(argv: readonly Field[], words: Command['words']): boolean {
    const [name = '', first = ''] = argv.map(({ text }) => text);
    switch (name) {
      case 'export':
      case 'readonly':
      case 'local':
      case 'declare':
      case 'typeset':
        this.#declare(words.slice(1), name === 'export' || argv.some(({ text }) => /^-\w*x/.test(text)));
        return true;
      case 'unset':
        for (const { text } of argv.slice(1)) {
          this.#values.delete(text);
          this.#exported.delete(text);
        }
        return true;
      case ':':
        for (const word of words.slice(1)) this.#assignDefaults(word);
        return true;
      case 'cd':
        if (argv[1]) this.#changeDirectory(first);
        return true;
      case 'umask':
        if (/^[^-]/.test(first)) this.#circumstances = { ...this.#circumstances, umask: first };
        return true;
      case 'ulimit':
        this.#limit(argv.slice(1).map(({ text }) => text));
        return true;
      default:
        return false;
    }
  }

  /** A relative path begins where the last one has led. */
  #changeDirectory(path: string): void {
    const { directory } = this.#circumstances;
    const isRelative = directory !== undefined && !/^[/$`~-]/.test(path);
    const whole = isRelative ? posix.join(directory, path) : path;
    this.#circumstances = { ...this.#circumstances, directory: whole };
  }

  #declare(words: Command['words'], isExported: boolean): void {
    for (const { name, value } of assignmentsIn(words, this.#values)) {
      if (isExported) this.#marked.add(name);
      if (value) this.#assign(name, value);
      const known = this.#values.get(name);
      if (isExported && known) this.#exported.set(name, known);
    }
  }

  /** `: ${NAME:=value}`. */
  #assignDefaults(word: Command['words'][number]): void {
    for (const part of word)
      if (part.kind === 'variable' && /^:?=$/.test(part.operator))
        this.#assign(part.name, expandValue([part], this.#values));
  }

  #limit(words: readonly string[]): void {
    const flags = words.filter((word) => word.startsWith('-')).join('');
    const value = words.find((word) => /^(?:\d+|unlimited)$/.test(word) || isUnsaid(word));
    const letter = /[cdflmnstuv]/.exec(flags)?.[0] ?? 'f';
    if (value === undefined) return;
    const limit = toLimit(letter, value);
    this.#circumstances = { ...this.#circumstances, limits: [...this.#circumstances.limits, limit] };
  }
}

/** ulimit's letters: the limit, and how many bytes (or whatever it is counted in) are one. */
const limitOf: Record<string, readonly [string, number]> = {
  c: ['core', 512],
  d: ['data', 1024],
  f: ['fsize', 512],
  l: ['memlock', 1024],
  m: ['rss', 1024],
  n: ['nofile', 1],
  s: ['stack', 1024],
  t: ['cpu', 1],
  u: ['nproc', 1],
  v: ['as', 1024],
};

function toLimit(letter: string, value: string): string {
  const [name, unit] = limitOf[letter] ?? ['nofile', 1];
  return `${name}=${value === 'unlimited' || isUnsaid(value) ? value : String(Number(value) * unit)}`;
}
