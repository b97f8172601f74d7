// Red Hat's /etc/sysconfig/spawn-fcgi, and /etc/default of Debian's init scripts: one variable with the whole command line.
import { type Converted, Draft, type Note } from '../wanted-pool.ts';
import { addArguments } from './arguments.ts';
import { instanceOf, isAssignments, readAssignments } from './assignments.ts';
import type { Kind, Source } from './kind.ts';
import { splitWords } from '../shell/expand.ts';

/** Where scripts keep the options of spawn-fcgi. */
const names = [
  'OPTIONS',
  'DAEMON_OPTS',
  'DAEMON_ARGS',
  'SPAWN_FCGI_OPTIONS',
  'SPAWN_FCGI_OPTS',
  'FCGI_OPTIONS',
  'EXTRA_OPTIONS',
];

export const sysconfig: Kind = {
  name: 'sysconfig',
  title: "Red Hat's sysconfig, or Debian's default",
  matches: (source) =>
    names.some((name) => new RegExp(`^\\s*#?\\s*(?:export\\s+)?${name}=`, 'm').test(source.text)) &&
    isAssignments(source),
  read: readSysconfig,
};

function readSysconfig(source: Source): Converted {
  const values = readAssignments(source);
  const notes: Note[] = [];
  const pools = names.flatMap((name) => {
    const options = values.get(name);
    if (!options || options.text.trim() === '') return [];
    const draft = new Draft(`${source.path}: ${name}`, instanceOf(source));
    // What the file does not say is still in it as it is written.
    const words = splitWords(options.text, values).map((field) => ({
      ...field,
      unknown: [...field.unknown, ...options.unknown.filter((unknown) => field.text.includes(unknown))],
    }));
    addArguments(draft, words);
    const isPool = draft.program.length > 0 || draft.options.command !== undefined;
    return isPool ? [draft.finish()] : [];
  });
  if (pools.length === 0 && /^\s*#\s*OPTIONS=/m.test(source.text))
    notes.push({ isLost: true, says: 'OPTIONS is commented out, as the package ships it' });
  return { pools, notes };
}
