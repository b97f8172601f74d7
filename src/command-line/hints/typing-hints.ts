// What copying, editing and habit do to a command line: Windows line ends, dashes of a
// word processor, long names behind one dash.
import { specs } from '../options.ts';

/** Hints whatever comes of the start: a path or a name with such a character is hardly ever meant. */
export function suspectTyping(args: readonly string[]): string[] {
  const end = args.indexOf('--');
  const own = end < 0 ? args : args.slice(0, end);
  return [...suspectLineEnd(args), ...suspectDash(own), ...suspectSingleDash(own)];
}

function suspectLineEnd(args: readonly string[]): string[] {
  const ended = args.find((arg) => arg.endsWith('\r'));
  if (ended === undefined) return [];
  return [
    `'${ended.slice(0, -1)}' has a carriage return behind it: the script has Windows line ends; convert it: sed -i 's/\\r$//' SCRIPT`,
  ];
}

/** U+2010 to U+2015 and the minus sign; no program's name begins so. */
const typographicDash = /^[\u2010-\u2015\u2212]/;

function suspectDash(args: readonly string[]): string[] {
  const dashed = args.find((arg) => typographicDash.test(arg));
  if (dashed === undefined) return [];
  return [`'${dashed}' begins with a typographic dash, which is no option: type a plain - instead`];
}

/** `-port 9000` is -p with the value `ort`. */
function suspectSingleDash(args: readonly string[]): string[] {
  const long = args.find((arg) => isLongName(/^-([a-z][a-z-]+)(?:=|$)/.exec(arg)?.[1]));
  return long === undefined ? [] : [`'${long}' is read as single letters: write -${long}`];
}

function isLongName(name: string | undefined): boolean {
  return name !== undefined && specs.some((spec) => spec.long === name);
}
