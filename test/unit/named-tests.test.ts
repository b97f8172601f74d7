// The pages that promise something line by line name the test that holds each line: it has to be there.
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const project = new URL('../..', import.meta.url);

/** Each row of the tables whose last column is headed "test". */
function rowsWithTests(page: string): string[][] {
  let isTested = false;
  return readFileSync(new URL(`docs/${page}.md`, project), 'utf8')
    .split('\n')
    .flatMap((line, index, lines) => {
      if (!line.startsWith('|')) return [];
      const cells = line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim());
      const isHeading = lines[index + 1]?.startsWith('| ---') === true;
      if (isHeading) isTested = cells.at(-1)?.startsWith('test') === true;
      return isTested && !isHeading && !line.startsWith('| ---') ? [cells] : [];
    });
}

/** `name` stands for a file of test/integration, unit `name` for one of test/unit, `test/…` for itself. */
function filesOf(cell: string): string[] {
  return [...cell.matchAll(/(?:^|; |, )(unit )?`([\w/.-]+)`/g)].map(([, unit, name = '']) => {
    if (name.startsWith('test/')) return name;
    return unit === undefined ? `test/integration/${name}.test.ts` : `test/unit/${name}.test.ts`;
  });
}

test.for(['security', 'internals/reliability', 'internals/handover'])(
  'every line of docs/%s.md has a test that is there',
  (page) => {
    const rows = rowsWithTests(page);
    expect(rows.length).toBeGreaterThan(10);
    const missing = rows.flatMap((cells) =>
      filesOf(cells.at(-1) ?? '').filter((file) => !existsSync(new URL(file, project))),
    );
    expect(missing).toEqual([]);
  },
);

test('every line of docs/security.md names one', () => {
  expect(rowsWithTests('security').filter((cells) => filesOf(cells.at(-1) ?? '').length === 0)).toEqual([]);
});
