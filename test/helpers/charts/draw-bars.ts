// A chart of bars as SVG: a group for each quantity, a bar for each contender, the median with what lay between the lowest
// and the 95th percentile. Legible in light and dark, in black and white, and read out by its title and description. Pure.
import { judgeScale, type Scale } from './scale.ts';

export interface Bar {
  readonly name: string;
  readonly median: number;
  readonly min: number;
  readonly p95: number;
  /** The one that the chart is about. */
  readonly isOurs: boolean;
}

export interface BarGroup {
  /** Empty: there is one group only. */
  readonly heading: string;
  readonly bars: readonly Bar[];
}

export interface Chart {
  readonly title: string;
  readonly unit: string;
  /** What is good, and how it was measured; a sentence or two. */
  readonly note: string;
  readonly groups: readonly BarGroup[];
  /** Each step is ten times the one before: then a median is a dot, since a length would mean nothing. */
  readonly isLogarithmic?: boolean;
}

const width = 720;
const labels = 190;
const right = 110;
const top = 54;
const barHeight = 16;
const barPitch = 24;
const headingHeight = 24;
const groupGap = 10;
const foot = 54;

export function drawBars(chart: Chart, footer: string): string {
  const bars = chart.groups.flatMap((group) => group.bars);
  const scale = judgeScale(bars, labels, width - right, chart.isLogarithmic === true);
  let y = top;
  const drawn = chart.groups.map((group) => {
    const start = y;
    y += (group.heading === '' ? 0 : headingHeight) + group.bars.length * barPitch + groupGap;
    return drawGroup(group, start, scale, chart.isLogarithmic === true);
  });
  const height = y + foot;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title desc" font-family="system-ui, sans-serif" font-size="13">
<title id="title">${escape(chart.title)}</title>
<desc id="desc">${escape(describe(chart))}</desc>
${style}<rect class="paper" width="${width}" height="${height}"/>
<text class="ink title" x="16" y="24">${escape(chart.title)}</text>
<text class="faint" x="16" y="42">${escape(chart.note)}</text>
${drawGrid(scale, y, chart.unit)}${drawn.join('')}<text class="faint small" x="16" y="${height - 10}">${escape(footer)}</text>
</svg>
`;
}

/** Two palettes, each with 4.5 to 1 and more against its paper. */
const style = `<style>
.paper{fill:#fff}.ink{fill:#1f2328}.faint{fill:#59636e}.grid{stroke:#d1d9e0}.range{stroke:#1f2328}
.ours{fill:#0b5cad}.other{fill:#7d8590}.title{font-size:16px;font-weight:600}.heading{font-weight:600}.small{font-size:11px}
@media (prefers-color-scheme:dark){.paper{fill:#0d1117}.ink{fill:#e6edf3}.faint{fill:#9ea7b3}.grid{stroke:#30363d}.range{stroke:#e6edf3}
.ours{fill:#58a6ff}.other{fill:#6e7681}}
</style>
`;

function drawGroup({ heading, bars }: BarGroup, y: number, scale: Scale, isLogarithmic: boolean): string {
  const head = heading === '' ? 0 : headingHeight;
  const title =
    head === 0 ? '' : `<text class="ink heading" x="16" y="${y + 16}">${escape(heading)}</text>\n`;
  const rows = bars.map((bar, index) => drawBar(bar, y + head + index * barPitch, scale, isLogarithmic));
  return title + rows.join('');
}

function drawBar(bar: Bar, y: number, scale: Scale, isLogarithmic: boolean): string {
  const { name, median, min, p95, isOurs } = bar;
  const [at, from, to] = [median, min, p95].map((value) => round(scale.across(value))) as [
    number,
    number,
    number,
  ];
  const middle = y + barHeight / 2;
  const kind = isOurs ? 'ours' : 'other';
  const shape = isLogarithmic
    ? `<circle class="${kind}" cx="${at}" cy="${middle}" r="6"/>`
    : `<rect class="${kind}" x="${labels}" y="${y}" width="${round(Math.max(at - labels, 1))}" height="${barHeight}"/>`;
  const range =
    to - from < 1
      ? ''
      : `<path class="range" d="M${from} ${middle}H${to}M${from} ${middle - 4}v8M${to} ${middle - 4}v8"/>`;
  return `<text class="ink" x="${labels - 8}" y="${y + 13}" text-anchor="end"${isOurs ? ' font-weight="600"' : ''}>${escape(name)}</text>
${shape}${range}<text class="ink" x="${Math.max(at, to) + 10}" y="${y + 13}">${formatFigure(median)}</text>
`;
}

function drawGrid({ ticks, across }: Scale, bottom: number, unit: string): string {
  const lines = ticks.map((tick, index) => {
    const x = round(across(tick));
    const label = index === ticks.length - 1 ? `${formatTick(tick)} ${unit}` : formatTick(tick);
    return `<path class="grid" d="M${x} ${top - 4}V${bottom}"/><text class="faint small" x="${x}" y="${bottom + 14}" text-anchor="middle">${escape(label)}</text>\n`;
  });
  return lines.join('');
}

/** For who does not see it: all of its figures. */
function describe({ note, unit, groups }: Chart): string {
  const all = groups.map(({ heading, bars }) => {
    const figures = bars.map(({ name, median }) => `${name} ${formatFigure(median)} ${unit}`).join(', ');
    return heading === '' ? figures : `${heading}: ${figures}`;
  });
  return `${note} ${all.join('. ')}.`;
}

/** Two or three figures that count. */
export function formatFigure(value: number): string {
  if (value === 0) return '0';
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

function formatTick(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
