// Commands that run another one: sudo, env, nohup, su -c, start-stop-daemon and their like. What they say of user,
// environment and directory is kept, and the command inside is what counts.
import { type Command, assignmentOf } from './commands.ts';
import { expandValue, expandWord, type Field, type Values } from './expand.ts';
import { before, behindOptions, fieldBehind, longField, longValue, valueOf } from './wrapper-options.ts';

/** What holds for a command besides its words. */
export interface Circumstances {
  /** In its environment by name. */
  readonly variables: ReadonlyMap<string, Field>;
  /** Names that pass from the caller; undefined: all. */
  readonly inherits: readonly string[] | undefined;
  readonly user: string | undefined;
  readonly group: string | undefined;
  readonly directory: string | undefined;
  readonly umask: string | undefined;
  /** As --rlimit has them. */
  readonly limits: readonly string[];
  readonly nice: string | undefined;
  readonly chroot: string | undefined;
}

interface Wrapped extends Circumstances {
  readonly argv: readonly Field[];
}

/** `NAME=value` and `NAME` of export and its like. */
export function assignmentsIn(
  words: Command['words'],
  values: Values,
): { name: string; value: Field | undefined }[] {
  return words.flatMap((parts): { name: string; value: Field | undefined }[] => {
    const assignment = assignmentOf(parts);
    if (assignment) return [{ name: assignment.name, value: expandValue(assignment.value, values) }];
    return expandWord(parts, values).map(({ text }) => ({ name: text, value: undefined }));
  });
}

/** How deep commands may stand in each other: a variable may have itself in its value, and be read anew. */
export const mostDepth = 20;

/** What a shell does that gets a text for its own, at that depth. */
export type ReadText = (text: string, around: Circumstances, depth: number) => readonly Wrapped[];

/** The command inside of what wraps it; none where it has no words. */
export function unwrap(
  argv: readonly Field[],
  around: Circumstances,
  readText: ReadText,
  depth: number,
): Wrapped[] {
  const [first, ...rest] = argv;
  if (!first || depth > mostDepth) return [];
  const name = first.text.slice(first.text.lastIndexOf('/') + 1);
  const inside = (inner: readonly Field[], circumstances: Circumstances = around): Wrapped[] =>
    unwrap(inner, circumstances, readText, depth + 1);
  const shell = (text: Field | undefined, circumstances: Circumstances): Wrapped[] =>
    text === undefined ? [] : stillUnknown(readText(text.text, circumstances, depth + 1), text);
  switch (name) {
    case 'exec':
    case 'command':
    case 'nohup':
    case 'setsid':
    case 'time':
      return inside(behindOptions(rest, ''));
    case 'eval':
      return shell(joined(rest), around);
    case 'ionice':
    case 'chrt':
    case 'taskset':
      return inside(behindOptions(rest, 'cnpt'));
    case 'nice': {
      const inner = behindOptions(rest, 'n', ['--adjustment']);
      const own = before(rest, inner);
      const nice = valueOf(own, /^(?:-n|--adjustment)$/) ?? /^-n?(\d+)$/.exec(own[0]?.text ?? '')?.[1];
      return inside(inner, { ...around, nice: nice ?? '10' });
    }
    case 'env':
      return unwrapEnv(rest, around, inside);
    case 'sudo':
    case 'doas':
    case 'runuser':
      return unwrapSudo(name, rest, around, inside, shell);
    case 'su':
      return shell(fieldBehind(rest, /^(?:-\w*c|--command)$/), { ...around, user: userOfSu(rest) });
    case 'sh':
    case 'bash':
    case 'dash':
      return shell(fieldBehind(rest, /^-\w*c$/), around);
    case 'chpst':
      return unwrapChpst(rest, around, inside);
    case 'setuidgid':
    case 's6-setuidgid':
    case 'gosu':
    case 'su-exec': {
      const [user, group] = rest[0]?.text.split(':') ?? [];
      return inside(rest.slice(1), { ...around, user, group: group ?? around.group });
    }
    case 'daemon':
      // Red Hat's function, which lets a shell read all of it anew.
      return shell(joined(behindOptions(rest, '', ['--user', '--pidfile', '--name'])), {
        ...around,
        user: longValue(rest.slice(0, 3), 'user') ?? around.user,
      });
    case 'start-stop-daemon':
      return unwrapStartStopDaemon(rest, around, inside);
    default:
      return [{ ...around, argv }];
  }
}

function joined(fields: readonly Field[]): Field {
  return {
    text: fields.map(({ text }) => text).join(' '),
    unknown: fields.flatMap(({ unknown }) => unknown),
  };
}

/** What was not known before is not known now, however it is quoted. */
function stillUnknown(found: readonly Wrapped[], { unknown }: Field): Wrapped[] {
  return found.map((wrapped) => ({
    ...wrapped,
    argv: wrapped.argv.map((field) => ({
      ...field,
      unknown: [...field.unknown, ...unknown.filter((source) => field.text.includes(source))],
    })),
  }));
}

