// What `--charts DIR` leaves: the charts in the directory, and the table in the page of the same name beside it.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fillPage } from '../../helpers/charts/fill-page.ts';
import type { Row } from '../row.ts';
import { drawCharts, tabulate } from './charts.ts';

/** Prints the table where there is no page with marks for it. */
export function writeCharts(dir: string, rows: readonly Row[], footer: string): void {
  mkdirSync(dir, { recursive: true });
  for (const [file, svg] of drawCharts(rows, footer)) writeFileSync(join(dir, file), svg);
  const table = tabulate(rows, footer);
  const path = `${dir.replace(/\/+$/, '')}.md`;
  const page = existsSync(path) ? fillPage(readFileSync(path, 'utf8'), table) : undefined;
  if (page === undefined) process.stdout.write(`\n${table}`);
  else writeFileSync(path, page);
}
