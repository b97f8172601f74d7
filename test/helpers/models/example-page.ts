// A pool on its page in an hour that has everything: a burst, a worker in each state, a release that was rolled back.
import type { PoolFigures, Usage } from '../../../src/control/metrics/pool-figures.ts';
import type { WorkerStatus } from '../../../src/control/protocol.ts';
import type { PageData, PageEvent, PageLook } from '../../../src/features/status-socket/page/data.ts';
import { describeForPage } from '../../../src/features/status-socket/page-data.ts';
import { readableFacts } from '../../../src/features/status-socket/status-formats.ts';
import { exampleFigures, exampleWorker } from './example-pool.ts';

const current = { generation: 42, restarts: 0, lastExit: null, uptimeMs: 8_040_000 } as const;
const states: readonly Partial<WorkerStatus>[] = [
  { activity: 'busy' },
  { activity: 'busy' },
  { activity: 'kept' },
  { activity: 'busy', restarts: 2, lastExit: 'was killed by SIGKILL', uptimeMs: 222_000 },
  { activity: 'busy' },
  { activity: 'idle' },
  { activity: 'busy', requestAgeMs: 14_000 },
  { state: 'backoff', activity: 'unknown', pid: null, uptimeMs: null, nextTryMs: 3000, restarts: 4 },
  { activity: 'idle' },
  { state: 'starting', activity: 'unknown', uptimeMs: 400 },
  { activity: 'busy' },
  { activity: 'idle' },
  { slot: 4, state: 'stopping', activity: 'busy', generation: 41, uptimeMs: 90_000_000 },
];

function workers(): WorkerStatus[] {
  return states.map((state, slot) => {
    const pid = 6400 + slot * 3;
    return exampleWorker({ ...current, slot, pid, pids: [pid], ...state });
  });
}

/** Prometheus alone every 15 s, then a page as well; a burst that fills the queue, and one that does not. */
function looks(): PageLook[] {
  const scraped = Array.from({ length: 16 }, (_, index) => 595_000 - index * 15_000);
  const watched = Array.from({ length: 180 }, (_, index) => 359_000 - index * 2000);
  return [...scraped, ...watched].map((agoMs) => {
    const [great, small] = [pulse(agoMs, 250_000, 55_000), pulse(agoMs, 30_000, 40_000)];
    const load = 0.3 + 0.12 * Math.sin(agoMs / 21_000) + great + small * 0.6;
    const queue = Math.min(96, Math.max(0, Math.round((load - 0.75) * 150)));
    return [agoMs, queue, Math.min(11, Math.round(load * 11)), 11];
  });
}

function pulse(agoMs: number, atMs: number, widthMs: number): number {
  return Math.exp(-(((agoMs - atMs) / widthMs) ** 2));
}

const events: readonly PageEvent[] = [
  [8_040_000, 'notice', 'reload finished (generation 42)'],
  [1_325_000, 'notice', 'reload started: generation 43'],
  [
    1_321_000,
    'err',
    "reload to generation 43 failed, the old workers (generation 42) are in service: the new release exited with status 1; it said: ModuleNotFoundError: No module named 'stripe'",
  ],
  [262_000, 'warning', 'all 12 workers are at work, 88 connections wait, and --workers allows no more'],
  [222_000, 'warning', 'worker 3 (PID 6391) was killed by SIGKILL after 2.1 h; started PID 6409'],
  [221_000, 'info', 'worker 3 started: PID 6409'],
  [41_000, 'warning', 'worker 7 (PID 6388) exited with status 134 after 0.4 s; next attempt in 4.0 s'],
  [
    11_000,
    'warning',
    'worker 6 (PID 6418): a request takes 14.0 s by now, --request-timeout is 30.0 s: in recvfrom',
  ],
  [4000, 'notice', 'scale asked for by uid 0 (PID 7712)'],
].map(([agoMs, severity, text]) => ({ agoMs, severity, text }) as PageEvent);

const words = [
  'Traceback (most recent call last):',
  '  File "/srv/shop/releases/43/app.fcgi", line 9, in <module>',
  '    from shop.payment import gateway',
  '  File "/srv/shop/releases/43/shop/payment.py", line 3, in <module>',
  '    import stripe',
  "ModuleNotFoundError: No module named 'stripe'",
];

function figures(asked: number): PoolFigures {
  const all = workers();
  const usageOf = (index: number, activity: string): Usage => ({
    rssBytes: (61 + (index % 4)) * 2 ** 20,
    cpuMs: activity === 'busy' ? asked * 280 : 0,
  });
  const measured = exampleFigures({
    name: 'shop',
    address: '/run/shop.sock',
    generation: 42,
    uptimeMs: 3_470_000_000,
    wanted: 12,
    idle: 3,
    busy: 7,
    kept: 1,
    backoff: 1,
    queue: { length: 7, backlog: 128 },
    operation: null,
    lastReload: {
      result: 'rolled-back',
      agoMs: 1_321_000,
      message: 'the new release exited with status 1 after 0.3 s',
      words,
    },
    counts: {
      restarts: { planned: 212, crash: 6, 'failed-start': 0 },
      reloads: { reloaded: 41, 'rolled-back': 1 },
    },
    replaced: { 'max-age': 24 },
    scaling: { min: 4, max: 12, processors: null, note: null, last: null },
    spares: {
      wanted: 1,
      isPossible: true,
      workers: [{ pid: 6460, generation: 42, state: 'ready', uptimeMs: 600_000, pids: [6460] }],
    },
    workers: all,
  });
  const usages = all.flatMap(({ pid, activity }, index) =>
    pid === null ? [] : [[pid, usageOf(index, activity)] as const],
  );
  const supervisor = { rssBytes: 19 * 2 ** 20, cpuMs: asked };
  return { ...measured, usage: { supervisor, cpuMs: asked * 1400, workers: new Map(usages) } };
}

/** `page`: the name of the page that shows it; `asked`: how often it has asked, which tells how much they work. */
export function examplePage(page: string, asked: number): PageData {
  const pool = figures(asked);
  const inside = { release: '/srv/shop/releases/42/app.fcgi', events };
  return describeForPage(pool, { page, looks: looks(), figures: readableFacts(pool), inside });
}