type Inside = (inner: readonly Field[], circumstances?: Circumstances) => Wrapped[];

function unwrapEnv(rest: readonly Field[], around: Circumstances, inside: Inside): Wrapped[] {
  const inner = behindOptions(rest, 'uCS', ['--unset', '--chdir']);
  const options = before(rest, inner).map(({ text }) => text);
  const clears = options.some((word) => /^(?:-\w*i\w*|-|--ignore-environment)$/.test(word));
  const variables = new Map(clears ? [] : around.variables);
  let inherits = clears ? [] : around.inherits?.slice();
  let index = 0;
  for (; index < inner.length; index++) {
    const field = inner[index];
    const match = /^([A-Za-z_]\w*)=([^]*)$/.exec(field?.text ?? '');
    if (!field || !match) break;
    const [, name = '', value = ''] = match;
    // `env -i PATH="$PATH"`: as it is outside.
    if (clears && (value === `$${name}` || value === `\${${name}}`)) inherits = [...(inherits ?? []), name];
    else variables.set(name, { text: value, unknown: field.unknown });
  }
  return inside(inner.slice(index), { ...around, variables, inherits });
}

function unwrapSudo(
  name: string,
  rest: readonly Field[],
  around: Circumstances,
  inside: Inside,
  shell: (text: Field | undefined, circumstances: Circumstances) => Wrapped[],
): Wrapped[] {
  const inner = behindOptions(rest, name === 'runuser' ? 'ugGscw' : 'ugCphrtTUD', [
    '--user',
    '--group',
    '--chdir',
    '--prompt',
    '--host',
  ]);
  const own = before(rest, inner);
  const circumstances = {
    ...around,
    user: valueOf(own, /^(?:-u|--user)$/) ?? longValue(own, 'user') ?? around.user,
    group: valueOf(own, /^(?:-g|--group)$/) ?? longValue(own, 'group') ?? around.group,
  };
  const command = name === 'runuser' ? fieldBehind(rest, /^(?:-c|--command)$/) : undefined;
  if (command) return shell(command, { ...circumstances, user: circumstances.user ?? userOfSu(rest) });
  return unwrapEnv(inner, circumstances, inside);
}

/** runit's. */
function unwrapChpst(rest: readonly Field[], around: Circumstances, inside: Inside): Wrapped[] {
  const inner = behindOptions(rest, 'uUbedmoptfcrlLn/');
  const own = before(rest, inner);
  const [user, group] = valueOf(own, /^-u$/)?.split(':') ?? [];
  const files = valueOf(own, /^-o$/);
  return inside(inner, {
    ...around,
    user: user ?? around.user,
    group: group ?? around.group,
    nice: valueOf(own, /^-n$/) ?? around.nice,
    chroot: valueOf(own, /^-\/$/) ?? around.chroot,
    limits: files === undefined ? around.limits : [...around.limits, `nofile=${files}`],
  });
}

/** Without a name it is root. */
function userOfSu(rest: readonly Field[]): string | undefined {
  const operands = [];
  for (let index = 0; index < rest.length; index++) {
    const text = rest[index]?.text ?? '';
    if (/^(?:-\w*c|-s|-g|-G|-w|--command|--shell|--group)$/.test(text)) index++;
    else if (!text.startsWith('-')) operands.push(text);
  }
  return operands[0];
}

function unwrapStartStopDaemon(rest: readonly Field[], around: Circumstances, inside: Inside): Wrapped[] {
  const separator = rest.findIndex(({ text }) => text === '--');
  const own = separator < 0 ? rest : rest.slice(0, separator);
  const program =
    fieldBehind(own, /^(?:-a|--startas)$/) ??
    longField(own, 'startas') ??
    fieldBehind(own, /^-\w*x$|^--exec$/) ??
    longField(own, 'exec');
  const stops = own.some(({ text }) => /^(?:-K|--stop|-T|--status)$/.test(text));
  if (!program || stops) return [];
  const [user, group] =
    (valueOf(own, /^(?:-c|--chuid|-u|--user)$/) ?? longValue(own, 'chuid'))?.split(':') ?? [];
  return inside([program, ...(separator < 0 ? [] : rest.slice(separator + 1))], {
    ...around,
    user: user ?? around.user,
    group: group ?? around.group,
    directory: valueOf(own, /^(?:-d|--chdir)$/) ?? longValue(own, 'chdir') ?? around.directory,
    umask: valueOf(own, /^(?:-k|--umask)$/) ?? longValue(own, 'umask') ?? around.umask,
    nice: valueOf(own, /^(?:-N|--nicelevel)$/) ?? longValue(own, 'nicelevel') ?? around.nice,
    chroot: valueOf(own, /^(?:-r|--chroot)$/) ?? longValue(own, 'chroot') ?? around.chroot,
  });
}
