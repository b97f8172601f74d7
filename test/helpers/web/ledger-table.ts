// Ledgers as one text table, a row for each run.
import { outcomes, type Ledger } from './ledger.ts';

export interface LedgerRow {
  what: string;
  reloads: number;
  ledger: Ledger;
}

export function drawLedgers(rows: readonly LedgerRow[]): string {
  const heading = ['', 'reloads', 'sent', ...outcomes, 'slowest'];
  const cells = rows.map(({ what, reloads, ledger }) => [
    what,
    String(reloads),
    String(ledger.sent),
    ...outcomes.map((outcome) => String(ledger.counts[outcome])),
    `${Math.round(ledger.slowestMs)} ms`,
  ]);
  const all = [heading, ...cells];
  const widths = heading.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const align = (row: string[]): string =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ');
  return all.map(align).join('\n');
}
