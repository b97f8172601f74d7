// What is printed: pools in the form that was asked for.
import type { Kind } from '../kinds/kind.ts';
import type { Converted } from '../wanted-pool.ts';
import { renderCommand, renderNote } from './command.ts';
import { renderJson } from './json.ts';
import { renderConf, renderUnit } from './unit.ts';

type Form = 'command' | 'unit' | 'conf' | 'json';

/** `directory`: where the commands are, for units. */
export function render(form: Form, kind: Kind, converted: Converted, directory: string): string {
  if (form === 'json') return renderJson(kind, converted);
  const one = { command: renderCommand, unit: renderUnit, conf: renderConf }[form];
  const notes = converted.notes.map(renderNote).join('');
  return [...(notes === '' ? [] : [notes]), ...converted.pools.map((pool) => one(pool, directory))].join(
    '\n',
  );
}
