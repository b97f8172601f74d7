// Types in what pages say, page by page, each on a machine of its own: all blocks that no other test takes. What they show
// of an answer is compared in shape, configurations are judged by the programs that they are for.
import { expect, test, type TestContext } from 'vitest';
import { needMachine } from '../helpers/init/index.ts';
import { fencesToType, needs, stages, typePage } from '../helpers/typed/index.ts';

const pages = [...fencesToType()];

function need(ctx: TestContext, infos: readonly string[]): void {
  const programs = infos.flatMap((info) => needs[info.split(' ')[0] ?? ''] ?? []);
  needMachine(ctx, 'ip', 'curl', 'cgi-fcgi', 'php-cgi', ...programs);
}

test('there are pages to type in, and none has a stage in vain', () => {
  expect(pages.length).toBeGreaterThan(5);
  const known = new Set(pages.map(([page]) => page));
  expect(Object.keys(stages).filter((page) => !known.has(page))).toEqual([]);
});

test.for(pages)('%s', { timeout: 90_000 }, async ([page, fences], ctx) => {
  need(
    ctx,
    fences.map(({ info }) => info),
  );
  await typePage(fences, stages[page]);
});
