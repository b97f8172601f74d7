// The tables of the pages in docs/ that the manual pages have, too.

/** Cells by the heading of their column, in Markdown. */
export type Row = Readonly<Record<string, string>>;

/** The rows of the table with these columns in a page's text. */
export function readTable(page: string, text: string, columns: readonly string[]): Row[] {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => cellsOf(line).join() === columns.join());
  if (start < 0) throw new Error(`manual: ${page} has no table with the columns ${columns.join(', ')}`);
  const end = lines.findIndex((line, at) => at > start && !line.startsWith('|'));
  return (
    lines
      .slice(start + 2, end < 0 ? undefined : end)
      // A link within the page leads to the page from elsewhere.
      .map((line) => cellsOf(line.replaceAll('](#', `](${page}#`)))
      .map((cells) => Object.fromEntries(columns.map((column, at) => [column, cells[at] ?? ''])))
  );
}

function cellsOf(line: string): string[] {
  if (!line.startsWith('|')) return [];
  return line
    .slice(1)
    .split(/(?<!\\)\|/)
    .slice(0, -1)
    .map((cell) => cell.trim());
}
