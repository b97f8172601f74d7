// The command line as getopt_long reads it: raw strings out, one-line errors. Also
// where the options stood, for hints.
import { SpawnFcgiError } from '../core/errors.ts';
import { getopt } from '../sys/getopt.ts';
import { explainMistake } from './mistake-hints.ts';
import { flagOf, specs, type OptionKey, type RawOptions } from './options.ts';

/** An option as it was given. */
export interface GivenOption {
  readonly key: OptionKey;
  readonly flag: string;
  readonly value: string | undefined;
}

/** Options on both sides of the program's name; without `--` those behind it are ours, too. */
export interface Placement {
  readonly early: readonly GivenOption[];
  readonly late: readonly GivenOption[];
  /** The arguments up to the program's name, and from it on, as they were typed. */
  readonly before: readonly string[];
  readonly from: readonly string[];
}

export interface StartRequest {
  readonly kind: 'start';
  readonly options: RawOptions;
  readonly program: readonly string[];
  /** In the order in which they count. */
  readonly given: readonly GivenOption[];
  /** Undefined where no option can stand behind the program's name. */
  readonly placement: Placement | undefined;
}

export type Request = { readonly kind: 'version' } | { readonly kind: 'help' } | StartRequest;

/**
 * Reads the arguments after the command's name, in order: -v and -h act where they
 * stand, the last of a repeated option wins. `posixlyCorrect` stops at the first
 * operand, as getopt(3) does. Throws a SpawnFcgiError with getopt's line.
 */
export function readCommandLine(args: readonly string[], posixlyCorrect: boolean): Request {
  const raw: Record<string, string | boolean> = {};
  const given: GivenOption[] = [];
  const found = getopt(args, specs, posixlyCorrect);
  for (;;) {
    const step = found.next();
    if (step.done) {
      const program = step.value;
      return { kind: 'start', options: raw, program, given, placement: place(args, given, program) };
    }
    if (step.value.kind === 'mistake') {
      const { text } = step.value;
      throw new SpawnFcgiError(text, { hints: explainMistake(text, args, placeMistake(args, given)) });
    }
    const { spec, value } = step.value;
    const key = specs.find((candidate) => candidate === spec)?.key ?? 'help';
    if (key === 'version' || key === 'help') return { kind: key };
    raw[key] = value ?? spec.long !== 'no-supervise';
    given.push({ key, flag: flagOf(spec), value });
  }
}

/** The usual `-- PROGRAM` needs no second look. */
function place(
  args: readonly string[],
  given: readonly GivenOption[],
  program: readonly string[],
): Placement | undefined {
  if (program.length === 0 || given.length === 0 || args.at(-program.length - 1) === '--') return undefined;
  const { count, ...placement } = split(args, given);
  return count < given.length ? placement : undefined;
}

/** Undefined for a mistake before the program's name. */
function placeMistake(args: readonly string[], given: readonly GivenOption[]): Placement | undefined {
  const { count, ...placement } = split(args, given);
  return count <= given.length ? placement : undefined;
}

/** getopt itself says where the program's name is, by stopping there: what it has found until then came before. */
function split(args: readonly string[], given: readonly GivenOption[]): Placement & { count: number } {
  const found = getopt(args, specs, true);
  let count = 0;
  let step = found.next();
  for (; !step.done; step = found.next()) count++;
  const from = step.value;
  return {
    count,
    early: given.slice(0, count),
    late: given.slice(count),
    before: args.slice(0, args.length - from.length),
    from,
  };
}
