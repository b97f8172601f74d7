// Values of supervisord: `%(program_name)s` and its like, and environment's `KEY="val,ue",KEY2=value`.
import type { Field } from '../shell/expand.ts';

export interface Expansions {
  readonly names: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Expanded extends Field {
  /** `%i` in it stands for `%(process_num)d`. */
  readonly isBySlot: boolean;
  /** It was to have a width, as in `%(process_num)02d`. */
  readonly hasWidth: boolean;
}

/** Python's formatting by a dictionary; names that nobody knows stay as they are, and are told. */
export function expandText(text: string, { names, environment }: Expansions): Expanded {
  const unknown: string[] = [];
  let isBySlot = false;
  let hasWidth = false;
  const expanded = text.replaceAll(
    /%%|%\(([^()]*)\)([\d.#+-]*)([a-z])/g,
    (source, name?: string, width = '', form = '') => {
      if (name === undefined) return '%';
      const known = name.startsWith('ENV_') ? environment[name.slice(4)] : names[name];
      if (known === undefined && name === 'process_num') {
        isBySlot = true;
        hasWidth ||= width !== '';
        return '%i';
      }
      if (known === undefined) unknown.push(source);
      return known === undefined ? source : format(known, width, form);
    },
  );
  return { text: expanded, unknown, isBySlot, hasWidth };
}

function format(value: string, width: string, form: string): string {
  const [, fill = '', length = '0'] = /^(0?)(\d*)/.exec(width) ?? [];
  return form === 'd' ? value.padStart(Math.min(Number(length), 20), fill === '0' ? '0' : ' ') : value;
}

/** As shlex has it for supervisord: quotes keep commas, and are taken off; undefined where it is no list of pairs. */
export function readPairs(text: string): [string, string][] | undefined {
  const tokens = text.match(/"[^"]*"|'[^']*'|[\w/.+():-][\w/.+():"'-]*|\S/g) ?? [];
  const pairs: [string, string][] = [];
  for (let index = 0; index < tokens.length; index += 4) {
    const [name, equals, value, comma] = tokens.slice(index, index + 4);
    if (name === undefined || equals !== '=' || value === undefined) return undefined;
    if (comma !== undefined && comma !== ',') return undefined;
    pairs.push([name, value.replaceAll(/^['"]+|['"]+$/g, '')]);
  }
  return pairs;
}
