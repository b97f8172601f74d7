// The completions for fish, from their templates.
import { fillTemplate, type CompletionModel, type Subcommand } from './model.ts';
import type { Spelling, Value } from './spelling.ts';

export function fishOfSpawnFcgi(template: string, { options }: CompletionModel): string {
  const lines = options.map((option) => describeOption('spawn-fcgi', option, 'not __spawn_fcgi_is_program'));
  return fillTemplate(template, { options: lines.join('\n') });
}

export function fishOfCtl(template: string, { general, commands }: CompletionModel): string {
  const every = general.filter(({ names }) => !names.includes('--version'));
  const before = general.filter(({ names }) => names.includes('--version'));
  const lines = [
    ...every.map((option) => describeOption('spawn-fcgictl', option)),
    ...before.map((option) => describeOption('spawn-fcgictl', option, '__spawn_fcgictl_is')),
    ...commands.map(
      ({ name, help }) => `complete -c spawn-fcgictl -n __spawn_fcgictl_is -a ${name} -d ${quote(help)}`,
    ),
    ...commands.flatMap((command) => describeCommand(command, every)),
  ];
  const valued = [...general, ...commands.flatMap(({ options }) => options)].filter(
    ({ value }) => value && !value.isOptional,
  );
  return fillTemplate(template, {
    options: lines.join('\n'),
    valued: [...new Set(valued.flatMap(({ names }) => names))].join(' '),
  });
}

function describeCommand(
  { name, options, operands, isVariadic }: Subcommand,
  every: readonly Spelling[],
): string[] {
  const where = `__spawn_fcgictl_is ${name}`;
  const place = isVariadic ? where : `__spawn_fcgictl_takes ${name}`;
  const own = options.filter(({ names }) => !every.some((option) => option.names[0] === names[0]));
  const [first] = operands;
  const words = first && wordsOf(first);
  const takesPath = first?.kind === 'file' || first?.kind === 'path';
  return [
    ...own.map((option) => describeOption('spawn-fcgictl', option, where)),
    ...(takesPath ? [`complete -c spawn-fcgictl -n ${quote(place)} -F`] : []),
    ...(words === undefined ? [] : [`complete -c spawn-fcgictl -n ${quote(place)} -a ${quote(words)}`]),
  ];
}

function describeOption(command: string, { names, help, value }: Spelling, where?: string): string {
  const written = names.map((name) =>
    name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${quote(name.slice(1))}`,
  );
  const condition = where === undefined ? '' : ` -n ${quote(where)}`;
  return `complete -c ${command}${condition} ${written.join(' ')}${takes(value)} -d ${quote(help)}`;
}

function takes(value: Value | undefined): string {
  if (!value || value.isOptional) return '';
  if (value.kind === 'file') return ' -rF';
  const words = wordsOf(value);
  const mode = value.kind === 'path' ? '-rF' : '-x';
  return words === undefined ? ` ${mode}` : ` ${mode} -a ${quote(words)}`;
}

function wordsOf({ kind, words }: Value): string | undefined {
  switch (kind) {
    case 'directory':
      return '(__fish_complete_directories (commandline -ct))';
    case 'user':
      return '(__fish_complete_users)';
    case 'group':
      return '(__fish_complete_groups)';
    case 'target':
      return '(__spawn_fcgictl_targets)';
    default:
      return words.length === 0 ? undefined : words.join(' ');
  }
}

function quote(text: string): string {
  return /^[\w-]+$/.test(text) ? text : `'${text.replaceAll('\\', '\\\\').replaceAll("'", String.raw`\'`)}'`;
}
