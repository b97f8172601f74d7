// The pool's status as php-fpm writes it, whatever a program is called.
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { localTime } from '../../src/features/status-socket/local-time.ts';
import { formatStatus, readQuery, type Format } from '../../src/features/status-socket/status-formats.ts';
import * as machine from '../helpers/machine/index.ts';
import { exampleFigures as figures, nastyNames } from '../helpers/models/index.ts';

const facts = {
  pool: 'php-cgi',
  'process manager': 'static',
  'start time': 1_800_000_000 - 86_400,
  'start since': 86_400,
  'listen queue': 3,
  'max listen queue': 9,
  'listen queue len': 128,
  'idle processes': 1,
  'active processes': 2,
  'total processes': 3,
  'max active processes': 2,
  'max children reached': 0,
  'slow requests': 5,
};

describe('the status', () => {
  test('as JSON has the names of php-fpm, in their order, and nothing that is not known', () => {
    const text = formatStatus(figures(), 'json', false);
    expect(JSON.parse(text)).toEqual(facts);
    expect(Object.keys(JSON.parse(text) as object)).toEqual(Object.keys(facts));
  });

  test('as text has the same, with the date for people', () => {
    const lines = formatStatus(figures(), 'text', false).trimEnd().split('\n');
    expect(lines.map((line) => line.slice(0, 22).trimEnd())).toEqual(
      Object.keys(facts).map((name) => `${name}:`),
    );
    expect(lines.map((line) => line.slice(22))).toEqual(
      Object.entries(facts).map(([name, value]) =>
        name === 'start time' ? localTime(Number(value)) : String(value),
      ),
    );
  });

  test('has each worker that is up or ending, in the words of php-fpm', () => {
    const { processes } = JSON.parse(formatStatus(figures(), 'json', true)) as { processes: object[] };
    const states = ['Idle', 'Running', 'Reading headers', 'Ending'];
    expect(processes).toMatchObject(
      [640, 641, 642, 600].map((pid, index) => ({
        pid,
        state: states[index],
        'request method': '-',
        script: '-',
      })),
    );
    expect(processes[1]).toMatchObject({ 'start since': 90, 'start time': 1_800_000_000 - 90 });
  });

  test('of a pool that grows is dynamic, and nobody knows how often it was held', () => {
    const scaling = { min: 1, max: 4, processors: null, last: null, note: null };
    const text = formatStatus(figures({ scaling }), 'json', false);
    expect(JSON.parse(text)).toMatchObject({ 'process manager': 'dynamic' });
    expect(text).not.toContain('max children reached');
  });

  test('leaves slow requests out where nobody watches them', () => {
    const { slowRequests: _unwatched, ...status } = figures().status;
    expect(formatStatus({ ...figures(), status }, 'text', false)).not.toContain('slow requests');
  });

  test('leaves out what the kernel does not tell', () => {
    const text = formatStatus(figures({ queue: null, peaks: { queue: 0, active: 0 } }), 'json', false);
    expect(Object.keys(JSON.parse(text) as object)).not.toContain('listen queue');
  });
});

test.each<[string, Format, boolean]>([
  ['', 'text', false],
  ['full', 'text', true],
  ['json&full', 'json', true],
  ['full&xml', 'xml', true],
  ['html=1', 'html', false],
  ['openmetrics', 'openmetrics', false],
  ['json&xml', 'xml', false],
  ['jsonp&fuller', 'text', false],
])('the query %j asks for %s, full: %s', (query, format, isFull) => {
  expect(readQuery(query)).toEqual({ format, isFull, isData: false });
});

describe.each(nastyNames)('a pool that is called %j', (name) => {
  const pool = figures({ name });

  test('has JSON that says so', () => {
    expect(JSON.parse(formatStatus(pool, 'json', true))).toMatchObject({ pool: name.toWellFormed() });
  });

  test('has a line of text', () => {
    expect(formatStatus(pool, 'text', false).split('\n')).toHaveLength(Object.keys(facts).length + 1);
  });

  test('has HTML without a tag of its own', () => {
    const tags = formatStatus(pool, 'html', true).match(/<(?!!DOCTYPE)[^>]*>/g) ?? [];
    const known =
      /^<\/?(?:html|head|meta|title|body|h1|table|tr|th|td)(?: (?:lang|charset|border)="[\w-]+")*>$/;
    expect(tags.filter((tag) => !known.test(tag))).toEqual([]);
    expect(tags.length).toBeGreaterThan(50);
  });

  test('has well-formed XML', (ctx) => {
    machine.needCommands(ctx, 'xmllint');
    const input = formatStatus(pool, 'xml', true);
    expect(execFileSync('xmllint', ['--noout', '-'], { input, encoding: 'utf8' })).toBe('');
  });
});

test('a moment is written as php-fpm does', () => {
  expect(localTime(0)).toMatch(/^\d\d\/(?:Jan|Dec)\/19(?:70|69):\d\d:\d\d:00 [+-]\d{4}$/);
  const date = execFileSync('date', ['-d', '@1795953561', '+%d/%b/%Y:%H:%M:%S %z'], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  expect(localTime(1_795_953_561)).toBe(date.trim());
});
