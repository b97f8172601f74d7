/** What of the pages and of -h is written by `npm run pages`, from the table of options, and
 * from what spawn-fcgictl convert goes by. */
import { readFileSync } from 'node:fs';
import manifest from '../../../package.json' with { type: 'json' };
import { describeEverydayOptions, describeOptionsPage } from '../../../src/command-line/pages.ts';
import { describeUsage } from '../../../src/command-line/usage.ts';
import { settingTables } from '../../../src/ctl/convert/settings/pages.ts';

export interface Page {
  /** Relative to the repository. */
  readonly path: string;
  readonly url: URL;
  /** As it is, and as it should be. */
  readonly is: string;
  readonly shouldBe: string;
}

export function readPages(): Page[] {
  return [
    page('README.md', (text) => replaceTable(text, 'The options of every day', describeEverydayOptions())),
    page('docs/options.md', (text) => replaceTable(text, 'Options', describeOptionsPage())),
    page('docs/convert.md', (text) =>
      Object.entries(settingTables).reduce(
        (renewed, [heading, table]) => replaceTable(renewed, heading, table),
        text,
      ),
    ),
    page('test/fixtures/usage.txt', () => describeUsage().replace(`v${manifest.version}`, 'vVERSION')),
  ];
}

function page(path: string, renew: (text: string) => string): Page {
  const url = new URL(`../../../${path}`, import.meta.url);
  const is = readFileSync(url, 'utf8');
  return { path, url, is, shouldBe: renew(is) };
}

/** The text with another first table under a heading. */
function replaceTable(text: string, heading: string, table: string): string {
  const start = text.indexOf('\n|', text.indexOf(`\n## ${heading}\n`)) + 1;
  const last = text.indexOf('\n\n', start);
  const end = last < 0 ? text.length : last + 1;
  return text.slice(0, start) + table + text.slice(end);
}
