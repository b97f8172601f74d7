/**
 * test/fixtures/convert: a directory a kind, its files as sites have them, with @PROGRAM@, @DIR@, @PORT@ and @HERE@ (where
 * the file is) for what a test chooses; expected.json says what each of them means, written from the manuals of the
 * originals, not from what we print.
 */
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { checkPool } from '../../../src/ctl/convert/check-pool.ts';
import { readSource } from '../../../src/ctl/convert/input/read-source.ts';
import { surroundingsOf } from '../../../src/ctl/convert/input/surroundings.ts';
import { guessKind } from '../../../src/ctl/convert/kinds.ts';
import { renderCommand } from '../../../src/ctl/convert/render/command.ts';
import type { WantedPool } from '../../../src/ctl/convert/wanted-pool.ts';

const replaced = new Set(['php-fpm', 'uwsgi']);
const root = join(import.meta.dirname, '../../fixtures/convert');

/** What is said of a pool; what is not mentioned is not asked for. */
export interface ExpectedPool {
  name?: string;
  socket?: string;
  /** `127.0.0.1:9000`. */
  address?: string;
  listenFd?: string;
  mode?: string;
  /** `www-data:adm`. */
  owner?: string;
  workers?: number;
  range?: string;
  uid?: string;
  gid?: string;
  program?: string;
  /** Behind the program. */
  argv?: string[];
  env?: Record<string, string>;
  envBySlot?: Record<string, string[]>;
  /** Names that workers have not. */
  noEnv?: string[];
  /** The only names that they have. */
  onlyEnv?: string[];
  cwd?: string;
  umask?: string;
  nice?: string;
  limits?: Record<string, string>;
  backlog?: number;
  output?: string;
  /** A file for each slot. */
  outputs?: string[];
  pidFile?: string;
  foreground?: boolean;
  /** A directory with /bin/app in it, to be a root. */
  jail?: string;
  /** Other options, by their keys. */
  options?: Record<string, string>;
  /** spawn-fcgi refuses the command that came of it. */
  refused?: boolean;
}

export interface Expected {
  status: number;
  /** Patterns, each of a note on what is not carried over; there are no others. */
  lost?: string[];
  message?: string;
  /** Of the caller's environment. */
  caller?: Record<string, string>;
  /** What a run of something in the input would have made. */
  untouched?: string[];
  programArgument?: string;
  pools: ExpectedPool[];
}

export interface ConversionFixture {
  kind: string;
  file: string;
}

export interface PlacedFixture {
  /** To give to convert. */
  path: string;
  expected: Expected;
}

export function conversionFixtures(): ConversionFixture[] {
  return fs
    .readdirSync(root)
    .flatMap((kind) => Object.keys(readExpected(kind)).map((file) => ({ kind, file })));
}

function readExpected(kind: string): Record<string, Expected> {
  return JSON.parse(fs.readFileSync(join(root, kind, 'expected.json'), 'utf8')) as Record<string, Expected>;
}

/** Copies it and what is called like it (what it includes) to `dir`, filled in; they are for everybody to read. */
export function placeFixture(
  { kind, file }: ConversionFixture,
  dir: string,
  { program, port }: { program: string; port: number },
): PlacedFixture {
  const here = join(dir, 'input');
  const fill = (text: string): string =>
    text
      .replaceAll('@PROGRAM@', program)
      .replaceAll('@DIR@', dir)
      .replaceAll('@PORT@', String(port))
      .replaceAll('@HERE@', here);
  const stem = file.replace(/\.\w+$/, '');
  for (const name of fs.readdirSync(join(root, kind)))
    if (name === file || name.replace(/\.\w+$/, '') === stem)
      fs.cpSync(join(root, kind, name), join(here, name), { recursive: true });
  for (const name of fs.globSync('**/*', { cwd: here })) {
    const path = join(here, name);
    if (fs.statSync(path).isFile()) fs.writeFileSync(path, fill(fs.readFileSync(path, 'utf8')));
  }
  const expected = readExpected(kind)[file];
  if (!expected) throw new Error(`nothing is expected of ${file}`);
  return { path: join(here, file), expected: JSON.parse(fill(JSON.stringify(expected))) as Expected };
}

/** Without the command around it: what it would read, name and print. */
export function convertPlaced(
  { kind }: ConversionFixture,
  { path, expected }: PlacedFixture,
  program: string,
): { kind: string | undefined; pools: readonly WantedPool[]; lost: string[]; script: string } {
  const source = readSource(path);
  const guessed = guessKind(source);
  const instead = replaced.has(kind) ? (expected.programArgument ?? program) : undefined;
  const surroundings = { ...surroundingsOf(path, instead), environment: expected.caller ?? {} };
  const read = guessed?.read(source, surroundings) ?? { pools: [], notes: [] };
  const pools = read.pools.map(checkPool);
  const notes = [...read.notes, ...pools.flatMap((pool) => pool.notes)];
  return {
    kind: guessed?.name,
    pools,
    lost: notes.filter(({ isLost }) => isLost).map(({ says }) => says),
    script: pools.map(renderCommand).join(''),
  };
}

/** A root directory with nothing in it but the program, which is static. */
export function makeJail(jail: string, program: string): void {
  for (const name of ['bin', 'run', 'data', 'tmp', 'dev'])
    fs.mkdirSync(join(jail, name), { recursive: true });
  fs.copyFileSync(program, join(jail, 'bin/app'));
  fs.chmodSync(join(jail, 'bin/app'), 0o755);
  // 1.6 opens it in there.
  fs.writeFileSync(join(jail, 'dev/null'), '');
  fs.chmodSync(join(jail, 'dev/null'), 0o666);
  fs.chmodSync(dirname(join(jail, 'run/x')), 0o777);
}
