// Pools as commands for a shell, what is not carried over as comments above them.
import { shellQuote } from '../../../core/text/shell-quote.ts';
import { printable } from '../../../core/text/printable.ts';
import type { Note, WantedPool } from '../wanted-pool.ts';
import { optionWords, programWords, variableWords, type Words } from './words.ts';

const width = 100;

export function renderCommand(pool: WantedPool): string {
  return `${heading(pool)}${joinWords(commandWords(pool))}\n`;
}

/** Where it is from, and what there is to know, each on one line: nothing of the input can end the comment. */
export function heading({ place, notes }: WantedPool): string {
  return `# ${printable(place)}\n${notes.map(renderNote).join('')}`;
}

export function renderNote({ isLost, says }: Note): string {
  return `# ${isLost ? 'NOT CARRIED OVER' : 'note'}: ${shorten(printable(says))}\n`;
}

/** A value may be a page long; what it means stands at the end. */
function shorten(text: string): string {
  return text.length <= 500 ? text : `${text.slice(0, 200)} ... ${text.slice(-280)}`;
}

/** All words of the command, as a shell has to read them, in groups that stay on one line. */
function commandWords(pool: WantedPool): string[] {
  // A `%i` that is no slot cannot be written in --env.
  const isPlain = ({ isBySlot, value }: WantedPool['variables'][number]): boolean =>
    isBySlot || !value.includes('%i');
  const others = pool.variables.filter((variable) => !isPlain(variable));
  const quoted = [
    ...optionWords(pool, new Set(['pidFile', 'command'])),
    ...variableWords(pool.variables.filter(isPlain)),
    ...optionWords({ ...pool, options: lastOptions(pool) }),
    ...programWords(pool),
  ].map(quoteAll);
  return [...environmentWords(pool, others), 'spawn-fcgi', ...quoted];
}

function lastOptions({ options: { pidFile, command } }: WantedPool): WantedPool['options'] {
  return {
    ...(pidFile === undefined ? {} : { pidFile }),
    ...(command === undefined ? {} : { command }),
  };
}

function environmentWords(
  { inherits, variables: all }: WantedPool,
  variables: WantedPool['variables'],
): string[] {
  const assignments = variables.map(({ name, value }) => `${name}=${shellQuote(value)}`);
  if (inherits === undefined) return assignments.length === 0 ? [] : ['env', ...assignments];
  // The command itself is looked for in it, too.
  const names = [...new Set(['PATH', ...inherits])].filter(
    (name) => /^[A-Za-z_]\w*$/.test(name) && (name === 'PATH' || !all.some((one) => one.name === name)),
  );
  return ['env -i', ...names.map(passOn), ...assignments];
}

/** A variable that the caller has not is none, and not an empty one. */
function passOn(name: string): string {
  return name === 'PATH' ? 'PATH="$PATH"' : `\${${name}+"${name}=$${name}"}`;
}

function quoteAll(words: Words): string {
  return words.map(shellQuote).join(' ');
}

function joinWords(groups: readonly string[]): string {
  const line = groups.join(' ');
  if (line.length <= width) return line;
  const rows: string[] = [];
  for (const group of groups) {
    const last = rows.at(-1);
    if (last !== undefined && last.length + group.length < width - 4)
      rows[rows.length - 1] = `${last} ${group}`;
    else rows.push(rows.length === 0 ? group : `  ${group}`);
  }
  return rows.join(' \\\n');
}
