// How convert writes a pool: for a shell, and for systemd, which quotes in two other ways.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { renderCommand } from '../../src/ctl/convert/render/command.ts';
import { renderConf, renderUnit } from '../../src/ctl/convert/render/unit.ts';
import { splitWords } from '../../src/ctl/convert/shell/expand.ts';
import { Draft, type WantedPool } from '../../src/ctl/convert/wanted-pool.ts';

const odd = [
  'two words',
  "it's",
  'say "hi"',
  'back\\slash',
  '$HOME',
  '%n',
  '`id`',
  'a;b',
  '',
  '*',
  'tab\there',
  'line\nbreak',
];

function poolOf(change: (draft: Draft) => void): WantedPool {
  const draft = new Draft('app.conf', 'app');
  draft.options.socket = '/run/app.sock';
  draft.program = ['/srv/app', ...odd];
  change(draft);
  return draft.finish();
}

describe('a command', () => {
  test('has its words as they are, whatever is in them', () => {
    const text = renderCommand(poolOf((draft) => draft.addVariable('TEXT', 'a "b" $c')));
    const words = splitWords(text.replace(/^#.*\n/, ''), new Map()).map((field) => field.text);
    expect(words).toEqual([
      'spawn-fcgi',
      '-s',
      '/run/app.sock',
      '--env',
      'TEXT=a "b" $c',
      '--',
      '/srv/app',
      ...odd,
    ]);
  });

  test('has a %i that is no slot in front of it, where it is none', () => {
    const text = renderCommand(
      poolOf((draft) => {
        draft.program = ['/srv/app'];
        draft.addVariable('SLOT', 'worker-%i', true);
        draft.addVariable('FORMAT', '%i:%s');
      }),
    );
    expect(text).toContain('env FORMAT=%i:%s spawn-fcgi -s /run/app.sock --env SLOT=worker-%i -- /srv/app\n');
  });

  test('has each note on one line', () => {
    const text = renderCommand(poolOf((draft) => draft.lose('one\ntwo')));
    expect(text).toContain('# NOT CARRIED OVER: one\\x0atwo\n');
  });
});

describe('a unit', () => {
  test('has every setting of spawn-fcgi@.service but those of the conf file', () => {
    const shipped = readFileSync(new URL('../../docs/systemd/spawn-fcgi@.service', import.meta.url), 'utf8');
    const settings = (text: string): string[] =>
      text
        .replaceAll('%i', 'app')
        .split('\n')
        .filter((row) => row !== '' && !/^(?:#|ExecStart=|ExecStopPost=|Environment|Description=)/.test(row));
    expect(
      settings(
        renderUnit(
          poolOf(() => undefined),
          '/usr/local/bin',
        ),
      ).filter((row) => !row.startsWith('ExecStart')),
    ).toEqual(settings(shipped));
  });

  test('escapes what systemd would expand', () => {
    const unit = renderUnit(
      poolOf((draft) => draft.addVariable('TEXT', '$a %b "c"\n')),
      '/usr/bin',
    );
    expect(unit).toContain(String.raw`Environment="TEXT=$a %%b \"c\"\n"`);
    expect(unit).toContain(
      String.raw`-- /srv/app "two words" "it's" "say \"hi\"" "back\\slash" "$$HOME" "%%n" "${'`id`'}" "a;b" "" "*" "tab\there" "line\nbreak"`,
    );
  });

  test('waits longer than its workers may take', () => {
    const unit = renderUnit(
      poolOf(({ options }) => (options.stopTimeout = '60s')),
      '/usr/bin',
    );
    expect(unit).toContain('TimeoutStopSec=66s\n');
  });
});

test('a conf file has the settings of spawn-fcgi@.service, and nobody who runs as root is left to its default', () => {
  const conf = renderConf(
    poolOf((draft) => {
      draft.program = ['/srv/app', 'a b'];
      draft.options.foreground = true;
      draft.options.workers = '2';
      draft.addVariable('TEXT', 'x"y');
    }),
  );
  expect(conf.replace(/^#.*\n#.*\n/, '')).toBe(
    `ADDRESS="-s /run/app.sock"\nRUN_AS=\nOPTIONS="-F 2"\nPROGRAM="/srv/app \\"a b\\""\nTEXT="x\\"y"\n`,
  );
});
