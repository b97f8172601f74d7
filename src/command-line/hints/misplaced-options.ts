// Options of ours behind the program's name, most often meant for the program after a
// forgotten `--`. 1.6 takes them, and so do we: only hints come from here.
import type { SpawnFcgiError } from '../../core/errors.ts';
import { shellQuote } from '../../core/text/shell-quote.ts';
import type { OptionKey } from '../options.ts';
import type { GivenOption, Placement, StartRequest } from '../request.ts';

/** What real scripts write behind the program on purpose. */
const usualBehind: ReadonlySet<OptionKey> = new Set<OptionKey>([
  'port',
  'socket',
  'address',
  'user',
  'group',
  'foreground',
  'socketMode',
  'pidFile',
  'workers',
]);

/** Where `--` belongs, for options that can only have been meant for the program. */
export function explainSeparator(placement: Placement): string {
  return `options after '${placement.from[0]}' are taken as spawn-fcgi's own; put -- before the program: spawn-fcgi ${withSeparator(placement)}`;
}

function withSeparator({ before, from }: Placement): string {
  return [...before, '--', ...from].map(shellQuote).join(' ');
}

/** A hint for options behind the program that were hardly meant for us, whatever comes of the start. */
export function suspectMisplaced({ placement }: StartRequest): string[] {
  if (!placement) return [];
  const suspects = placement.late.filter((option) => isSuspect(option, placement));
  return suspects.length > 0 ? [describeMisplaced(suspects, placement)] : [];
}

/** Unusual, given already, or against what was given already. */
function isSuspect({ key, value }: GivenOption, { early }: Placement): boolean {
  if (!usualBehind.has(key)) return true;
  const rival = key === 'port' ? 'socket' : key === 'socket' ? 'port' : key;
  return value !== undefined && early.some((option) => option.key === key || option.key === rival);
}

function describeMisplaced(suspects: readonly GivenOption[], placement: Placement): string {
  const { late, from } = placement;
  const flags = [...new Set(suspects.map(({ flag }) => flag))].join(', ');
  const program = shellQuote(from[0] ?? '');
  // Which words belong to which option is for getopt to know: a ready line only where all of them move.
  const line =
    suspects.length === late.length
      ? withSeparator(placement)
      : `[options of spawn-fcgi] -- ${program} [options of ${program}]`;
  return `${flags} after '${from[0]}' is taken as spawn-fcgi's own; if it is meant for the program, put -- before that: spawn-fcgi ${line}`;
}

/** Hints for a refusal that is about the value of such an option. */
export function explainMisplaced(
  error: SpawnFcgiError,
  { placement, given, program, options }: StartRequest,
): string[] {
  const late = placement?.late.filter((option) => isAbout(error, option)) ?? [];
  if (placement && late.length > 0) return [describeMisplaced(late, placement)];
  const { command } = options;
  if (command === undefined || program.length > 0) return [];
  const cut = given.find(
    ({ key, value }) => isOfShellCommand(key, value) && error.message.includes(`('${value}')`),
  );
  if (!cut) return [];
  const whole = `${command} ${cut.flag} ${cut.value}`;
  return [
    `${cut.flag} is spawn-fcgi's own; what the command of -f shall get belongs into its value: -f ${shellQuote(whole)}`,
  ];
}

/** `-f php-cgi -d display_errors=1`, `-f php-cgi -c php.ini`: no directories. */
function isOfShellCommand(key: OptionKey, value: string | undefined): boolean {
  return (key === 'chdir' || key === 'chroot') && value !== undefined && /[=.]/.test(value);
}

function isAbout({ message, hints }: SpawnFcgiError, { flag, value }: GivenOption): boolean {
  if (value !== undefined && message.split(/[\s'()]+/).includes(value)) return true;
  return hints.some((hint) => hint.startsWith(`${flag} takes `));
}
