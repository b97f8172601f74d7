// Both commands as their completions know them.
import type { Command } from 'commander';
import { options } from '../command-line/options.ts';
import {
  clauseOf,
  helpSpelling,
  operandsOf,
  spellingOfOption,
  spellingOfRow,
  type Spelling,
  type Value,
} from './spelling.ts';

export interface Subcommand {
  readonly name: string;
  readonly help: string;
  /** Its own, and those of every command. */
  readonly options: readonly Spelling[];
  readonly operands: readonly Value[];
  readonly isVariadic: boolean;
}

export interface CompletionModel {
  /** Of spawn-fcgi. */
  readonly options: readonly Spelling[];
  /** Of spawn-fcgictl, before a command. */
  readonly general: readonly Spelling[];
  readonly commands: readonly Subcommand[];
}

export function completionModel(program: Command): CompletionModel {
  const general = [...program.options.map(spellingOfOption), helpSpelling];
  const anywhere = general.filter(({ names }) => !names.includes('--version'));
  return {
    options: options.map(spellingOfRow),
    general,
    commands: program.commands.map((command) => ({
      name: command.name(),
      help: clauseOf(command.description().replaceAll('\n', ' ')),
      options: [...command.options.map(spellingOfOption), ...anywhere],
      operands: operandsOf(command).values,
      isVariadic: operandsOf(command).isVariadic,
    })),
  };
}

/** The template with each line `# @NAME` and each word `@NAME@` replaced. */
export function fillTemplate(template: string, places: Readonly<Record<string, string>>): string {
  const take = (name: string): string => {
    const text = places[name];
    if (text === undefined) throw new Error(`completion: there is no @${name}`);
    return text.trimEnd();
  };
  return template
    .replaceAll(/^( *)# @(\w+)$/gm, (_, indent: string, name: string) =>
      take(name).replaceAll(/^(?=.)/gm, indent),
    )
    .replaceAll(/@(\w+)@/g, (_, name: string) => take(name));
}
