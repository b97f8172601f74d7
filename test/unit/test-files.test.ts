// How the tests are put together: suites share helpers and nothing else, a helper has one name and one room, each room
// an index, and no file begins with a screen of imports.
import * as fs from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';

const project = join(import.meta.dirname, '../..');
const helpers = 'test/helpers';
const rooms = fs.readdirSync(join(project, helpers));
const mostLines = 9;
const mostFiles = 15;

interface Source {
  readonly path: string;
  readonly text: string;
}

const sources: Source[] = fs
  .globSync('test/**/*.ts', { cwd: project })
  .map((path) => ({ path, text: fs.readFileSync(join(project, path), 'utf8') }));

/** Whole statements at the beginning of a line. */
function importsOf(text: string): RegExpExecArray[] {
  return [...text.matchAll(/^(?:import|export) (?:type )?[*{\w][^;'()=]*? from '([^']+)'[^;]*;$/gm)];
}

/** The files of this repository that a file imports, relative to it. */
function importedBy({ path, text }: Source): string[] {
  return importsOf(text)
    .map(([, name = '']) => name)
    .filter((name) => name.startsWith('.'))
    .map((name) => normalize(join(dirname(path), name)));
}

function linesOfHead(text: string): number {
  const imports = importsOf(text).filter(([statement]) => statement.startsWith('import'));
  const [first, last] = [imports[0], imports.at(-1)];
  return first && last ? text.slice(first.index, last.index + last[0].length).split('\n').length : 0;
}

function exportsOf(text: string): string[] {
  const declaration =
    /^export (?:async |abstract )*(?:const|let|class|interface|type|enum|function\*?) (\w+)/gm;
  return [...new Set([...text.matchAll(declaration)].map(([, name = '']) => name))];
}

const isTest = ({ path }: Source): boolean => path.endsWith('.test.ts');
const isHelper = (path: string): boolean => path.startsWith(`${helpers}/`);

/** What a file shares with: its suite, or for files of test/ itself nobody. */
function suiteOf(path: string): string {
  return /^test\/[^/]+\//.exec(path)?.[0] ?? path;
}

test('there are test files, and imports in them', () => {
  expect(sources.filter(isTest).length).toBeGreaterThan(100);
  expect(sources.flatMap(importedBy).filter(isHelper).length).toBeGreaterThan(300);
});

test('no suite imports from another one, and no helper from a suite', () => {
  const strangers = sources.flatMap((source) =>
    importedBy(source)
      .filter((file) => file.startsWith('test/') && !isHelper(file) && suiteOf(file) !== suiteOf(source.path))
      .map((file) => `${source.path} imports ${file}`),
  );
  expect(strangers).toEqual([]);
});

test('a test imports helpers by the index of their room, and each room once', () => {
  const wrong = sources.filter(isTest).flatMap((source) => {
    const imported = importedBy(source).filter(isHelper);
    return imported
      .filter((file, index) => !file.endsWith('/index.ts') || imported.indexOf(file) !== index)
      .map((file) => `${source.path} imports ${file}`);
  });
  expect(wrong).toEqual([]);
});

test('every head of imports is under ten lines', () => {
  const long = sources.filter(({ text }) => linesOfHead(text) > mostLines);
  expect(long.map(({ path, text }) => `${path}: ${linesOfHead(text)} lines`)).toEqual([]);
});

test('no two helpers export the same name', () => {
  const homes = new Map<string, string[]>();
  for (const { path, text } of sources.filter((source) => !isTest(source)))
    for (const name of exportsOf(text)) homes.set(name, [...(homes.get(name) ?? []), path]);
  expect([...homes].filter(([, paths]) => paths.length > 1)).toEqual([]);
});

describe.for(rooms)('test/helpers/%s', (room) => {
  const files = fs.readdirSync(join(project, helpers, room)).filter((name) => name !== 'index.ts');
  const index = fs.readFileSync(join(project, helpers, room, 'index.ts'), 'utf8');

  test('has an index that begins with its job and has all its files', () => {
    const lines = index.split('\n').filter(Boolean);
    expect(lines[0]).toMatch(/^\/\/ \w/);
    expect(lines.filter((line) => !line.startsWith('//'))).toEqual(
      files.toSorted().map((name) => `export * from './${name}';`),
    );
    expect(files.length).toBeLessThanOrEqual(mostFiles);
  });

  test('stands in CONTRIBUTING.md', () => {
    const page = fs.readFileSync(join(project, 'CONTRIBUTING.md'), 'utf8');
    expect(page).toMatch(new RegExp(`^\\| \`${room}/\` \\|`, 'm'));
  });
});
