// The table of docs/applications.md: what the run has found, as the page says it.
import { readFileSync, writeFileSync } from 'node:fs';
import type { Finding } from './checks.ts';
import { applicationsPage, serverNames, type ServerName } from './page-lines.ts';
import { ok } from './tested.ts';

const begin = '<!-- applications table -->';
const end = '<!-- end -->';

/** What one application does behind one server: "all", or what does not come out well. */
export function cellOf(found: Finding, server: ServerName): string {
  const bad = [...(found.get(server) ?? [])].filter(([, outcome]) => outcome !== ok);
  if (bad.length === 0) return 'all';
  return `all but ${bad.map(([check, outcome]) => `${check} (${outcome})`).join(', ')}`;
}

/** What the page says of it; undefined if it says nothing. */
export function cellOnPage(application: string, server: ServerName): string | undefined {
  const [, table = ''] = readFileSync(applicationsPage, 'utf8').split(begin);
  const rows = (table.split(end)[0] ?? '')
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
  const column = rows[0]?.indexOf(server) ?? -1;
  return rows.find(([name]) => name === application)?.[column];
}

/** Writes all rows anew, in this order. */
export function writeTable(found: readonly (readonly [name: string, Finding | undefined])[]): void {
  const rows = found.map(([name, of = new Map()]) => [
    name,
    ...serverNames.map((server) => (of.has(server) ? cellOf(of, server) : 'not tried')),
  ]);
  const lines = [['', ...serverNames], ['', ...serverNames].map(() => '---'), ...rows];
  const table = lines.map((cells) => `| ${cells.join(' | ')} |`.replace('|  |', '| |')).join('\n');
  const [before = '', rest = ''] = readFileSync(applicationsPage, 'utf8').split(begin);
  const after = rest.slice(rest.indexOf(end));
  writeFileSync(applicationsPage, `${before}${begin}\n\n${table}\n\n${after}`);
}
