// Reads docs/init-systems.md: what its tables and blocks tell users to type.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const page = readFileSync(join(import.meta.dirname, '../../../docs/init-systems.md'), 'utf8');

/** The command of a row in the table of runit, s6 and daemontools. */
export function managerCommand(row: string, manager: string): string {
  const rows = page.split('\n').filter((line) => line.startsWith('|'));
  const cells = (line: string): string[] => line.split('|').map((cell) => cell.trim());
  const head = rows.findIndex((line) => cells(line)[1] === '' && cells(line).includes(manager));
  const column = cells(rows[head] ?? '').indexOf(manager);
  const cell = rows.slice(head).find((line) => cells(line)[1]?.replaceAll('`', '') === row);
  const command = /^`(.*)`$/.exec(cells(cell ?? '')[column] ?? '')?.[1];
  if (command === undefined) throw new Error(`the page does not say how ${manager} does "${row}"`);
  return command;
}

/** The line of the crontab that begins so, without its times and its user. */
export function crontabCommand(times: string): string {
  const line = page.split('\n').find((one) => one.startsWith(times));
  const command = /^(?:@reboot|(?:\S+ ){5})\s*root (.*)$/.exec(line ?? '')?.[1];
  if (command === undefined) throw new Error(`the page has no line of a crontab for ${times}`);
  return command;
}
