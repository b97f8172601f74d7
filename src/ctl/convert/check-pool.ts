// Whether spawn-fcgi takes what a pool has come to: its own parser says it, and what it refuses is named.
import { parseConfig } from '../../command-line/parse-config.ts';
import { SpawnFcgiError } from '../../core/errors.ts';
import { printable, unprintable } from '../../core/text/printable.ts';
import type { Note, Variable, WantedPool } from './wanted-pool.ts';

/** The pool without what nobody could copy, and with a note for each thing that is wrong. */
export function checkPool(pool: WantedPool): WantedPool {
  const checked = keepVariables(keepWords(pool));
  const refusal = refusalOf(checked);
  return refusal === undefined ? checked : addNotes(checked, [refusal]);
}

function keepVariables(pool: WantedPool): WantedPool {
  const kept: Variable[] = [];
  const says: string[] = [];
  for (const variable of pool.variables) {
    const { name, value } = variable;
    if (!/^[A-Za-z_]\w*$/.test(name)) says.push(`${name}: no name that every shell takes for a variable`);
    else if (hasUnprintable(value)) says.push(`${name}: its value has control characters, or is not UTF-8`);
    else if (name !== 'PHP_FCGI_CHILDREN' || pool.options.phpChildren === undefined) kept.push(variable);
  }
  return addNotes({ ...pool, variables: kept }, says);
}

/** Words with what nobody should print have it as `\x1b`. */
function keepWords(pool: WantedPool): WantedPool {
  const says = new Set<string>();
  const keep = (word: string): string => {
    if (!hasUnprintable(word)) return word;
    says.add(
      'the command has control characters in it, or bytes that are not UTF-8: they are escaped here, and not meant so',
    );
    return printable(word);
  };
  const options = Object.fromEntries(
    Object.entries(pool.options).map(([key, value]) => [
      key,
      typeof value === 'string' ? keep(value) : Array.isArray(value) ? value.map(keep) : value,
    ]),
  ) as WantedPool['options'];
  return addNotes({ ...pool, options, program: pool.program.map(keep) }, [...says]);
}

function addNotes(pool: WantedPool, says: readonly string[]): WantedPool {
  return { ...pool, notes: [...pool.notes, ...says.map((text): Note => ({ isLost: true, says: text }))] };
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
