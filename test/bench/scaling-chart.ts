// The chart of docs/scaling.md: workers over time while clients come and go, a panel each for a kind of requests. Drawn as
// SVG from what the part "scaling" has written into the JSON. Pure.
import type { ScalingRun } from './measure-scaling.ts';
import type { Point } from './stepped-load.ts';

const width = 860;
const panelHeight = 190;
const plot = { left: 48, right: 16, top: 34, bottom: 30 } as const;
const mostWorkers = 20;

/** In the order of the legend. Readable without colours, too: each has dashes of its own. */
const styles: readonly { readonly stroke: string; readonly dash: string }[] = [
  { stroke: '#1b6ac9', dash: '' },
  { stroke: '#c9571b', dash: '6 3' },
  { stroke: '#3f8f3f', dash: '2 3' },
];

export function drawScaling(runs: readonly ScalingRun[]): string {
  const panels = [...new Set(runs.map(({ panel }) => panel))];
  const height = panels.length * panelHeight;
  const drawn = panels.map((panel, index) => {
    const own = runs.filter((run) => run.panel === panel);
    return `<g transform="translate(0 ${index * panelHeight})">\n${drawPanel(panel, own)}</g>\n`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<rect width="${width}" height="${height}" fill="#fff"/>
${drawn.join('')}</svg>
`;
}

function drawPanel(title: string, runs: readonly ScalingRun[]): string {
  const lastMs = Math.max(...runs.flatMap(({ points }) => points.map(({ atMs }) => atMs)));
  const [first] = runs;
  const clients = first ? areaOf(first.points, lastMs) : '';
  const lines = runs.map(
    ({ points }, index) =>
      `<path d="${lineOf(points, ({ workers }) => workers, lastMs)}" fill="none" stroke="${styleOf(index).stroke}" stroke-width="2" stroke-dasharray="${styleOf(index).dash}"/>\n`,
  );
  return `<text x="${plot.left}" y="20" font-weight="bold">${escape(title)}</text>
${drawLegend(runs)}<path d="${clients}" fill="#eee"/>
${drawAxes(lastMs)}${lines.join('')}`;
}

function drawLegend(runs: readonly ScalingRun[]): string {
  const names = runs.map(({ name }, index) => {
    const x = width - 440 + index * 150;
    const { stroke, dash } = styleOf(index);
    return `<path d="M${x} 16h24" stroke="${stroke}" stroke-width="2" stroke-dasharray="${dash}"/><text x="${x + 30}" y="20">${escape(name.replace('ours', 'spawn-fcgi'))}</text>\n`;
  });
  return names.join('');
}

function drawAxes(lastMs: number): string {
  const seconds = Array.from({ length: Math.floor(lastMs / 5000) + 1 }, (_unused, index) => index * 5);
  const workers = [0, 4, 8, 12, 16];
  const bottom = panelHeight - plot.bottom;
  return [
    ...workers.map(
      (count) =>
        `<path d="M${plot.left} ${up(count)}H${width - plot.right}" stroke="#ddd"/><text x="${plot.left - 8}" y="${up(count) + 4}" text-anchor="end">${count}</text>\n`,
    ),
    ...seconds.map(
      (second) =>
        `<text x="${across(second * 1000, lastMs)}" y="${bottom + 16}" text-anchor="middle">${second} s</text>\n`,
    ),
  ].join('');
}

/** Steps: what a point says holds until another one says something else. */
function lineOf(points: readonly Point[], valueOf: (point: Point) => number, lastMs: number): string {
  const values = points.map((point) => ({ atMs: point.atMs, value: valueOf(point) }));
  const steps = values.map(({ atMs, value }, index) => {
    const height = up(value);
    if (index === 0) return `M${across(atMs, lastMs)} ${height}`;
    if (index === values.length - 1) return `H${across(atMs, lastMs)}V${height}`;
    return value === values[index - 1]?.value ? '' : `H${across(atMs, lastMs)}V${height}`;
  });
  return steps.join('');
}

function areaOf(points: readonly Point[], lastMs: number): string {
  return `${lineOf(points, ({ clients }) => clients, lastMs)}V${up(0)}H${plot.left}Z`;
}

function across(ms: number, lastMs: number): number {
  return round(plot.left + ((width - plot.left - plot.right) * ms) / lastMs);
}

function up(workers: number): number {
  const space = panelHeight - plot.top - plot.bottom;
  return round(panelHeight - plot.bottom - (space * workers) / mostWorkers);
}

function styleOf(index: number): (typeof styles)[number] {
  return styles[index % styles.length] ?? { stroke: '#000', dash: '' };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
