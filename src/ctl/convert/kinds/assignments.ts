// Files of nothing but a shell's assignments, as init scripts read them: OpenRC's conf.d, Red Hat's sysconfig, Debian's
// default.
import type { Field } from '../shell/expand.ts';
import { readScript } from '../shell/script.ts';
import type { Draft } from '../wanted-pool.ts';
import type { Source } from './kind.ts';

/** By name, after the whole file. */
export function readAssignments({ text }: Source): ReadonlyMap<string, Field> {
  return readScript(text).values;
}

/** The value, if the file says all of it; else it is named. */
export function knownValue(
  draft: Draft,
  values: ReadonlyMap<string, Field>,
  name: string,
): string | undefined {
  const field = values.get(name);
  if (!field || field.text === '') return undefined;
  if (field.unknown.length === 0) return field.text;
  draft.lose(`${name}=${field.text}: the input does not say what ${field.unknown.join(', ')} is`);
  return undefined;
}

/** A file with assignments, and without commands. */
export function isAssignments({ text }: Source): boolean {
  return readScript(text).runs.length === 0;
}

/** `/etc/conf.d/spawn-fcgi.app`: app. */
export function instanceOf({ path }: Source): string {
  return /(?:^|\/)spawn-fcgi[.-]([\w.-]+)$/.exec(path)?.[1]?.replace(/\.(?:confd?|sysconfig)$/, '') ?? '';
}
