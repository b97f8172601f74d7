// Draws the rows as one aligned text table: medians, ratios, budgets.
import { contenderNames, judge, type Budget, type ContenderName, type Judgement, type Row } from './row.ts';

const headings: Record<ContenderName, string> = {
  ours: 'ours',
  '1.6': '1.6',
  node: 'node -e 0',
  multiwatch: 'multiwatch',
  supervisord: 'supervisord',
  'php-fpm': 'php-fpm',
  bare: 'bare',
};

function formatNumber(value: number): string {
  if (value === 0) return '0';
  if (value >= 100) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : 2);
}

function formatRatio(value: number): string {
  return value >= 0.1 ? value.toFixed(2) : value.toFixed(4);
}

function formatBudget(budget: Budget): string {
  const goal = budget.goal === undefined ? '' : `, goal ${budget.goal}`;
  const against = budget.against === 'absolute' ? '' : ` of ${budget.against}`;
  return `${budget.atLeast ? '>=' : '<='} ${budget.label ?? budget.limit}${against}${goal}`;
}

function judgementCells(judgement: Judgement): string[] {
  const { budget, value, verdict } = judgement;
  const absolute = budget.against === 'absolute';
  const shown = value === undefined ? '-' : absolute ? formatNumber(value) : formatRatio(value);
  return [
    absolute || value === undefined ? shown : `${shown} of ${budget.against}`,
    formatBudget(budget),
    verdict,
  ];
}

/** A peer that is not installed reads "missing"; one that cannot do a thing at all reads "-". */
function cell(row: Row, name: ContenderName, missing: ReadonlySet<ContenderName>): string {
  const sample = row.cells[name];
  if (sample !== undefined) return formatNumber(sample.median);
  return missing.has(name) ? 'missing' : '-';
}

/** A row with several budgets continues on lines of its own. */
function lines(row: Row, missing: ReadonlySet<ContenderName>): string[][] {
  const figures = [row.what, row.unit, ...contenderNames.map((name) => cell(row, name, missing))];
  const judged = row.budgets.map((budget) => judgementCells(judge(row, budget)));
  const [first = ['', '', ''], ...rest] = judged;
  return [[...figures, ...first], ...rest.map((cells) => [...figures.map(() => ''), ...cells])];
}

/** The contenders stand behind what was measured and its unit. */
function isFigure(column: number): boolean {
  return column >= 2 && column < 2 + contenderNames.length;
}

function align(cells: readonly string[], widths: readonly number[]): string {
  const padded = cells.map((text, column) => {
    const width = widths[column] ?? 0;
    return isFigure(column) ? text.padStart(width) : text.padEnd(width);
  });
  return padded.join('  ').trimEnd();
}

export function drawTable(rows: readonly Row[], missing: ReadonlySet<ContenderName>): string {
  const heading = [
    'median of',
    'unit',
    ...contenderNames.map((name) => headings[name]),
    'ratio',
    'budget',
    'verdict',
  ];
  const all = [heading, ...rows.flatMap((row) => lines(row, missing))];
  const widths = heading.map((_, column) => Math.max(...all.map((cells) => cells[column]?.length ?? 0)));
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  const [head = '', ...body] = all.map((cells) => align(cells, widths));
  return [head, rule, ...body].join('\n');
}
