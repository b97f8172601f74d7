// What shells are told of an option, or of an operand: its names, one clause on it, what can stand there.
import type { Command, Option } from 'commander';
import { fillIn, shortForms, type OptionRow } from '../command-line/option.ts';

export interface Spelling {
  /** `-s`, `--socket`. */
  readonly names: readonly string[];
  readonly help: string;
  /** Undefined: a switch. */
  readonly value: Value | undefined;
  readonly repeats: boolean;
}

export interface Value {
  /** For people. */
  readonly name: string;
  /** `path`: one of the words, or a path; `words`: one of them, or what nobody can guess. */
  readonly kind: 'file' | 'directory' | 'user' | 'group' | 'path' | 'words' | 'target';
  readonly words: readonly string[];
  /** `[uri]`: it may be left out. */
  readonly isOptional: boolean;
}

const kinds: Readonly<Record<string, Value['kind']>> = {
  directory: 'directory',
  dir: 'directory',
  path: 'file',
  file: 'file',
  pattern: 'file',
  cmd: 'file',
  command: 'file',
  user: 'user',
  group: 'group',
  target: 'target',
  targets: 'target',
  address: 'target',
};

export function spellingOfRow(row: OptionRow): Spelling {
  const name = row.argument?.replaceAll(/[<>]/g, '');
  const words = row.words ?? [];
  // The address of an option is no pool.
  const usual = name === 'address' || name === undefined ? 'words' : (kinds[name] ?? 'words');
  const kind = row.takesPath ? 'path' : usual;
  return {
    names: [...shortForms(row), `--${row.long}`],
    help: clauseOf(fillIn(row.help, row)),
    value: name === undefined ? undefined : { name, kind, words, isOptional: false },
    repeats: row.repeats ?? false,
  };
}

export function spellingOfOption(option: Option): Spelling {
  const { short, long, flags, description, required, optional } = option;
  const words = option.argChoices ?? [];
  const name = /[<[]([^\]>]+)/.exec(flags)?.[1] ?? '';
  const kind = kinds[name] ?? 'words';
  return {
    names: [short, long].filter((one) => one !== undefined),
    help: clauseOf(description.replaceAll('\n', ' ')),
    value: required || optional ? { name, kind, words, isOptional: optional } : undefined,
    repeats: description.includes('may be repeated') || description === 'as of request',
  };
}

/** What stands behind a command, in its order; the last one may stand there again if it is variadic. */
export function operandsOf(command: Command): {
  readonly values: readonly Value[];
  readonly isVariadic: boolean;
} {
  const values = command.registeredArguments.map((operand): Value => {
    const name = operand.name();
    const words = operand.argChoices ?? [];
    const kind = words.length > 0 ? 'words' : (kinds[name] ?? 'words');
    return { name, kind, words, isOptional: !operand.required };
  });
  return { values, isVariadic: command.registeredArguments.at(-1)?.variadic ?? false };
}

/** Up to what only a reader of the manual wants to know. */
export function clauseOf(help: string): string {
  const [clause = ''] = help.split('; ');
  return clause.replace(/ \([^()]*\)?$/, '');
}

export const helpSpelling: Spelling = {
  names: ['-h', '--help'],
  help: 'show this help',
  value: undefined,
  repeats: false,
};
