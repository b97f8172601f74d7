// The options of spawn-fcgi as entries of its manual page, from the table of options.
import { fillIn, shortForms, type OptionRow, type Section } from '../command-line/option.ts';
import { options } from '../command-line/options.ts';
import { bold, entry, italic, sentence, toRoff } from './roff.ts';

/** In these every option needs a supervisor, which the page says once. */
const supervised: ReadonlySet<Section> = new Set(['supervision', 'guards']);

/** Those of one section of -h. */
export function optionEntries(section: Section): string {
  const chosen = options.filter((option) => option.section === section);
  if (chosen.length === 0) throw new Error(`manual: there are no options '${section}'`);
  return chosen.map((option) => entry(labelOf(option), textOf(option))).join('');
}

function labelOf(option: OptionRow): string {
  const names = [...shortForms(option), `--${option.long}`].map(bold).join(', ');
  const argument = option.metavar ?? option.argument?.replaceAll(/[<>]/g, '').toUpperCase();
  return argument === undefined ? names : `${names} ${italic(argument)}`;
}

function textOf(option: OptionRow): string {
  const needs = option.needsSupervisor && !supervised.has(option.section);
  return toRoff(
    [
      sentence(fillIn(option.details ?? option.help, option)),
      ...(tellsDefault(option) ? [] : [`Default: ${option.default}.`]),
      ...(option.needsRoot ? ['Root only.'] : []),
      ...(needs ? ['Needs a supervisor.'] : []),
      ...(option.since === '1.6' ? [] : [`Since ${option.since}.`]),
    ].join(' '),
  );
}

function tellsDefault({ details, help, default: value }: OptionRow): boolean {
  return value === undefined || (details ?? help).includes('{default}') || /default/.test(details ?? help);
}
