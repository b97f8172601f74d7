// The benchmark's command line: how many rounds, which parts, where the JSON goes.
import { parseArgs } from 'node:util';
import { chartedParts } from './charts/charts.ts';

export const partNames = [
  'return',
  'exec',
  'respawn',
  'idle',
  'guards',
  'many',
  'status',
  'deploy',
  'reload',
  'saturated',
  'kept',
  'spare',
  'scaling',
  'throughput',
  'output',
] as const;
export type PartName = (typeof partNames)[number];

export interface Options {
  /** The command measured as "ours". */
  command: string;
  parts: readonly PartName[];
  /** Rounds of the two start-up parts, warm-ups not counted. */
  rounds: number;
  respawnRounds: number;
  manyRounds: number;
  manyWorkers: number;
  statusWorkers: readonly number[];
  idleSeconds: number;
  guardedWorkers: number;
  deploys: number;
  reloads: number;
  /** At least so many are sent to each program of the parts "saturated" and "kept". */
  saturatedRequests: number;
  /** Kills of a worker for each contender, of which some take 3 s and more. */
  spareRounds: number;
  scalingRounds: number;
  /** Of each step. */
  scalingSeconds: number;
  scalingRequestsMs: readonly number[];
  throughputRounds: number;
  throughputSeconds: number;
  outputRounds: number;
  /** Printed in each round of the part "output". */
  outputBytes: number;
  jsonFile: string | undefined;
  /** For the chart of the part "scaling". */
  chartFile: string | undefined;
  /** For the charts of docs/performance.md. */
  chartsDir: string | undefined;
}

export const usage = `Usage: npm run bench -- [options]
  --quick          few rounds, to see that everything works
  --rounds N       rounds of the start-up parts (25), and of the part "scaling" (3 at most)
  --workers N      workers of the part "many" (200)
  --only PART,...  of ${partNames.join(', ')}
  --command FILE   measure this command instead of bin/spawn-fcgi
  --json FILE      write all figures there
  --chart FILE     draw the part "scaling" there, as SVG, from what --json writes
  --charts DIR     draw the charts of docs/performance.md there, and write their figures into DIR.md;
                   without --only their parts alone are measured (6 minutes)
`;

function count(text: string | undefined, fallback: number, name: string): number {
  if (text === undefined) return fallback;
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Error(`--${name} wants a number above 0, not '${text}'`);
  return Number(text);
}

function parts(text: string | undefined, usual: readonly PartName[]): readonly PartName[] {
  if (text === undefined) return usual;
  return text.split(',').map((name) => {
    const known = partNames.find((part) => part === name);
    if (known === undefined) throw new Error(`--only knows ${partNames.join(', ')}, not '${name}'`);
    return known;
  });
}

/** Undefined when help was asked for. Throws on anything it does not understand. */
export function readOptions(args: string[], ownCommand: string): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: 'boolean', short: 'h' },
      quick: { type: 'boolean' },
      rounds: { type: 'string' },
      workers: { type: 'string' },
      only: { type: 'string' },
      command: { type: 'string' },
      json: { type: 'string' },
      chart: { type: 'string' },
      charts: { type: 'string' },
    },
  });
  if (values.help === true) return undefined;
  const quick = values.quick === true;
  return {
    command: values.command ?? ownCommand,
    parts: parts(values.only, values.charts === undefined ? partNames : chartedParts),
    rounds: count(values.rounds, quick ? 3 : 25, 'rounds'),
    respawnRounds: quick ? 3 : 20,
    manyRounds: quick ? 1 : 5,
    manyWorkers: count(values.workers, 200, 'workers'),
    statusWorkers: quick ? [1, 100] : [1, 100, 1000],
    idleSeconds: quick ? 1 : 5,
    guardedWorkers: quick ? 100 : 1000,
    deploys: quick ? 1 : 3,
    reloads: quick ? 3 : 50,
    saturatedRequests: quick ? 500 : 3000,
    spareRounds: quick ? 2 : 10,
    scalingRounds: Math.min(count(values.rounds, quick ? 1 : 3, 'rounds'), 3),
    scalingSeconds: quick ? 6 : 20,
    scalingRequestsMs: quick ? [100] : [5, 100, 1000],
    throughputRounds: quick ? 2 : 40,
    throughputSeconds: 1,
    outputRounds: quick ? 2 : 9,
    outputBytes: quick ? 16e6 : 128e6,
    jsonFile: values.json,
    chartFile: values.chart,
    chartsDir: values.charts,
  };
}
