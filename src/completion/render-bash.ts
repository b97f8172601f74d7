// The completions for bash, from their templates.
import { fillTemplate, type CompletionModel, type Subcommand } from './model.ts';
import type { Spelling, Value } from './spelling.ts';

export function bashOfSpawnFcgi(template: string, prelude: string, { options }: CompletionModel): string {
  return fillTemplate(template, {
    prelude,
    takes: options.flatMap((option) => takes(option.names, option.value)).join('\n'),
    options: namesOf(options),
  });
}

export function bashOfCtl(template: string, prelude: string, { general, commands }: CompletionModel): string {
  const own = commands.flatMap((command) =>
    command.options.flatMap(({ names, value }) =>
      general.some((option) => option.names[0] === names[0])
        ? []
        : takes(
            names.map((name) => `${command.name} ${name}`),
            value,
          ),
    ),
  );
  const everywhere = general.flatMap(({ names, value }) => takes(names, value, '*" '));
  return fillTemplate(template, {
    prelude,
    takes: [...own, ...everywhere].join('\n'),
    options: commands.map(({ name, options }) => `${name}) choices='${namesOf(options)}' ;;`).join('\n'),
    general: namesOf(general),
    commands: commands.map(({ name }) => name).join(' '),
    operands: commands.flatMap(operandLines).join('\n'),
  });
}

/** A branch of `case`. What may be left out is not waited for. */
function takes(names: readonly string[], value: Value | undefined, before = '"'): string[] {
  if (!value || value.isOptional) return [];
  const pattern = names.map((name) => `${before}${name}"`).join(' | ');
  const choices = value.words.length > 0 ? ` choices='${value.words.join(' ')}'` : '';
  return [`${pattern}) kind=${value.kind}${choices} ;;`];
}

function operandLines({ name, operands, isVariadic }: Subcommand): string[] {
  return operands.flatMap((value, at) => {
    const place = isVariadic && at === operands.length - 1 ? '*' : String(at);
    if (value.kind === 'target') return [`${name}-${place}) _spawn_fcgictl_targets "$1" ;;`];
    if (value.kind === 'words' && value.words.length === 0) return [];
    if (value.kind !== 'words') return [`${name}-${place}) _spawn_fcgi_value ${value.kind} ;;`];
    return [`${name}-${place}) choices='${value.words.join(' ')}' && _spawn_fcgi_value words ;;`];
  });
}

function namesOf(options: readonly Spelling[]): string {
  return options.flatMap(({ names }) => names).join(' ');
}
