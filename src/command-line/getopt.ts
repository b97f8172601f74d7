// getopt_long(3) of the GNU C library, which 1.6 uses: clusters, attached values, options behind operands, `--`, and its
// words for a mistake. Long names are taken in full only: a beginning that is unambiguous today may not be tomorrow.
import { strayByte } from '../core/text/stray-byte.ts';

/** How an option is written. */
export interface OptionSyntax {
  readonly short: string | undefined;
  readonly long: string | undefined;
  readonly takesValue: boolean;
}

export interface FoundOption<Option> {
  readonly option: Option;
  readonly value: string | undefined;
  /** The index of the argument that it stands in. */
  readonly at: number;
}

/** What is wrong, in getopt's words, and in which argument. */
export interface Mistake {
  readonly text: string;
  readonly at: number;
}

export interface ParsedArguments<Option> {
  /** In the order in which they stand, up to the mistake if there is one. */
  readonly found: readonly FoundOption<Option>[];
  readonly operands: readonly string[];
  /** The index of the first operand. */
  readonly firstOperand: number | undefined;
  readonly mistake: Mistake | undefined;
}

export interface GetoptSettings {
  /** Stop at the first operand. */
  readonly posixlyCorrect: boolean;
  /** The bytes of an argument, which Node may not have been able to decode. */
  readonly bytesAt: (index: number) => Uint8Array;
}

/** What one argument, and perhaps the next one, comes to. */
interface Reading<Option> {
  readonly found: FoundOption<Option>[];
  readonly takesNext: boolean;
  readonly mistake: string | undefined;
}

/** Reads arguments until they end, or up to the first mistake. */
export function getopt<Option extends OptionSyntax>(
  args: readonly string[],
  options: readonly Option[],
  { posixlyCorrect, bytesAt }: GetoptSettings,
): ParsedArguments<Option> {
  const found: FoundOption<Option>[] = [];
  const operands: string[] = [];
  let firstOperand: number | undefined;
  let at = 0;
  for (let argument = args[at]; argument !== undefined; argument = args[at]) {
    const isOperand = !argument.startsWith('-') || argument === '-';
    if (argument === '--' || (isOperand && posixlyCorrect)) {
      const rest = isOperand ? at : at + 1;
      if (rest < args.length) firstOperand ??= rest;
      operands.push(...args.slice(rest));
      break;
    }
    if (isOperand) {
      firstOperand ??= at;
      operands.push(argument);
      at++;
      continue;
    }
    const read = argument.startsWith('--') ? readLong : readCluster;
    const reading = read(argument, args[at + 1], options, at, bytesAt);
    found.push(...reading.found);
    if (reading.mistake !== undefined)
      return { found, operands, firstOperand, mistake: { text: reading.mistake, at } };
    at += reading.takesNext ? 2 : 1;
  }
  return { found, operands, firstOperand, mistake: undefined };
}

function readLong<Option extends OptionSyntax>(
  argument: string,
  next: string | undefined,
  options: readonly Option[],
  at: number,
): Reading<Option> {
  const equals = argument.indexOf('=');
  const [name, attached] =
    equals < 0 ? [argument, undefined] : [argument.slice(0, equals), argument.slice(equals + 1)];
  const option = options.find(({ long }) => long !== undefined && name === `--${long}`);
  if (!option) return failed(`unrecognized option '${argument}'`);
  if (!option.takesValue) {
    return attached === undefined
      ? { found: [{ option, value: undefined, at }], takesNext: false, mistake: undefined }
      : failed(`option '${name}' doesn't allow an argument`);
  }
  const value = attached ?? next;
  if (value === undefined) return failed(`option '${name}' requires an argument`);
  return { found: [{ option, value, at }], takesNext: attached === undefined, mistake: undefined };
}

/** Letters up to one that takes a value, which is the rest of the argument, or the next one. */
function readCluster<Option extends OptionSyntax>(
  argument: string,
  next: string | undefined,
  options: readonly Option[],
  at: number,
  bytesAt: GetoptSettings['bytesAt'],
): Reading<Option> {
  const found: FoundOption<Option>[] = [];
  for (let place = 1; place < argument.length; place++) {
    const letter = argument.charAt(place);
    const option = options.find(({ short }) => short === letter);
    // Up to here every letter was one byte.
    if (!option) return failed(`invalid option -- '${byteOf(letter, place, bytesAt(at))}'`, found);
    if (!option.takesValue) {
      found.push({ option, value: undefined, at });
      continue;
    }
    const attached = argument.slice(place + 1);
    const value = attached === '' ? next : attached;
    if (value === undefined) return failed(`option requires an argument -- '${letter}'`, found);
    found.push({ option, value, at });
    return { found, takesNext: attached === '', mistake: undefined };
  }
  return { found, takesNext: false, mistake: undefined };
}

/** The C library knows bytes only, and quotes the first one of a letter that has several. */
function byteOf(letter: string, place: number, bytes: Uint8Array): string {
  return letter < '\x80' ? letter : strayByte(bytes[place] ?? 0);
}

function failed<Option>(mistake: string, found: FoundOption<Option>[] = []): Reading<Option> {
  return { found, takesNext: false, mistake };
}
