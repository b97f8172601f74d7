// The reference pages and -h say what the program does: every option, every exit status, every default.
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { options, rootOptions, specs } from '../../src/command-line/options.ts';
import { describeUsage } from '../../src/command-line/usage.ts';
import { defaults } from '../../src/core/config.ts';
import { exitStatus } from '../../src/core/errors.ts';
import { ignoredSignals } from '../../src/start/watch-signals.ts';
import { readPages, tableUnder } from '../helpers/pages/index.ts';

test.each(specs.filter((spec) => spec.short !== undefined))(
  'the page of options and -h name -$short',
  ({ short }) => {
    expect(tableUnder('options', 'Options').some((row) => row[1]?.includes(`\`-${short}`))).toBe(true);
    expect(describeUsage()).toMatch(new RegExp(`(?:^| )-[${short}][,\\s]`, 'm'));
  },
);

test.each(specs.filter((spec) => spec.long !== undefined))(
  'the page of options and -h name --$long',
  ({ long }) => {
    expect(tableUnder('options', 'Options').some((row) => row[2]?.includes(`\`--${long}`))).toBe(true);
    expect(describeUsage()).toContain(`--${long}`);
  },
);

test.each(readPages())('what `npm run pages` writes is what stands in $path', ({ is, shouldBe }) => {
  expect(is).toBe(shouldBe);
});

test('-h lists the options that only root can use under a heading of their own', () => {
  const inSection = options.filter(({ section }) => section === 'root').map(({ long }) => long);
  expect(rootOptions.map(({ long }) => long)).toEqual(inSection);
});

test('no text of an option asks for a default that it has not', () => {
  const asking = options.filter((row) => `${row.help}${row.details}`.includes('{default}'));
  expect(asking.filter((row) => row.default === undefined)).toEqual([]);
});

test('the page of options has a row for every exit status', () => {
  const statuses = tableUnder('options', 'Exit statuses').map((row) => row[1]);
  expect(statuses).toEqual(expect.arrayContaining(Object.values(exitStatus).map(String)));
});

test('-h fits a terminal, and says where events go, what signals and statuses mean, and who manages pools', () => {
  expect(
    describeUsage()
      .split('\n')
      .filter((line) => line.length > 80),
  ).toEqual([]);
  const [, signals = '', statuses = ''] = describeUsage().split(/^Signals to the supervisor:|^Exit status:/m);
  for (const signal of heededSignals()) expect(signals).toContain(signal);
  for (const status of Object.values(exitStatus)) expect(statuses).toMatch(new RegExp(`^ +${status} `, 'm'));
  expect(describeUsage()).toMatch(/--log <file>[^-]*-,\s[^]*syslog[^]*stderr/);
  expect(describeUsage()).toContain('spawn-fcgictl');
});

test('-h states the defaults that the program has', () => {
  expect(describeUsage()).toContain(`backlog of the socket (default: ${defaults.backlog})`);
  expect(describeUsage()).toContain(`(default: ${defaults.stopTimeoutMs / 1000}s)`);
  expect(describeUsage()).toContain(`first delay of the backoff (default: ${defaults.restartDelayMs}ms)`);
  expect(describeUsage()).toContain(
    `longest delay of the backoff (default: ${defaults.restartMaxDelayMs / 1000}s)`,
  );
});

test('every file that the page of the architecture names is there', () => {
  const text = readFileSync(new URL('../../docs/internals/architecture.md', import.meta.url), 'utf8');
  const named = [...text.matchAll(/`([\w/-]+\.ts)`/g)].map(([, path = '']) => path);
  expect(named.length).toBeGreaterThan(40);
  expect(named.filter((path) => !existsSync(new URL(`../../src/${path}`, import.meta.url)))).toEqual([]);
});

test('the page of options and the README say what each signal does', () => {
  const pages = ['docs/options.md', 'README.md'].map(read);
  expect(heededSignals()).toContain('TTOU');
  for (const signal of heededSignals())
    for (const page of pages) expect(page).toMatch(new RegExp(`^\\| [A-Z0-9, ]*\\b${signal}\\b`, 'm'));
});

test('the page of events has every event', () => {
  const events = [...read('src/core/text/pool-event.ts').matchAll(/\bevent: '([a-z-]+)'/g)].map(
    ([, name]) => name,
  );
  expect(events.length).toBeGreaterThan(20);
  const page = read('docs/events.md');
  expect(events.filter((name) => !new RegExp(`^\\|[^|]*\`${name}\``, 'm').test(page))).toEqual([]);
});

/** Those that have a meaning for the supervisor, without SIG. */
function heededSignals(): string[] {
  const named = [...read('src/start/watch-signals.ts').matchAll(/'SIG([A-Z0-9]+)'/g)].map(
    ([, name = '']) => name,
  );
  const ignored = new Set<string>(ignoredSignals.map((name) => name.slice(3)));
  return [...new Set(named)].filter((name) => !ignored.has(name));
}

function read(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
}
