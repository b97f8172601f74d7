// The charts of docs/performance.md and the table beside them, from the rows of a run: which rows are in which. Pure.
import type { PartName } from '../options.ts';
import type { ContenderName, Row } from '../row.ts';
import { drawBars, formatFigure, type BarGroup, type Chart } from '../../helpers/charts/draw-bars.ts';

/** What has to be measured for them. */
export const chartedParts: readonly PartName[] = ['return', 'respawn', 'idle', 'status', 'throughput'];

interface Plan extends Omit<Chart, 'groups'> {
  readonly file: string;
  /** Which rows, and what each is called; undefined: none of the chart's. */
  readonly headingOf: (what: string) => string | undefined;
}

const memories: Readonly<Record<string, string>> = {
  private: 'Its own (private dirty)',
  resident: 'Resident, as ps shows it, files of the system included',
};

const plans: readonly Plan[] = [
  {
    file: 'return.svg',
    title: 'Until the command has returned, its pool up',
    unit: 'ms',
    note: 'Less is better. 1.6 sleeps for 100 ms, and looks then whether the program still runs.',
    headingOf: (what) => after(what, 'command returns, '),
  },
  {
    file: 'respawn.svg',
    title: 'From kill -9 of a worker until its successor waits for connections',
    unit: 'ms',
    note: 'Less is better. Each line is ten times the one before.',
    isLogarithmic: true,
    headingOf: (what) => (what === 'respawn after kill -9' ? '' : undefined),
  },
  {
    file: 'memory.svg',
    title: 'Memory of the supervisor alone, four idle workers',
    unit: 'MiB',
    note: 'Less is better. php-fpm shares with its workers what is its own until one of them writes to it.',
    headingOf: (what) =>
      what.endsWith(' memory of the supervisor') ? memories[what.split(' ')[0] ?? ''] : undefined,
  },
  {
    file: 'throughput.svg',
    title: 'Requests a second through nginx, the same four workers',
    unit: '1/s',
    note: 'More is better. The supervisor is not in the way of a request.',
    headingOf: (what) => after(what, 'requests through nginx, '),
  },
  {
    file: 'status.svg',
    title: 'spawn-fcgictl status, until it has printed all of them',
    unit: 'ms',
    note: 'Less is better. Of one worker it is the start of the command itself.',
    headingOf: (what) => after(what, 'status of '),
  },
];

const names: Readonly<Partial<Record<ContenderName, string>>> = {
  ours: 'spawn-fcgi',
  '1.6': '1.6',
  multiwatch: 'multiwatch',
  supervisord: 'supervisord',
  'php-fpm': 'php-fpm',
};

export interface DrawnChart {
  readonly file: string;
  readonly title: string;
  readonly svg: string;
}

/** Those that these rows have figures for; `footer` says where and when. */
export function drawCharts(rows: readonly Row[], footer: string): DrawnChart[] {
  return plans.flatMap((plan) => {
    const groups = groupsOf(plan, rows);
    const { file, title } = plan;
    return groups.length === 0 ? [] : [{ file, title, svg: drawBars({ ...plan, groups }, footer) }];
  });
}

function groupsOf({ headingOf }: Plan, rows: readonly Row[]): BarGroup[] {
  return rows.flatMap(({ what, cells }) => {
    const heading = headingOf(what);
    if (heading === undefined) return [];
    const bars = contendersOf(cells).map(([contender, name, sample]) => ({
      name,
      median: sample.median,
      min: sample.min,
      p95: sample.p95,
      isOurs: contender === 'ours',
    }));
    return [{ heading, bars }];
  });
}

function contendersOf(cells: Row['cells']) {
  return (Object.entries(names) as [ContenderName, string][]).flatMap(([contender, name]) => {
    const sample = cells[contender];
    return sample === undefined ? [] : [[contender, name, sample] as const];
  });
}

function after(what: string, beginning: string): string | undefined {
  return what.startsWith(beginning) ? what.slice(beginning.length) : undefined;
}

/** All figures of the charts as a table in Markdown. */
export function tabulate(rows: readonly Row[], footer: string): string {
  const shown = rows.filter(({ what }) => plans.some(({ headingOf }) => headingOf(what) !== undefined));
  const head = ['median', ...Object.values(names)];
  const lines = shown.map(({ what, unit, cells }) => [
    `${what} (${unit})`,
    ...(Object.keys(names) as ContenderName[]).map((name) => {
      const sample = cells[name];
      return sample === undefined ? '' : formatFigure(sample.median);
    }),
  ]);
  const table = [head, head.map(() => '---'), ...lines].map(
    (cells) => `|${cells.map((cell) => (cell === '' ? ' ' : ` ${cell} `)).join('|')}|\n`,
  );
  return `${table.join('')}\n${footer}\n`;
}
