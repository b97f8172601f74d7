// What operations on units cost in requests and time, as the table of docs/systemd.md.
import type { Ledger } from '../web/index.ts';

export interface OperationRow {
  unit: string;
  operation: string;
  ledger: Ledger;
  tookMs: number;
}

const heading = ['unit', 'operation', 'requests', 'lost', 'slowest', 'takes'];

export function drawOperations(rows: readonly OperationRow[]): string {
  const cells = rows.map(({ unit, operation, ledger, tookMs }) => [
    unit,
    operation,
    String(ledger.sent),
    String(ledger.lost.length),
    `${Math.round(ledger.slowestMs)} ms`,
    `${(tookMs / 1000).toFixed(1)} s`,
  ]);
  const all = [heading, heading.map(() => '---'), ...cells];
  return all.map((row) => `| ${row.join(' | ')} |`).join('\n');
}
