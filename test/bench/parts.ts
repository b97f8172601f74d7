// Which part of the benchmark is measured how.
import * as measures from './measures.ts';
import type { Options, PartName } from './options.ts';
import type { Row } from './row.ts';
import type { Workplace } from './workplace.ts';

type Measure = (place: Workplace, options: Options) => Promise<Row[]>;

const measureOf: Record<PartName, Measure> = {
  return: measures.measureReturn,
  exec: measures.measureExec,
  respawn: measures.measureRespawn,
  idle: measures.measureIdle,
  guards: measures.measureGuards,
  many: measures.measureMany,
  status: measures.measureStatus,
  deploy: measures.measureDeploy,
  reload: measures.measureReload,
  saturated: measures.measureSaturated,
  kept: measures.measureKept,
  spare: measures.measureSpare,
  scaling: measures.measureScaling,
  throughput: measures.measureThroughput,
  output: measures.measureOutput,
};

export async function measureAll(place: Workplace, options: Options): Promise<Row[]> {
  const rows: Row[] = [];
  for (const part of options.parts) {
    process.stderr.write(`bench: measuring ${part}\n`);
    rows.push(...(await measureOf[part](place, options)));
  }
  return rows;
}
