// Types in docs/programs.md as root, each section on a machine whose /run, /srv and /tmp are its own: a block that names a
// path is that file, one that only says "sh" is typed in. Every pool that is started answers there, and is stopped.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { goEnvironment } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pages from '../helpers/pages/index.ts';

const project = join(import.meta.dirname, '../..');
const path = `${join(project, 'bin')}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
const fences = pages.fencesOf('docs/programs.md');
const sections = [...new Set(fences.filter(({ info }) => info === 'sh').map(({ heading }) => heading))];

/** What a section takes, by the commands and files of its packages. */
const needed: Record<string, readonly string[]> = {
  'PHP: php-cgi': ['php-cgi'],
  'Python: flup, with Flask or Django': ['/usr/bin/django-admin'],
  'Perl: FCGI, CGI::Fast': ['perl'],
  'C: libfcgi': ['gcc'],
  Ruby: ['ruby'],
  Go: ['go'],
  'CGI scripts: fcgiwrap': ['fcgiwrap'],
  cgit: ['fcgiwrap', '/usr/lib/cgit/cgit.cgi'],
  'git http-backend': ['fcgiwrap', 'git'],
  'Maps and pictures': ['/usr/lib/iipimage-server/iipsrv.fcgi'],
};

const ownPlaces = [
  'mount --make-rprivate /',
  'for place in /run /srv /tmp; do mount -t tmpfs none $place; done',
  'set -o pipefail',
];

/** A section as one script: files are written, what is to be typed is typed, in order. */
function scriptOf(section: string): string {
  const steps = fences
    .filter(({ heading }) => heading === section)
    .flatMap(({ info, text }) => {
      const file = /^\w+ (\/\S+)$/.exec(info)?.[1];
      if (file !== undefined)
        return `mkdir -p $(dirname ${file})\ncat >${file} <<'END OF FILE'\n${text}END OF FILE\n`;
      return info === 'sh' ? text : [];
    });
  return [...ownPlaces, ...steps].join('\n');
}

const isolated = ['--mount', '--pid', '--fork', '--mount-proc', '--kill-child'];
const mayIsolate = machine.isRoot && spawnSync('unshare', [...isolated, 'true']).status === 0;

function whyNot(section: string): string | undefined {
  if (!mayIsolate) return 'needs root, mount and PID namespaces';
  return machine.missing({ commands: needed[section] ?? [] });
}

const typed = new Map<string, ReturnType<typeof machine.runCommand>>();

/** Side by side, since they wait most of the time. */
beforeAll(() => {
  for (const section of sections.filter((name) => whyNot(name) === undefined)) {
    const { TMPDIR: _itsOwn, PATH: found = '', ...env } = process.env;
    const options = {
      timeoutMs: 110_000,
      cwd: '/',
      env: { ...env, ...goEnvironment, PATH: `${path}:${found}` },
    };
    const running = machine.runCommand('unshare', [...isolated, 'bash', '-euc', scriptOf(section)], options);
    typed.set(section, running);
  }
});

test('every section of the page is known here', () => {
  expect(Object.keys(needed)).toEqual(sections);
});

test.for(sections)(
  'what the page says of "%s" works when it is typed in',
  { timeout: 120_000 },
  async (section, ctx) => {
    const result = (await typed.get(section)) ?? ctx.skip(whyNot(section));
    expect(result.status, `${result.stdout}\n${result.stderr}`).toBe(0);
    const count = (text: string, word: RegExp): number => [...text.matchAll(word)].length;
    const started = count(scriptOf(section), /^spawn-fcgi /gm);
    expect(started).toBeGreaterThan(0);
    expect(count(result.stdout, /^spawn-fcgi: child spawned successfully/gm)).toBe(started);
    expect(count(result.stdout, /^stopped$/gm)).toBe(started);
  },
);
