// Part "output": what it costs to bring what a worker prints into a file, directly and through a log program, beside
// supervisord, which reads a pipe and writes the file itself, and beside a shell's redirection, the kernel's price.
import { interleave, type Contender } from './interleave.ts';
import type { Options } from './options.ts';
import { print, startPrinter, stopPrinter, type Costs, type Printer, type Way } from './printer.ts';
import type { Budget, ContenderName, Row } from './row.ts';
import { summarize } from './statistics.ts';
import type { Workplace } from './workplace.ts';

interface MeasuredWay extends Way {
  what: string;
  besideBudgets: readonly Budget[];
}

const ways: readonly MeasuredWay[] = [
  {
    what: 'output into a file',
    output: (file) => file,
    redirection: (file) => `>> ${file}`,
    besideBudgets: [{ against: 'supervisord', limit: 0.01 }],
  },
  {
    what: 'output through cat',
    output: (file) => `|cat >> ${file}`,
    redirection: (file) => `| cat >> ${file}`,
    besideBudgets: [
      { against: 'supervisord', limit: 0.85 },
      { against: 'bare', limit: 1.25 },
    ],
  },
];

/** Not 1: who writes a file directly waits for the file system, where a reader of pipes does so beside him. */
const rateBudgets: readonly Budget[] = [
  { against: 'supervisord', limit: 0.8, atLeast: true },
  { against: 'bare', limit: 0.8, atLeast: true },
];

const inAllBudgets: readonly Budget[] = [
  { against: 'supervisord', limit: 1 },
  { against: 'bare', limit: 1.25 },
];

async function measure(place: Workplace, options: Options, way: MeasuredWay): Promise<Row[]> {
  const { outputBytes: bytes, outputRounds: rounds } = options;
  const names: ContenderName[] = ['ours', 'bare'];
  if (place.peers.supervisord !== undefined) names.push('supervisord');
  const printers: Printer[] = [];
  for (const name of names) printers.push(await startPrinter(name, way, place, bytes));
  const costs = new Map<ContenderName, Costs[]>(names.map((name) => [name, []]));
  const attempts = printers.map((printer): Contender => ({
    name: printer.name,
    run: async () => {
      const { rate, ...cost } = await print(printer, bytes);
      costs.get(printer.name)?.push(cost);
      return rate;
    },
  }));
  const cells = await interleave(attempts, rounds, 1);
  for (const printer of printers) await stopPrinter(printer);
  const cost = (of: keyof Costs): Row['cells'] =>
    Object.fromEntries(
      [...costs].map(([name, series]) => [
        name,
        summarize(series.slice(-rounds).map((values) => values[of])),
      ]),
    );
  const { what, besideBudgets } = way;
  return [
    { what, unit: 'MB/s', cells, budgets: rateBudgets },
    { what: `${what}, CPU beside the worker`, unit: 's/GB', cells: cost('beside'), budgets: besideBudgets },
    { what: `${what}, CPU in all`, unit: 's/GB', cells: cost('inAll'), budgets: inAllBudgets },
  ];
}

export async function measureOutput(place: Workplace, options: Options): Promise<Row[]> {
  const rows: Row[] = [];
  for (const way of ways) rows.push(...(await measure(place, options, way)));
  return rows;
}
