// The completions for zsh, from their templates.
import { fillTemplate, type CompletionModel, type Subcommand } from './model.ts';
import type { Spelling, Value } from './spelling.ts';

export function zshOfSpawnFcgi(template: string, { options }: CompletionModel): string {
  return fillTemplate(template, { specs: options.map((option) => `${specOf(option)} \\`).join('\n') });
}

export function zshOfCtl(template: string, { general, commands }: CompletionModel): string {
  return fillTemplate(template, {
    general: general.map(specOf).join('\n'),
    commands: commands.map(({ name, help }) => quote(`${name}:${help}`)).join('\n'),
    operands: commands.map(branchOf).join('\n'),
  });
}

/** `{-s+,--socket=}'[bind to …]:path:_files'`; one that may be given again excludes nothing. */
function specOf({ names, help, value, repeats }: Spelling): string {
  const takes = value
    ? `${value.isOptional ? '::' : ':'}${value.name.replaceAll(':', '\\:')}:${actionOf(value)}`
    : '';
  const text = quote(`[${help.replaceAll(/[[\]:]/g, String.raw`\$&`)}]${takes}`);
  const written = names.map((name) => {
    const escaped = name.replaceAll('?', String.raw`\?`);
    if (!value || value.isOptional) return escaped;
    return name.startsWith('--') ? `${escaped}=` : `${escaped}+`;
  });
  const excluded = repeats ? quote('*') : quote(`(${names.join(' ')})`);
  return `${excluded}${written.length === 1 ? written[0] : `{${written.join(',')}}`}${text}`;
}

function actionOf({ kind, words }: Value): string {
  const choices = words.join(' ');
  switch (kind) {
    case 'file':
      return '_files';
    case 'directory':
      return '_files -/';
    case 'user':
      return '_users';
    case 'group':
      return '_groups';
    case 'target':
      return '_spawn-fcgictl-targets';
    case 'path':
      return words.length === 0 ? '_files' : `{compadd ${choices}; _files}`;
    case 'words':
      if (words.length === 0) return ' ';
      return choices.includes('=') ? `{compadd -S "" ${choices}}` : `(${choices})`;
  }
}

function branchOf({ name, options, operands, isVariadic }: Subcommand): string {
  const places = operands.map((value, at) => {
    const place = isVariadic && at === operands.length - 1 ? '*' : at + 1;
    return quote(`${place}${value.isOptional && place !== '*' ? '::' : ':'}${value.name}:${actionOf(value)}`);
  });
  return [
    `${name})`,
    '  _arguments -s \\',
    ...[...options.map(specOf), ...places].map((one) => `    ${one} \\`),
    '    ;;',
  ]
    .join('\n')
    .replace(/ \\\n {4};;$/, ' ;;');
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
