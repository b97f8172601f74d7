// A page of docs/ of which a part is written by a command.
const [begin, end] = ['<!-- bench -->\n', '<!-- /bench -->\n'];

/** The page with another table between its marks; undefined: it has none. */
export function fillPage(page: string, table: string): string | undefined {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) return undefined;
  return `${page.slice(0, from)}${begin}\n${table}\n${page.slice(to)}`;
}
