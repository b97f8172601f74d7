// The charts of the benchmark, without a benchmark: figures in, SVG and a page out.
import { expect, test } from 'vitest';
import * as charts from '../helpers/charts/index.ts';

const chart: charts.Chart = {
  title: 'Until <it> has returned',
  unit: 'ms',
  note: 'Less is better.',
  groups: [
    {
      heading: '-F 1',
      bars: [
        { name: 'spawn-fcgi', median: 41, min: 40, p95: 44, isOurs: true },
        { name: '1.6', median: 102, min: 101, p95: 103, isOurs: false },
      ],
    },
  ],
};

test('a chart has all of its figures in words, and a palette for the dark', () => {
  const svg = charts.drawBars(chart, 'by "me"');
  expect(svg).toContain('<title id="title">Until &lt;it> has returned</title>');
  expect(svg).toContain('<desc id="desc">Less is better. -F 1: spawn-fcgi 41.0 ms, 1.6 102 ms.</desc>');
  expect(svg).toContain('prefers-color-scheme:dark');
  expect(svg).toContain('by &quot;me&quot;');
  const [ours = 0, theirs = 0] = [...svg.matchAll(/<rect class="(?:ours|other)".* width="([\d.]+)"/g)].map(
    ([, width]) => Number(width),
  );
  expect(theirs / ours).toBeCloseTo(102 / 41, 2);
});

test('lines are round numbers, and in a logarithmic chart each is ten times the one before', () => {
  const spread = { median: 80, min: 70, p95: 90 };
  const even = charts.judgeScale([spread], 0, 100, false);
  expect(even.ticks).toEqual([0, 25, 50, 75, 100]);
  expect(even.across(50)).toBe(50);
  const decades = charts.judgeScale([spread, { median: 2, min: 1.3, p95: 3 }], 0, 100, true);
  expect(decades.ticks).toEqual([1, 10, 100]);
  expect(decades.across(10)).toBeCloseTo(50);
  expect(charts.drawBars({ ...chart, isLogarithmic: true }, '')).not.toMatch(/<rect class="ours"/);
});

test('the table of a page is renewed between its marks, and nothing else of it', () => {
  const page = 'before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n';
  const filled = charts.fillPage(page, '| table |\n') ?? '';
  expect(filled).toBe('before\n<!-- bench -->\n\n| table |\n\n<!-- /bench -->\nafter\n');
  expect(charts.fillPage(filled, '| table |\n')).toBe(filled);
  expect(charts.fillPage('no marks\n', '| table |\n')).toBeUndefined();
});
