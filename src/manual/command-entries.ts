// The commands of spawn-fcgictl and its options as entries of its manual page: what there is commander knows, what a
// command does the table of docs/spawn-fcgictl.md says.
import type { Command, Option } from 'commander';
import { bold, entry, italic, sentence, toRoff } from './roff.ts';
import type { Row } from './page-tables.ts';

export function commandEntries(program: Command, rows: readonly Row[]): string {
  return commandsOf(program)
    .map((command) => {
      const row = rows.find(({ command: cell = '' }) => cell.startsWith(`\`${command.name()} `));
      if (row?.['what it does'] === undefined)
        throw new Error(`manual: docs/spawn-fcgictl.md has no row for ${command.name()}`);
      const text = toRoff(sentence(row['what it does']));
      const own = command.options.map(describeOption).join('');
      return entry(labelOf(command), text) + (own === '' ? '' : `.RS\n${own}.RE\n`);
    })
    .join('');
}

/** Those before the command. */
export function generalEntries(program: Command): string {
  return program.options.map(describeOption).join('') + entry(`${bold('-h')}, ${bold('--help')}`, helpText);
}

const helpText = 'Show help, behind a command that of the command.';

/** Without `help`, which commander adds. */
function commandsOf(program: Command): readonly Command[] {
  return program.commands.filter((command) => command.name() !== 'help');
}

function labelOf(command: Command): string {
  const operands = command.registeredArguments.map((operand) => {
    const word = italic(operand.name() + (operand.variadic ? '...' : ''));
    // Of an optional one the command itself may say that it is required.
    return command.usage().includes(`<${operand.name()}`) ? word : `[${word}]`;
  });
  return [bold(command.name()), ...operands].join(' ');
}

function describeOption({ short, long, flags, description, defaultValue }: Option): string {
  const names = [short, long].filter((name) => name !== undefined).map(bold);
  const argument = /(?<open>[<[])(?<name>[^\]>]+)/.exec(flags)?.groups;
  const word = argument && italic(argument['name']?.toUpperCase() ?? '');
  const value = word === undefined ? '' : argument?.['open'] === '[' ? ` [${word}]` : ` ${word}`;
  const usual = defaultValue === undefined ? '' : ` (default: ${defaultValue})`;
  return entry(names.join(', ') + value, toRoff(sentence(description.replaceAll('\n', ' ') + usual)));
}

/** A line of its synopsis for each command. */
export function synopsis(program: Command): string {
  const name = bold(program.name());
  const lines = commandsOf(program).map((command) => `${name} [${italic('options')}] ${labelOf(command)}`);
  return `${lines.join('\n.br\n')}\n`;
}
