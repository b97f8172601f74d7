// Whether spawn-fcgi takes what a pool has come to: its own parser says it, and what it refuses is named.
import { parseConfig } from '../../command-line/parse-config.ts';
import { SpawnFcgiError } from '../../core/errors.ts';
import { unprintable } from '../../core/text/printable.ts';
import type { Note, Variable, WantedPool } from './wanted-pool.ts';

/** The pool without what nobody could copy, and with a note for each thing that is wrong. */
export function checkPool(pool: WantedPool): WantedPool {
  const { variables, notes } = keepWritable(pool);
  const checked = { ...pool, variables, notes: [...pool.notes, ...notes] };
  const refusal = refusalOf(checked);
  return refusal === undefined ? checked : { ...checked, notes: [...checked.notes, lost(refusal)] };
}

function keepWritable({ variables, options, program }: WantedPool): {
  variables: readonly Variable[];
  notes: readonly Note[];
} {
  const writable: Variable[] = [];
  const notes: Note[] = [];
  for (const variable of variables) {
    const { name, value } = variable;
    if (!/^[A-Za-z_]\w*$/.test(name))
      notes.push(lost(`${name}: no name that every shell takes for a variable`));
    else if (hasUnprintable(value))
      notes.push(lost(`${name}: its value has control characters, or is not UTF-8`));
    else if (name !== 'PHP_FCGI_CHILDREN' || options.phpChildren === undefined) writable.push(variable);
  }
  const words = [...program, ...Object.values(options).flat()];
  if (words.some((word) => typeof word === 'string' && hasUnprintable(word)))
    notes.push(lost('the command has control characters in it, or bytes that are not UTF-8'));
  return { variables: writable, notes };
}

/** Lines and tabs can be written; a terminal may be told something by others, and what is not UTF-8 is lost by now. */
function hasUnprintable(text: string): boolean {
  return text.replaceAll(/[\n\t]/g, '').search(unprintable()) >= 0 || text.includes('\u{fffd}');
}

function refusalOf({ options, variables, program }: WantedPool): string | undefined {
  try {
    const env = variables.map(({ name, value }) => `${name}=${value}`);
    parseConfig({ ...options, env: [...(options.env ?? []), ...env] }, program, true);
    return undefined;
  } catch (error) {
    if (!(error instanceof SpawnFcgiError)) throw error;
    const [hint] = error.hints;
    return `spawn-fcgi refuses it: ${error.message}${hint === undefined ? '' : ` (${hint})`}`;
  }
}

function lost(says: string): Note {
  return { isLost: true, says };
}
