// What the benchmark says at its end: the table, the machine, and a file of all figures where one is asked for.
import { writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import type { Options } from './options.ts';
import { writeCharts } from './charts/write-charts.ts';
import { missingPeers, packages, versionOf, type PeerName } from './peers.ts';
import { judge, type Row } from './row.ts';
import { drawScaling } from './scaling-chart.ts';
import { drawTable } from './table.ts';
import type { Workplace } from './workplace.ts';

export function report(place: Workplace, options: Options, rows: Row[]): void {
  const machine = describeMachine(place);
  const missing = missingPeers(place.peers);
  const facts = Object.entries(machine).map(([name, value]) => `${name}: ${value}`);
  process.stdout.write(`${drawTable(rows, new Set(missing))}\n\n${facts.join('\n')}\n`);
  if (missing.length > 0) process.stdout.write(`missing: ${missing.join(', ')}\n`);
  const judged = rows.map((row) => ({ ...row, judgements: row.budgets.map((budget) => judge(row, budget)) }));
  const content = { date: new Date().toISOString(), machine, missing, options, rows: judged };
  if (options.jsonFile !== undefined)
    writeFileSync(options.jsonFile, `${JSON.stringify(content, null, 2)}\n`);
  if (options.chartFile !== undefined)
    writeFileSync(options.chartFile, drawScaling(content.rows.flatMap(({ runs = [] }) => runs)));
  if (options.chartsDir !== undefined) writeCharts(options.chartsDir, rows, footerOf(content.date, machine));
}

function footerOf(date: string, machine: Readonly<Record<string, string>>): string {
  const { kernel, cpus: processors = '', node } = machine;
  const count = Number.parseInt(processors, 10);
  const system = `Linux ${kernel?.split('-')[0]}, ${count} processors, Node ${node?.replace('v', '')}`;
  return `Median, lowest to 95th percentile; npm run bench, ${date.slice(0, 10)}: ${system}`;
}

function describeMachine(place: Workplace): Record<string, string> {
  const version = (name: PeerName): string =>
    place.peers[name]?.version ?? `not installed (Debian package ${packages[name]})`;
  return {
    kernel: release(),
    cpus: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`,
    load: loadavg()
      .map((load) => load.toFixed(2))
      .join(' '),
    node: versionOf(place.node, '-v'),
    '1.6': version('1.6'),
    multiwatch: version('multiwatch'),
    supervisord: version('supervisord'),
    'php-fpm': version('php-fpm'),
  };
}
