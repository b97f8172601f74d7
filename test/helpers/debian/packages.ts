// Our packages, made by `npm run package`, hardly compressed; what the page has one type of them; a program for pools.
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileC, fixture } from '../build/index.ts';
import { makeTempDir } from '../machine/index.ts';

const project = join(import.meta.dirname, '../../..');
const page = readFileSync(join(project, 'docs/install.md'), 'utf8');
/** Whether there is a clone with a date or not. */
export const sourceDate = '1764400000';

export interface MadePackages {
  /** Revisions 1 and 2 of the .deb, two versions for dpkg; the tarball. */
  readonly all: readonly string[];
}

/** They go when the test, or the file that made them, has ended. */
export function makePackages(): MadePackages {
  const output = makeTempDir();
  const script = join(project, 'src/package/package.ts');
  const run = (...args: string[]): unknown =>
    execFileSync(process.execPath, [script, '--quick', '--output', output, ...args], {
      env: { ...process.env, SOURCE_DATE_EPOCH: sourceDate },
    });
  run('--revision', '1');
  run('--revision', '2', 'deb');
  return { all: globSync(join(output, '*.{deb,tar.gz}')).toSorted() };
}

/** Where the packages are, what the page has one type, as the kind of its block says. */
export function typed(kind: string): string {
  const [, commands] = new RegExp(`^\`\`\`sh ${kind}\n([^]*?)^\`\`\`$`, 'm').exec(page) ?? [];
  if (commands === undefined) throw new Error(`the page has no block of ${kind}`);
  return `cd /srv\n${commands}`;
}

/** The two commands with which README has a site running, as lines. */
export function readmeCommands(): string[] {
  const readme = readFileSync(join(project, 'README.md'), 'utf8');
  const start = readme.indexOf('\n## Install\n');
  return [...readme.slice(start).matchAll(/^```sh\n([^]*?)^```$/gm)]
    .slice(0, 2)
    .flatMap(([, commands = '']) => commands.trim().split('\n'));
}

export function compileApp(): string {
  return compileC(fixture('plain-echo.c'), { static: true });
}
