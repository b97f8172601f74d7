// Part "scaling": load that steps from nobody to 16 clients and back to one, beside php-fpm on the same script: how soon
// nobody waits any more, how many workers that takes, whether they come and go under constant load, and what is lost.
import type { Options } from './options.ts';
import type { Budget, Row } from './row.ts';
import { startScaled, startSlowScaled, type ScaledName, type ScaledPool } from './scaled-pools.ts';
import { summarize, type Sample } from './statistics.ts';
import { runSteps, type Point, type LoadStep, type SteppedRun } from './stepped-load.ts';
import type { Workplace } from './workplace.ts';

/** What the chart is drawn from; it is in the JSON. */
export interface ScalingRun {
  readonly name: string;
  readonly panel: string;
  readonly points: readonly Point[];
}

interface Figures {
  /** From the step to the last moment at which somebody waited. */
  readonly queueMs: number;
  readonly slowestMs: number;
  readonly mostWorkers: number;
  /** Workers that came or went in the second half of the step. */
  readonly changes: number;
  readonly lost: number;
}

const firstSeconds = 2;

function stepsOf({ scalingSeconds }: Options): LoadStep[] {
  return [
    { clients: 0, seconds: firstSeconds },
    { clients: 16, seconds: scalingSeconds },
    { clients: 1, seconds: scalingSeconds },
  ];
}

function figuresOf({ points, lost, slowestMs }: SteppedRun, { scalingSeconds }: Options): Figures {
  const beginMs = firstSeconds * 1000;
  const endMs = beginMs + scalingSeconds * 1000;
  const step = points.filter(({ atMs }) => atMs >= beginMs && atMs < endMs);
  const constant = step.filter(({ atMs }) => atMs >= (beginMs + endMs) / 2);
  const changes = constant.slice(1).map(({ workers }, index) => {
    const { workers: before = workers } = constant[index] ?? {};
    return Math.abs(workers - before);
  });
  return {
    queueMs: emptiedAfter(step, endMs) - beginMs,
    slowestMs,
    mostWorkers: Math.max(...points.map(({ workers }) => workers)),
    changes: changes.reduce((sum, change) => sum + change, 0),
    lost: lost.length,
  };
}

/** Clients that ask at the same moment stand in the queue for an instant even where there is a worker for each. */
const calm = { withinMs: 500, share: 0.6 } as const;

/** When the queue was empty for the most part of half a second for the first time. */
function emptiedAfter(step: readonly Point[], endMs: number): number {
  const spans = step.map(({ atMs, queued }, index) => ({
    atMs,
    untilMs: step[index + 1]?.atMs ?? endMs,
    isEmpty: queued === 0,
  }));
  const isCalmFrom = (beginMs: number): boolean => {
    const emptyMs = spans
      .filter(({ isEmpty }) => isEmpty)
      .map(({ atMs, untilMs }) => Math.min(untilMs, beginMs + calm.withinMs) - Math.max(atMs, beginMs))
      .filter((ms) => ms > 0);
    return emptyMs.reduce((sum, ms) => sum + ms, 0) >= calm.share * calm.withinMs;
  };
  const isOver = (atMs: number): boolean => atMs > (step[0]?.atMs ?? 0);
  // At the first sample of the step nobody may have connected yet.
  return spans.find(({ atMs, isEmpty }) => isOver(atMs) && isEmpty && isCalmFrom(atMs))?.atMs ?? endMs;
}

async function measureOne(
  pool: ScaledPool,
  options: Options,
): Promise<{ run: SteppedRun; figures: Figures }> {
  try {
    const run = await runSteps(pool, stepsOf(options));
    return { run, figures: figuresOf(run, options) };
  } finally {
    await pool.stop();
  }
}

interface Measured {
  readonly figures: readonly Figures[];
  readonly runs: readonly ScalingRun[];
}

async function measureRounds(
  name: string,
  panel: string,
  start: () => Promise<ScaledPool>,
  options: Options,
): Promise<Measured> {
  const measured = [];
  for (let round = 0; round < options.scalingRounds; round += 1)
    measured.push(await measureOne(await start(), options));
  // One round is as good as another for a picture.
  const runs = measured.slice(-1).map(({ run: { points } }) => ({ name, panel, points }));
  return { figures: measured.map(({ figures }) => figures), runs };
}

const quantities: readonly {
  readonly what: string;
  readonly unit: string;
  readonly key: keyof Figures;
  readonly budgets: readonly Budget[];
}[] = [
  { what: 'nobody waits after', unit: 'ms', key: 'queueMs', budgets: [{ against: 'php-fpm', limit: 1 }] },
  { what: 'slowest answer', unit: 'ms', key: 'slowestMs', budgets: [] },
  { what: 'most workers', unit: '', key: 'mostWorkers', budgets: [] },
  {
    what: 'workers that come and go under constant load',
    unit: '',
    key: 'changes',
    budgets: [{ against: 'absolute', limit: 0 }],
  },
  { what: 'requests lost', unit: '', key: 'lost', budgets: [{ against: 'absolute', limit: 0 }] },
];

function rowsOf(title: string, ours: Measured, peer: Measured | undefined, isJudged: boolean): Row[] {
  const sample = ({ figures }: Measured, key: keyof Figures): Sample =>
    summarize(figures.map((figure) => figure[key]));
  return quantities.map(({ what, unit, key, budgets }) => ({
    what: `${title}: ${what}`,
    unit,
    cells: { ours: sample(ours, key), ...(peer && { 'php-fpm': sample(peer, key) }) },
    budgets: budgets.filter(({ against }) => against === 'absolute' || (peer !== undefined && isJudged)),
    ...(key === 'queueMs' && { runs: [...ours.runs, ...(peer?.runs ?? [])] }),
  }));
}

async function measureBeside(place: Workplace, options: Options, requestMs: number): Promise<Row[]> {
  const panel = `requests of ${requestMs} ms`;
  const measure = (name: ScaledName): Promise<Measured> =>
    measureRounds(name, panel, () => startScaled(name, place, requestMs), options);
  const ours = await measure('ours');
  const isThere = place.peers['php-fpm'] !== undefined;
  const dynamic = isThere ? await measure('pm=dynamic') : undefined;
  const onDemand = isThere ? await measure('pm=ondemand') : undefined;
  const title = `16 clients, ${requestMs} ms`;
  return [
    ...rowsOf(`${title}, pm=dynamic`, ours, dynamic, true),
    // That one listens itself, and starts a worker for each connection.
    ...rowsOf(`${title}, pm=ondemand`, { ...ours, runs: [] }, onDemand, false),
  ];
}

async function measureSlow(place: Workplace, options: Options): Promise<Row[]> {
  const panel = 'workers that take 3 s to start, requests of 100 ms';
  // Long enough for what is constant to be.
  const longer = { ...options, scalingRounds: 1, scalingSeconds: 30 };
  const plain = await measureRounds('ours', panel, () => startSlowScaled(place, 100, []), longer);
  const spared = await measureRounds(
    'ours, --spare 4',
    panel,
    () => startSlowScaled(place, 100, ['--spare', '4']),
    longer,
  );
  return [
    ...rowsOf('16 clients, 3 s to start', plain, undefined, false),
    ...rowsOf('16 clients, 3 s to start, --spare 4', spared, undefined, false),
  ];
}

export async function measureScaling(place: Workplace, options: Options): Promise<Row[]> {
  const rows: Row[] = [];
  for (const requestMs of options.scalingRequestsMs)
    rows.push(...(await measureBeside(place, options, requestMs)));
  return [...rows, ...(await measureSlow(place, options))];
}
