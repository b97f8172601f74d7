// What the value of --output means. Looks at nothing but its arguments.
import { SpawnFcgiError } from './errors.ts';
import { descriptorOfLog } from './log-target.ts';
import { namesSlot } from './slot-pattern.ts';

/** Where descriptors 1 and 2 of the workers lead. */
export type OutputTarget =
  | { readonly kind: 'null' }
  /** systemd's. */
  | { readonly kind: 'journal' }
  /** Those of the command. */
  | { readonly kind: 'inherit' }
  /** Both that one of the command's; `name` as it was written. */
  | { readonly kind: 'descriptor'; readonly number: number; readonly name: string }
  /** What a shell runs as the pool's log program. */
  | { readonly kind: 'program'; readonly command: string }
  /** `%i` in it is the slot. */
  | { readonly kind: 'file'; readonly pattern: string };

const how = "--output takes null, inherit, journal, '|COMMAND', or a file; %i in its name is the slot";

/** Throws the refusal of a value that means nothing. */
export function parseOutput(value: string): OutputTarget {
  if (value === 'null' || value === 'inherit' || value === 'journal') return { kind: value };
  const number = descriptorOfLog(value);
  if (number !== undefined) return { kind: 'descriptor', number, name: value };
  if (value.startsWith('|')) return parseProgram(value);
  const name = value.slice(value.lastIndexOf('/') + 1);
  if (name === '') throw refuse(value, how);
  // Workers that come later have a file in the same directory, which is held open.
  if (namesSlot(value) && !namesSlot(name))
    throw refuse(value, '%i goes into the name of the file, not into that of its directory');
  return { kind: 'file', pattern: value };
}

function parseProgram(value: string): OutputTarget {
  const command = value.slice(1).trim();
  if (command === '') throw refuse(value, "'|COMMAND' needs a program: --output '|svlogd -tt /var/log/app'");
  return { kind: 'program', command };
}

function refuse(value: string, hint: string): SpawnFcgiError {
  return new SpawnFcgiError(`invalid value for --output: '${value}'`, { hints: [hint] });
}
