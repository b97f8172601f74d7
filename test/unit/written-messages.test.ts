// Messages that pages quote are ones that the programs print: of each, words in a row stand in a text of the sources. A
// message that was put in other words is found here where it still stands in the old ones.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pagePaths, spansOf } from '../helpers/pages/index.ts';

const project = join(import.meta.dirname, '../..');

/** Of other programs, and one of ours that has no three words of its own in a row. */
const others = new Set([
  'Another FPM instance seems to already listen',
  'Failed to load environment files',
  'No such file or directory',
  'Start request repeated too quickly',
  'busy: reload since 3 s',
  'client intended to send too large body',
  'exec failed: Exec format error',
  'upstream prematurely closed connection',
  'upstream sent invalid header',
  'upstream sent too big header',
  'upstream sent unsupported FastCGI protocol version',
  'upstream timed out (110: Connection timed out) while connecting',
  'upstream timed out (110: Connection timed out) while reading response header',
]);

/** What the sources have between quotes, joined where a line ends in between; the shell's are taken whole. */
function printedTexts(): string {
  const read = (file: string): string => readFileSync(join(project, file), 'utf8');
  const literals = globSync('src/**/*.ts', { cwd: project }).flatMap((file) => {
    const text = read(file).replaceAll(/(['`])\s*\+\s*\1/g, '');
    return [...text.matchAll(/'((?:[^'\\\n]|\\.)+)'|`((?:[^`\\]|\\.)+)`|"([^"\n]+)"/g)].map(
      ([, plain, template, double]) => plain ?? template ?? double,
    );
  });
  const shell = globSync(['bin/*', 'docs/turbogears/*.fcgi'], { cwd: project }).map(read);
  return [...literals, ...shell]
    .join('\n')
    .replaceAll("\\'", "'")
    .replaceAll(/[^\S\n]+/g, ' ');
}

/** Sentences: four words at least, and no command, condition or assignment. */
function isMessage(text: string): boolean {
  const words = text.split(' ').filter((word) => /^[a-z,]+:?$/.test(word));
  return (
    words.length >= 4 &&
    !/^[\w/.-]*spawn-fcgi(?:ctl)? |^(?:sh|docker|npm|start-stop-daemon|import|if)\b|[|&=]/.test(text)
  );
}

test('every message that a page quotes is one of ours, or of another program that is known', () => {
  const printed = printedTexts();
  const isPrinted = (text: string): boolean => {
    const words = text.split(/\s+/);
    return words.some(
      (word, index) => index >= 2 && printed.includes(`${words[index - 2]} ${words[index - 1]} ${word}`),
    );
  };
  const quoted = pagePaths.flatMap(spansOf).filter(({ text }) => isMessage(text));
  expect(quoted.length).toBeGreaterThan(25);
  expect(quoted.filter(({ text }) => !others.has(text) && !isPrinted(text))).toEqual([]);
});
