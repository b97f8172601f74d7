// The manual pages and the completions that the build makes: every option, command, event, exit status and signal is in them,
// and nothing is left of their sources' places.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { options } from '../../src/command-line/options.ts';
import { exitStatus } from '../../src/core/errors.ts';
import { createProgram } from '../../src/ctl/program.ts';
import { ctlStatus } from '../../src/ctl/statuses.ts';
import { toRoff } from '../../src/manual/roff.ts';
import { fillPage } from '../../src/manual/fill-page.ts';
import { tableUnder } from '../helpers/pages/index.ts';

const dist = (path: string): string => readFileSync(new URL(`../../dist/${path}`, import.meta.url), 'utf8');
const page = dist('man/spawn-fcgi.1');
const ctlPage = dist('man/spawn-fcgictl.1');
const program = createProgram();
const scripts = {
  bash: [dist('completion/bash/spawn-fcgi'), dist('completion/bash/spawn-fcgictl')],
  zsh: [dist('completion/zsh/_spawn-fcgi'), dist('completion/zsh/_spawn-fcgictl')],
  fish: [dist('completion/fish/spawn-fcgi.fish'), dist('completion/fish/spawn-fcgictl.fish')],
} as const;

/** The text of an entry, as it is read; undefined: there is none. */
function entryOf(text: string, label: RegExp): string | undefined {
  const found = plain(text)
    .split('\n.TP\n')
    .find((entry) => label.test(entry.split('\n')[0] ?? ''));
  return found?.split('\n').slice(1).join(' ');
}

function plain(roff: string): string {
  return roff
    .replaceAll(/\\f[BIR]/g, '')
    .replaceAll(String.raw`\-`, '-')
    .replaceAll(String.raw`\(aq`, "'")
    .replaceAll(/\\[&]/g, '');
}

describe.each(options)('--$long', (option) => {
  const { long, short, since, needsRoot, default: value } = option;

  test('is in the manual with its letter, its default and when it came', () => {
    const entry = entryOf(page, new RegExp(`(?:^|, )--${long}(?: |$)`)) ?? '';
    expect(entry).not.toBe('');
    if (short !== undefined) expect(plain(page)).toMatch(new RegExp(`^-${short}, .*--${long}`, 'm'));
    expect(entry.includes(`Since ${since}.`)).toBe(since !== '1.6');
    expect(entry.includes('Root only.')).toBe(needsRoot === true);
    for (const part of value?.split('; with -n: ') ?? [])
      expect(entry).toContain(plain(toRoff(part)).replaceAll('\n', ' '));
  });

  test.each(['bash', 'zsh', 'fish'] as const)('is completed by %s', (shell) => {
    const [script] = scripts[shell];
    const name = shell === 'fish' ? `-l ${long}` : `--${long}`;
    expect(script).toMatch(new RegExp(`${name}(?:[^\\w-]|$)`, 'm'));
  });
});

describe.each(program.commands)('spawn-fcgictl %s', (command) => {
  const name = command.name();
  const own = command.options.map(({ long }) => long ?? '');

  test('is in the manual with its options', () => {
    const [, section = ''] = plain(ctlPage).split('\n.SH COMMANDS\n');
    const [, rest = ''] = section.split(new RegExp(`^${name}(?: .*)?\n`, 'm'));
    expect(rest).not.toBe('');
    const [block = ''] = rest.split(/\.RE\n/);
    for (const long of own) expect(block).toMatch(new RegExp(`^(?:-\\w, )?${long}(?: |$)`, 'm'));
  });

  test('has the operands in the manual that its own help has', () => {
    const operands = command.usage().replace('[options]', '').replaceAll(/[<>]/g, '').trim();
    expect(plain(ctlPage)).toContain(`\nspawn-fcgictl [options] ${name}${operands && ` ${operands}`}\n`);
  });

  test.each(['bash', 'zsh', 'fish'] as const)('is completed by %s with its options', (shell) => {
    const [, script] = scripts[shell];
    expect(script).toMatch(new RegExp(`\\b${name}\\b`));
    for (const long of own) expect(script).toContain(shell === 'fish' ? `-l ${long.slice(2)}` : long);
  });
});

test('both manuals have every exit status', () => {
  const [, statuses = ''] = page.split('\n.SH EXIT STATUS\n');
  for (const status of Object.values(exitStatus))
    expect(statuses).toMatch(new RegExp(`^\\.TP\n${status}\n`, 'm'));
  const [, ofCtl = ''] = ctlPage.split('\n.SH EXIT STATUS\n');
  for (const status of Object.values(ctlStatus))
    expect(ofCtl).toMatch(new RegExp(`^\\.TP\n${status}\n`, 'm'));
  expect(ofCtl).toMatch(/^\.TP\n10\n/m);
});

test('the manual has every signal of the page of options, and the one of events every event', () => {
  const [, section = ''] = plain(page).split('\n.SH SIGNALS\n');
  const signals = tableUnder('options', 'Signals to the supervisor').map((row) => row[1] ?? '');
  expect(signals.length).toBeGreaterThan(3);
  for (const signal of signals) expect(section).toContain(`.TP\n${signal.replace('…', '...')}\n`);
  const texts = readFileSync(new URL('../../src/core/text/event-text.ts', import.meta.url), 'utf8');
  const [, table = ''] = texts.split('const texts');
  const events = [...table.split('\n};')[0]!.matchAll(/^ {2}'?([a-z][a-z-]*)'?:/gm)].map(([, name]) => name);
  expect(events.length).toBeGreaterThan(30);
  const eventsPage = plain(dist('man/spawn-fcgi-events.5'));
  for (const event of events)
    expect(eventsPage).toMatch(new RegExp(`^\\.TP\n(?:.*, )?${event}(?:,|\n)`, 'm'));
});

test.each([['man/spawn-fcgi.1'], ['man/spawn-fcgictl.1'], ['man/spawn-fcgi-events.5']])(
  'no place is left empty in %s',
  (path) => {
    expect(dist(path)).not.toMatch(/@[A-Z]+@|^\.\\" @|undefined|\]\(|`/m);
  },
);

test.each([
  ['.\\" @options nothing\n', "no options 'nothing'"],
  ['.\\" @nowhere\n', 'no @nowhere'],
  ['.\\" @table options.md (status, why) {why}\n', 'no table with the columns status, why'],
  ['.\\" @table options.md (status, when) {why}\n', "no column 'why'"],
])('a place that leads nowhere fails the build: %j', (source, problem) => {
  const readPage = (name: string): string =>
    readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
  expect(() => fillPage(source, { version: '1', program, readPage })).toThrow(problem);
});

test.each([
  ['see [guards](guards.md#age) or `-p PORT`', String.raw`see guards or \fB\-p PORT\fR`],
  ['more ([guards](guards.md#age)), below', 'more (guards.md), below'],
  [String.raw`a \| b, \x1b, -20 to 19, KILL -9`, String.raw`a | b, \ex1b, \-20 to 19, KILL \-9`],
  ['.so is no request', String.raw`\&.so is no request`],
  ["`'x'` isn't ~ and …", String.raw`\fB\(aqx\(aq\fR isn't ~ and ...`],
])('%s is %s in roff', (markdown, roff) => {
  expect(toRoff(markdown)).toBe(roff);
});

test('what roff might not print is refused', () => {
  expect(() => toRoff('naïve')).toThrow("'ï'");
});
