// Rows in aligned columns under a heading. Pure.
import { cutEnd, widthOf } from './printable.ts';
import type { Colour, Line } from './line.ts';

/** What a line of status is made for. */
export const usualColumns = 80;
const minLastColumns = 12;

export interface Column<Row> {
  readonly heading: string;
  readonly alignsRight: boolean;
  readonly cell: (row: Row) => string;
  readonly colour?: ((row: Row) => Colour | undefined) | undefined;
}

export function right<Row>(heading: string, cell: Column<Row>['cell']): Column<Row> {
  return { heading, alignsRight: true, cell };
}

export function left<Row>(
  heading: string,
  cell: Column<Row>['cell'],
  colour?: Column<Row>['colour'],
): Column<Row> {
  return { heading, alignsRight: false, cell, colour };
}

interface Cell {
  readonly text: string;
  readonly colour?: Colour | undefined;
}

/** A heading and a row each, indented; the last column is cut where a line would be longer than `lineColumns`. */
export function tableLines<Row>(
  columns: readonly Column<Row>[],
  items: readonly Row[],
  lineColumns: number,
): Line[] {
  const rows: Cell[][] = [
    columns.map(({ heading }) => ({ text: heading })),
    ...items.map((one) => columns.map(({ cell, colour }) => ({ text: cell(one), colour: colour?.(one) }))),
  ];
  const widths = columns.map((_column, index) =>
    rows.reduce((width, row) => Math.max(width, widthOf(row[index]?.text ?? '')), 0),
  );
  const last = columns.length - 1;
  const before = widths.slice(0, last).reduce((sum, width) => sum + width + 1, 2);
  const space = Math.max(lineColumns - before, minLastColumns);
  return rows.map((row) =>
    row.flatMap(({ text, colour }, index) => {
      const cut = index === last ? cutEnd(text, space) : text;
      const padding = ' '.repeat(index === last ? 0 : (widths[index] ?? 0) - widthOf(text));
      const [padLeft, padRight] = columns[index]?.alignsRight ? [padding, ''] : ['', padding];
      return [{ text: (index === 0 ? '  ' : ' ') + padLeft }, { text: cut, colour }, { text: padRight }];
    }),
  );
}
