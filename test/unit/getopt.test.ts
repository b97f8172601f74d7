// getopt beside the C library's own over random command lines: the same options, values, operands, and words for the
// first mistake. GETOPT_LINES=100000 compares as many, GETOPT_SEED others.
import { spawnSync } from 'node:child_process';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { getopt } from '../../src/command-line/getopt.ts';
import { specs } from '../../src/command-line/options.ts';
import { compileC, fixture } from '../helpers/build/index.ts';
import { needCommands } from '../helpers/machine/index.ts';

const lines = Number(process.env['GETOPT_LINES'] ?? 1000);
const seed = Number(process.env['GETOPT_SEED'] ?? 1);

/** The C program's exit status where its getopt is not the GNU C library's. */
const otherLibrary = 77;

interface CommandLine {
  readonly posixlyCorrect: boolean;
  readonly args: readonly Buffer[];
}

/** What getopt made of a command line, in the words of the C program. */
type Answer = string[];

test('makes the same of a thousand random command lines as the C library', (ctx) => {
  needCommands(ctx, 'gcc');
  const samples = fc.sample(commandLine, { numRuns: lines, seed });
  const theirs = askC(samples);
  if (!theirs) return ctx.skip('needs the GNU C library');
  const ours = samples.map(askOurs);
  const different = samples.flatMap(({ args }, index) =>
    JSON.stringify(ours[index]) === JSON.stringify(theirs[index])
      ? []
      : [{ args: args.map(String), ours: ours[index], theirs: theirs[index] }],
  );
  expect(different).toEqual([]);
  // Lines that say something: neither all wrong nor all operands.
  const kinds = new Set(ours.map((answer) => answer.findLast((word) => /^(?:mistake|operands)$/.test(word))));
  expect(kinds).toEqual(new Set(['mistake', 'operands']));
});

const longNames = specs.flatMap(({ long, takesValue }) => (long === undefined ? [] : [{ long, takesValue }]));
const letters = specs.flatMap(({ short, takesValue }) =>
  short === undefined ? [] : [{ short, takesValue }],
);

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const utf8 = fc.constantFrom('é', '€', '–', '\u{1f600}', '\ufffd', '\u009b').map((text) => Buffer.from(text));
const noUtf8 = fc.constantFrom('\xff', '\xc3', '\xe2\x82', '\x9b', '\x80').map(bytes);
const plain = fc.constantFrom('a', 'app', '80', '-', '--', '=', '', 'x=1', '-1', '+', ':', ';', '\n', "'");
const oddText = fc.oneof({ weight: 6, arbitrary: plain.map(bytes) }, utf8, noUtf8);

const letter = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...letters.map(({ short }) => bytes(short))) },
  { weight: 1, arbitrary: fc.constantFrom('x', 'W', '1', '-', ':', ';', '=', '+', ' ').map(bytes) },
  { weight: 1, arbitrary: fc.oneof(utf8, noUtf8) },
);
const cluster = fc
  .tuple(fc.array(letter, { minLength: 1, maxLength: 4 }), fc.option(oddText, { freq: 3 }))
  .map(([some, value]) => Buffer.concat([bytes('-'), ...some, value ?? bytes('')]));
const name = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...longNames.map(({ long }) => long)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(...longNames.map(({ long }) => long)), fc.nat(12))
      .map(([long, length]) => long.slice(0, length)),
  },
  { weight: 1, arbitrary: fc.constantFrom('bogus', 'no', 'Port', '-', 'portx', 'restart') },
);
const longOption = fc
  .tuple(name, fc.option(oddText, { freq: 2 }))
  .map(([long, value]) =>
    value === null ? bytes(`--${long}`) : Buffer.concat([bytes(`--${long}=`), value]),
  );
/** A letter or a name with its value behind it, so that not every line is a mistake. */
const complete = fc
  .tuple(
    fc.constantFrom(
      ...letters.map(({ short, takesValue }) => ({ written: `-${short}`, takesValue })),
      ...longNames.map(({ long, takesValue }) => ({ written: `--${long}`, takesValue })),
    ),
    oddText,
  )
  .map(([{ written, takesValue }, value]) => (takesValue ? [bytes(written), value] : [bytes(written)]));
const words = fc.oneof(
  { weight: 5, arbitrary: complete },
  { weight: 2, arbitrary: cluster.map((word) => [word]) },
  { weight: 2, arbitrary: longOption.map((word) => [word]) },
  { weight: 3, arbitrary: oddText.map((word) => [word]) },
);
const commandLine: fc.Arbitrary<CommandLine> = fc.record({
  posixlyCorrect: fc.boolean(),
  args: fc.array(words, { maxLength: 7 }).map((groups) => groups.flat()),
});

function askOurs({ args, posixlyCorrect }: CommandLine): Answer {
  const { found, operands, mistake } = getopt(args.map(String), specs, {
    posixlyCorrect,
    bytesAt: (index) => args[index] ?? Buffer.alloc(0),
  });
  return [
    ...found.flatMap(({ option, value, at }) => [
      'option',
      (args[at]?.toString().startsWith('--') ? option.long : option.short) ?? '',
      ...(value === undefined ? ['none'] : ['value', value]),
    ]),
    ...(mistake ? ['mistake', ofBytes(mistake.text)] : ['operands', String(operands.length), ...operands]),
  ];
}

const isOfLetter = (text: string): boolean => text.startsWith('invalid option');

/** A letter is quoted by its first byte, whatever stands for that in our text. */
function ofBytes(text: string): string {
  return isOfLetter(text)
    ? text.replaceAll(/[^]/g, (unit) => String.fromCharCode(unit.charCodeAt(0) & 0xff))
    : text;
}

/** Undefined where the C library is another one. */
function askC(samples: readonly CommandLine[]): Answer[] | undefined {
  const shorts = letters.map(({ short, takesValue }) => `${short}${takesValue ? ':' : ''}`).join('');
  const longs = longNames.map(({ long, takesValue }) => `${long}${takesValue ? ':' : ''}`);
  const input = samples.flatMap(({ args, posixlyCorrect }) => [
    posixlyCorrect ? 'posix' : 'permute',
    String(args.length),
    ...args,
  ]);
  const encoded = input.map((one) => Buffer.concat([Buffer.from(one), Buffer.of(0)]));
  const { stdout, status } = spawnSync(compileC(fixture('getopt-reference.c')), [shorts, ...longs], {
    input: Buffer.concat(encoded),
    maxBuffer: 2 ** 30,
    env: {},
  });
  if (status === otherLibrary) return undefined;
  expect(status).toBe(0);
  const strings = stdout.toString('latin1').split('\0');
  const answers: Answer[] = [];
  for (let next = 0; next < strings.length - 1;) {
    const start = next;
    while (strings[next] === 'option') next += strings[next + 2] === 'none' ? 3 : 4;
    next += strings[next] === 'mistake' ? 2 : 2 + Number(strings[next + 1]);
    answers.push(strings.slice(start, next).map(decode));
  }
  return answers;
}

/** As Node decodes arguments, but for the byte of a letter. */
function decode(text: string): string {
  return isOfLetter(text) ? text : Buffer.from(text, 'latin1').toString();
}
