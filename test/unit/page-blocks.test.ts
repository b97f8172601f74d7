// Every block of every page is somebody's: typed in by the test of all pages, used by a test that says so, or one that no
// machine of ours can run, which are listed here. What is only text has no commands in it.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { fencesOf, pagePaths } from '../helpers/pages/index.ts';
import { claims, fencesToType, isClaimed, isElsewhere } from '../helpers/typed/index.ts';

const project = join(import.meta.dirname, '../..');
const fences = pagePaths.flatMap(fencesOf);
const toType = new Set([...fencesToType().values()].flat().map(({ page, line }) => `${page}:${line}`));
const at = ({ page, line }: { page: string; line: number }): string => `${page}:${line}`;

/** With what stands in the way. */
const elsewhere = [
  'docs/install.md: asks nodejs.org',
  'docs/install.md: asks nodesource.com',
  'docs/install.md: nvm comes from GitHub',
  "docs/monitoring.md: php-fpm_exporter is in no package of Debian's",
];

test('every block is typed in, used by a test, or a text', () => {
  expect(fences.length).toBeGreaterThan(90);
  const nobodys = fences.filter(
    (fence) =>
      !toType.has(at(fence)) &&
      !isElsewhere(fence) &&
      !/^text(?: |$)/.test(fence.info) &&
      !claims.some((claim) => isClaimed(claim, fence)),
  );
  expect(nobodys.map((fence) => `${at(fence)} (${fence.info})`)).toEqual([]);
});

test('who claims a block is a test that reads its page, and there is one', () => {
  const helpers = globSync('test/helpers/{debian,pages,recipe}/*.ts', { cwd: project });
  const wrong = claims.filter((claim) => {
    if (!existsSync(join(project, claim.test)) || !fences.some((fence) => isClaimed(claim, fence)))
      return true;
    const text = readFileSync(join(project, claim.test), 'utf8');
    const reads = [text, ...helpers.filter((file) => usesHelper(text, file)).map(readText)];
    return !reads.some((one) => one.includes(basename(claim.page)));
  });
  expect(wrong).toEqual([]);
});

function readText(file: string): string {
  return readFileSync(join(project, file), 'utf8');
}

/** By a name that the helper exports. */
function usesHelper(text: string, file: string): boolean {
  const names = [...readText(file).matchAll(/^export (?:async )?(?:function|const) (\w+)/gm)].map(
    ([, name = '']) => name,
  );
  return names.some((name) => new RegExp(`\\b${name}\\b`).test(text));
}

test('what needs another machine is known, and says why', () => {
  const found = fences
    .filter(isElsewhere)
    .map(({ page, info }) => `${page}: ${info.split(': ')[1] ?? 'no reason'}`);
  expect(found.toSorted()).toEqual(elsewhere);
});

test('what is a text has no commands', () => {
  const command =
    /^(?:[$#] |(?:sudo )?(?:spawn-fcgi(?:ctl)?|systemctl|nginx|npm|curl|apt-get|kill|docker|rc-service) )/m;
  const wrong = fences.filter(({ info, text }) => /^text$/.test(info) && command.test(text));
  expect(wrong.map(at)).toEqual([]);
});
