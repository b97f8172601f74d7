// Comments that name files name files that are there: after a move the first line of a neighbour is the last to be read.
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';

const project = join(import.meta.dirname, '../..');
const list = (...patterns: string[]): string[] => globSync(patterns, { cwd: project });
const files = list('src/**/*.*', 'test/**/*.*', 'bin/*', 'docs/**/*.md', 'docs/*', '*.*');
const sources = list('src/**/*.{ts,sh}', 'test/**/*.{ts,c,h,sh}', 'bin/*');
/** What is of another program, or only once it was built. */
const elsewhere = new Set([
  'spawn-fcgi.c',
  'dist/in-place.cjs',
  'dist/spawn-fcgi.cjs',
  'dist/spawn-fcgictl.cjs',
]);
const known = new Set([
  ...elsewhere,
  ...files.flatMap((file) => [file, file.replace(/^(?:src|test)\//, ''), basename(file)]),
]);

function commentsOf(source: string): string {
  const marker = /\.(?:ts|c|h)$/.test(source) ? /(?:^|\s)(?:\/\/ |\/?\*+ )(.*)/ : /(?:^|\s)# (.*)/;
  const lines = readFileSync(join(project, source), 'utf8').split('\n');
  return lines.flatMap((line) => marker.exec(line)?.[1] ?? []).join('\n');
}

test('every file that a comment names is there', () => {
  expect(sources.length).toBeGreaterThan(300);
  const named = sources.flatMap((source) =>
    [...commentsOf(source).matchAll(/(?<![\w./<*-])[a-z][\w./-]*\.(?:ts|c|sh|md|cjs)\b/g)].map(([name]) => ({
      source,
      name,
    })),
  );
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter(({ name }) => !known.has(name))).toEqual([]);
});
