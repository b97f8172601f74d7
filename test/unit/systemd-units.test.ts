// docs/systemd/ and docs/systemd.md say the same: every setting of the units is explained, every file is named.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { explainedSettings } from '../helpers/pages/index.ts';

const place = join(import.meta.dirname, '../../docs/systemd');
const files = readdirSync(place);
const textOf = (name: string): string => readFileSync(join(place, name), 'utf8');
const settingsOf = (text: string): string[] =>
  [...text.matchAll(/^([A-Z]\w+)=/gm)].map(([, name = '']) => name);

test.for(['spawn-fcgi@.service', 'hardened.conf', 'dynamic-user.conf'])(
  'the page says why %s has each of its settings',
  (name) => {
    const settings = settingsOf(textOf(name));
    expect(settings.length).toBeGreaterThan(2);
    const explained = new Set(explainedSettings());
    expect(settings.filter((one) => one !== 'Description' && !explained.has(one))).toEqual([]);
  },
);

test('the page explains no line of the unit that it has not', () => {
  const page = readFileSync(`${place}.md`, 'utf8');
  const [, table = ''] = page.split('\n## What each line is for\n');
  const rows = (table.split('\nNot there')[0] ?? '').matchAll(/`([A-Z]\w+)=[^`]*`/g);
  const settings = new Set(settingsOf(textOf('spawn-fcgi@.service')));
  const named = [...rows].map(([, name = '']) => name).filter((name) => name !== 'TimeoutStartSec');
  expect(named.filter((name) => !settings.has(name))).toEqual([]);
});

test('the page names every file', () => {
  const page = readFileSync(`${place}.md`, 'utf8');
  expect(files.filter((name) => !page.includes(name))).toEqual([]);
});

test('a file of a program sets what the unit reads', () => {
  const confs = files.filter((name) => name.endsWith('.conf') && !textOf(name).includes('[Service]'));
  expect(confs.length).toBeGreaterThan(3);
  for (const name of confs) expect(textOf(name)).toMatch(/^PROGRAM=\/\S+.*\nOPTIONS=-F \d/m);
});
