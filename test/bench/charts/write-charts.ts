// What `--charts DIR` leaves: the charts in the directory, and in the page of the same name beside it, between its marks,
// the charts and a table of their figures.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fillPage } from '../../helpers/charts/fill-page.ts';
import type { Row } from '../row.ts';
import { drawCharts, tabulate } from './charts.ts';

/** Prints the table where there is no page with marks for it. */
export function writeCharts(dir: string, rows: readonly Row[], footer: string): void {
  mkdirSync(dir, { recursive: true });
  const drawn = drawCharts(rows, footer);
  for (const { file, svg } of drawn) writeFileSync(join(dir, file), svg);
  const images = drawn.map(({ file, title }) => `![${title}](${basename(dir)}/${file})\n`);
  const table = tabulate(rows, footer);
  const path = `${dir.replace(/\/+$/, '')}.md`;
  const page = existsSync(path)
    ? fillPage(readFileSync(path, 'utf8'), `${images.join('\n')}\n${table}`)
    : undefined;
  if (page === undefined) process.stdout.write(`\n${table}`);
  else writeFileSync(path, page);
}
