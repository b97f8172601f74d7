// Links of all pages: what they name in this repository is there, its headings included, and comes with the package
// where the page does. Of those to elsewhere only the form is looked at.
import { existsSync, globSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { anchorsOf, linksOf, pagePaths } from '../helpers/pages/index.ts';

const project = join(import.meta.dirname, '../..');
const links = pagePaths.flatMap(linksOf).map(({ page, line, text }) => {
  const [path = '', anchor] = text.split('#');
  const isOutside = /^[a-z][a-z+.-]*:/i.test(text);
  const file = path === '' ? page : normalize(join(dirname(page), decodeURI(path)));
  return { page, text, at: `${page}:${line}: ${text}`, isOutside, file, anchor };
});
const inside = links.filter(({ isOutside }) => !isOutside);

test('there are pages, and links in them', () => {
  expect(pagePaths.length).toBeGreaterThan(25);
  expect(inside.length).toBeGreaterThan(150);
});

test('what a link names is there', () => {
  const lost = inside.filter(({ file }) => file.startsWith('..') || !existsSync(join(project, file)));
  expect(lost.map(({ at }) => at)).toEqual([]);
});

test('the heading that a link names is there, under the name that GitHub gives it', () => {
  const lost = inside.filter(
    ({ file, anchor }) => anchor !== undefined && !(file.endsWith('.md') && anchorsOf(file).has(anchor)),
  );
  expect(lost.map(({ at }) => at)).toEqual([]);
});

test('what a page of the package links to is in the package', () => {
  const isPacked = (file: string): boolean =>
    /^(?:README\.md|LICENSE|package\.json)$/.test(file) ||
    manifest.files.some((pattern) => file === pattern || file.startsWith(`${pattern}/`));
  const lost = inside.filter(({ page, file }) => isPacked(page) && !isPacked(file));
  expect(lost.map(({ at }) => at)).toEqual([]);
});

test('a link to elsewhere is one of HTTPS to a public name, or of mail', () => {
  const isGood = (text: string): boolean => {
    if (/^mailto:[^@\s]+@[^@\s]+\.[a-z]+$/.test(text)) return true;
    const { protocol, hostname, username } = URL.parse(text) ?? {};
    return protocol === 'https:' && username === '' && /^(?:[a-z0-9-]+\.)+[a-z]{2,}$/.test(hostname ?? '');
  };
  const strange = links.filter(({ isOutside, text }) => isOutside && !isGood(text));
  expect(strange.map(({ at }) => at)).toEqual([]);
});

test('every picture in docs/ stands on a page', () => {
  const pictures = globSync('docs/**/*.{svg,png,jpg,webp}', { cwd: project }).filter((file) =>
    statSync(join(project, file)).isFile(),
  );
  const shown = new Set(inside.map(({ file }) => file));
  expect(pictures.filter((file) => !shown.has(file))).toEqual([]);
});
