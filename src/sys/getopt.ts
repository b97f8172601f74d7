// The C library's own getopt_long(3), the parser that 1.6 uses: clusters, attached
// values and permutation come out the same because it is the same code.
import { decodeInt, decodePointer, libc, librarySymbol, StringVector, writeInt } from './libc.ts';

export interface OptionSpec {
  readonly short: string | undefined;
  readonly long: string | undefined;
  readonly takesValue: boolean;
}

/** One step: an option found, or what is wrong with the command line. */
export type OptionFound =
  | { readonly kind: 'option'; readonly spec: OptionSpec; readonly value: string | undefined }
  | { readonly kind: 'mistake'; readonly text: string };

const required = 1;
/** Above every character, so that long-only options have a number of their own. */
const firstLongNumber = 256;
const missing = ':'.charCodeAt(0);
const unknown = '?'.charCodeAt(0);
const end = -1;

/**
 * Yields every option in order and returns the operands. `posixlyCorrect` stops at
 * the first operand. A mistake's text is glibc's.
 */
export function* getopt(
  args: readonly string[],
  specs: readonly OptionSpec[],
  posixlyCorrect: boolean,
): Generator<OptionFound, string[]> {
  const argv = new StringVector(['spawn-fcgi', ...args]);
  const count = args.length + 1;
  const longNames = new StringVector(specs.map((spec) => spec.long ?? ''));
  const longOptions = describeLongOptions(specs, longNames);
  const shortOptions = `${posixlyCorrect ? '+' : ''}:${specs.map(describeShort).join('')}`;
  const [optind, optopt] = [librarySymbol('optind'), librarySymbol('optopt')];
  const longIndex = Buffer.alloc(4);
  // 0, not 1: glibc then forgets an earlier run; musl takes it as 1.
  writeInt(optind, 0);
  for (;;) {
    longIndex.writeInt32LE(-1);
    writeInt(optopt, 0);
    const result = libc.getoptLong(count, argv.pointers, shortOptions, longOptions, longIndex);
    const seen = argv.entries(count);
    const next = decodeInt(optind);
    if (result === end) return seen.slice(next);
    const spec = specs.find((candidate, index) => numberOf(candidate, index) === result);
    if (result === missing || result === unknown || !spec) {
      const asked = specs.find((candidate) => candidate.short === '?');
      if (asked && decodeInt(optopt) === unknown) yield { kind: 'option', spec: asked, value: undefined };
      else
        yield {
          kind: 'mistake',
          text: describeMistake(result, decodeInt(optopt), mistaken(seen, next), specs),
        };
      continue;
    }
    const value = spec.takesValue ? decodePointer(librarySymbol('optarg')) : undefined;
    const typed = longIndex.readInt32LE() < 0 ? spec.long : typedName(seen, next, value);
    // glibc takes any unambiguous beginning; a later option would make it ambiguous.
    if (typed === spec.long) yield { kind: 'option', spec, value };
    else yield { kind: 'mistake', text: `unrecognized option '--${typed}'` };
  }
}

/** The argument with the mistake; optind stays on a cluster until its last letter. */
function mistaken(seen: readonly string[], next: number): string {
  const last = seen[next - 1] ?? '';
  return last.startsWith('-') ? last : (seen[next] ?? last);
}

/** The long option as it was typed, found from the arguments consumed so far. */
function typedName(seen: readonly string[], next: number, value: string | undefined): string {
  const last = seen[next - 1] ?? '';
  const equals = last.indexOf('=');
  const isAttached = value === undefined || (equals > 0 && last.slice(equals + 1) === value);
  const token = isAttached && last.startsWith('--') ? last : (seen[next - 2] ?? '');
  return token.slice(2).split('=', 1)[0] ?? '';
}

function numberOf(spec: OptionSpec, index: number): number {
  return spec.short === undefined ? firstLongNumber + index : spec.short.charCodeAt(0);
}

function describeShort(spec: OptionSpec): string {
  return spec.short === undefined || spec.short === '?' ? '' : `${spec.short}${spec.takesValue ? ':' : ''}`;
}

/** `struct option[]`: name, has_arg, flag, val; ends in zeros. */
function describeLongOptions(specs: readonly OptionSpec[], names: StringVector): Buffer {
  const size = 32;
  const table = Buffer.alloc(size * (specs.length + 1));
  let row = 0;
  specs.forEach((spec, index) => {
    if (spec.long === undefined) return;
    table.writeBigUInt64LE(names.pointers.readBigUInt64LE(index * 8), row * size);
    table.writeInt32LE(spec.takesValue ? required : 0, row * size + 8);
    table.writeInt32LE(numberOf(spec, index), row * size + 24);
    row++;
  });
  return table;
}

function describeMistake(result: number, optopt: number, last: string, specs: readonly OptionSpec[]): string {
  const isLong =
    last.startsWith('--') && (optopt === 0 || optopt >= firstLongNumber || isNamedBy(last, optopt, specs));
  const name = last.split('=', 1)[0] ?? '';
  if (result === missing) {
    return isLong
      ? `option '${name}' requires an argument`
      : `option requires an argument -- '${characterOf(optopt, last)}'`;
  }
  if (!isLong && optopt !== 0) return `invalid option -- '${characterOf(optopt, last)}'`;
  return optopt === 0 ? `unrecognized option '${last}'` : `option '${name}' doesn't allow an argument`;
}

/** getopt tells the first byte only of a character that has several. */
function characterOf(optopt: number, last: string): string {
  const byte = optopt & 0xff;
  return [...last].find((character) => Buffer.from(character)[0] === byte) ?? String.fromCharCode(byte);
}

/** Whether the long option as typed, or abbreviated, is the one with this short letter. */
function isNamedBy(argument: string, letter: number, specs: readonly OptionSpec[]): boolean {
  const typed = argument.slice(2).split('=', 1)[0] ?? '';
  return specs.some((spec) => spec.short?.charCodeAt(0) === letter && spec.long?.startsWith(typed));
}
