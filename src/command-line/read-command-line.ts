// The command line as getopt_long reads it: raw strings out, one-line errors. Also
// where the options stood, for hints.
import { SpawnFcgiError } from '../core/errors.ts';
import { getopt, type ParsedArguments } from './getopt.ts';
import { explainMistake } from './hints/mistake-hints.ts';
import { flagOf, specs } from './options.ts';
import type { GivenOption, Placement, Request } from './request.ts';

/** The bytes of some of our arguments, in their order. */
type EncodeAll = (some: readonly string[]) => readonly Uint8Array[];

type Parsed = ParsedArguments<(typeof specs)[number]>;

/**
 * Reads the arguments after the command's name, in order: -v and -h act where they
 * stand, the last of a repeated option wins. `posixlyCorrect` stops at the first
 * operand, as getopt(3) does. Throws a SpawnFcgiError with getopt's line.
 */
export function readCommandLine(
  args: readonly string[],
  posixlyCorrect: boolean,
  encodeAll: EncodeAll = encodeUtf8,
): Request {
  const bytesAt = (index: number): Uint8Array => encodeAll(args)[index] ?? new Uint8Array();
  const parsed = getopt(args, specs, { posixlyCorrect, bytesAt });
  const raw: Partial<Record<string, string | boolean | readonly string[]>> = {};
  const given: GivenOption[] = [];
  for (const { option, value } of parsed.found) {
    const { key } = option;
    if (key === 'version' || key === 'help') return { kind: key };
    const earlier = raw[key];
    if (option.repeats) raw[key] = [...(Array.isArray(earlier) ? (earlier as string[]) : []), value ?? ''];
    else raw[key] = value ?? option.sets;
    given.push({ key, flag: flagOf(option), value });
  }
  const placement = place(args, parsed, given);
  if (parsed.mistake) {
    const { text } = parsed.mistake;
    throw new SpawnFcgiError(text, { hints: explainMistake(text, args, placement) });
  }
  return { kind: 'start', options: raw, program: parsed.operands, given, placement };
}

/** Where something of ours stands behind the program's name, be it a mistake. */
function place(
  args: readonly string[],
  { found, firstOperand = args.length, mistake }: Parsed,
  given: readonly GivenOption[],
): Placement | undefined {
  const count = found.filter(({ at }) => at < firstOperand).length;
  const isMistakeBehind = mistake !== undefined && mistake.at >= firstOperand;
  if (count === found.length && !isMistakeBehind) return undefined;
  return {
    early: given.slice(0, count),
    late: given.slice(count),
    before: args.slice(0, firstOperand),
    from: args.slice(firstOperand),
  };
}

function encodeUtf8(some: readonly string[]): Uint8Array[] {
  return some.map((argument) => Buffer.from(argument));
}
