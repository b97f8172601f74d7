// What pages name is there: options, also where they stand alone, and files of the repository.
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { shortForms } from '../../src/command-line/option.ts';
import { options } from '../../src/command-line/options.ts';
import { parseArguments } from '../../src/ctl/program.ts';
import { pagePaths, proseOf, spansOf } from '../helpers/pages/index.ts';

const project = join(import.meta.dirname, '../..');

/** Of other programs, where the text has them without the program's name. */
const others: Record<string, readonly string[]> = {
  'start-stop-daemon': ['--notify-await', '--pidfile', '--user', '--exec', '--retry'],
  docker: ['--cpus', '--tmpfs', '--pid'],
  Node: ['--jitless', '--v8-pool-size', '--no-expose-wasm', '--no-rehash-snapshot', '--min-semi-space-size'],
  npm: ['--prefix', '--omit', '--ignore-scripts'],
  'npm run bench': ['--chart'],
  tar: ['--no-same-owner'],
  sv: ['-w'],
  multiwatch: ['--signal'],
  iipsrv: ['--bind'],
  's6-svc': ['-T'],
  ulimit: ['-m'],
  'nobody, a beginning and an argument': ['--f', '-N'],
};

function helpOf(...args: string[]): string {
  const parsed = parseArguments([...args, '-h']);
  return parsed.kind === 'text' ? parsed.text : '';
}

/** Those of spawn-fcgictl and of each of its commands, as its -h lists them. */
function optionsOfCtl(): string[] {
  const commands = [...helpOf().matchAll(/^ {2}(\w+) [<[]/gm)].map(([, name = '']) => name);
  const texts = [helpOf(), ...commands.filter((name) => name !== 'help').map((name) => helpOf(name))];
  return texts.flatMap((text) => [...text.matchAll(/(?<![\w-])--?[A-Za-z][a-z-]*/g)].map(([name]) => name));
}

test('every option that stands alone is one of ours, or of another program that is known', () => {
  const known = new Set([
    ...options.flatMap((option) => [`--${option.long}`, ...shortForms(option)]),
    ...optionsOfCtl(),
    ...Object.values(others).flat(),
  ]);
  const named = pagePaths
    .flatMap(spansOf)
    .flatMap((span) => (/^--?[A-Za-z][\w-]*/.exec(span.text) ?? []).map((name) => ({ ...span, name })));
  expect(named.length).toBeGreaterThan(400);
  // A letter may have its value behind it: `-F4`.
  const isKnown = (name: string): boolean =>
    known.has(name) || (/^-\w/.test(name) && known.has(name.slice(0, 2)));
  expect(named.filter(({ name }) => !isKnown(name))).toEqual([]);
});

test('every file of the repository that a page names is there, if without its ending', () => {
  const path = /(?<![\w./@:-])(?:src|test|docs|bin|\.ci)\/[\w./{},*@-]*[\w}*/]/g;
  const named = pagePaths.flatMap((page) =>
    [...proseOf(page).matchAll(path)].map(([name]) => ({ page, name })),
  );
  expect(named.length).toBeGreaterThan(50);
  expect(named.filter(({ name }) => globSync([name, `${name}.*`], { cwd: project }).length === 0)).toEqual(
    [],
  );
});
