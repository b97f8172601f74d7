// The tables of docs/.
import { readFileSync } from 'node:fs';

/** The rows of a page's table under a heading, as cells. */
export function tableUnder(
  page: 'options' | 'spawn-fcgictl' | 'troubleshooting',
  heading: string,
): string[][] {
  const text = readFileSync(new URL(`../../../docs/${page}.md`, import.meta.url), 'utf8');
  const section = text.split(`# ${heading}\n`)[1]?.split(/\n#+ /)[0] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('|'));
  return rows.slice(2).map((row) => row.split(/(?<!\\)\|/).map((cell) => cell.trim()));
}
