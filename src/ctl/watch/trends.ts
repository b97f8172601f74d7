// How watched pools do, from the looks of the last minute: what counters have gained, where the queue goes, what workers did.
// Pure; times are of a clock that nobody sets.
import type { MeasuredPool } from '../status/status-table.ts';

/** So far back a trend goes. */
const windowMs = 60_000;

export type Direction = 'rising' | 'falling' | 'steady';

export interface Trend {
  /** From the oldest look to the newest one. */
  readonly spanMs: number;
  /** Workers that ended unasked or could not be started, by reason; undefined: its supervisor does not count. */
  readonly restarts: Readonly<Record<string, number>> | undefined;
  /** By slot, those that had any. */
  readonly restartsOfSlots: ReadonlyMap<number, number>;
  /** The most connections that were seen to wait, and where it goes; undefined: the kernel does not tell. */
  readonly queue: { readonly most: number; readonly direction: Direction | undefined } | undefined;
  /** All workers, since the look before; undefined: nobody could be measured. */
  readonly cpuPercent: number | undefined;
  readonly rssBytes: number | undefined;
  readonly rssChange: number | undefined;
  /** What workers that were up did, on average, in hundredths; undefined: none was up. */
  readonly share: { readonly busy: number; readonly kept: number; readonly idle: number } | undefined;
}

interface Sample {
  readonly atMs: number;
  readonly restarts: Readonly<Record<string, number>> | undefined;
  readonly slots: ReadonlyMap<number, number>;
  readonly queue: number | undefined;
  readonly rssBytes: number | undefined;
  readonly idle: number;
  readonly kept: number;
  readonly up: number;
}

export class Trends {
  #histories: ReadonlyMap<string, readonly Sample[]> = new Map();

  /** Takes a look down. A pool that was not in the one before begins anew, and has no trend yet. */
  look(pools: readonly MeasuredPool[], nowMs: number): ReadonlyMap<MeasuredPool, Trend> {
    const histories = new Map<string, readonly Sample[]>();
    const trends = new Map<MeasuredPool, Trend>();
    for (const pool of pools) {
      const sample = sampleOf(pool, nowMs);
      const before = this.#histories.get(keyOf(pool)) ?? [];
      const history = recent([...(isGoingOn(before.at(-1), sample) ? before : []), sample], nowMs);
      histories.set(keyOf(pool), history);
      const trend = trendOf(history, pool);
      if (trend) trends.set(pool, trend);
    }
    this.#histories = histories;
    return trends;
  }
}

/** Another supervisor counts from 0. */
function keyOf({ name, address, pid }: MeasuredPool): string {
  return [name, address, pid].join('\0');
}

function sampleOf(pool: MeasuredPool, atMs: number): Sample {
  const { counts, workers, queue, idle, busy, kept = 0 } = pool;
  return {
    atMs,
    restarts: counts?.restarts,
    slots: new Map(workers.map(({ slot, restarts }) => [slot, restarts])),
    queue: queue?.length,
    rssBytes: sum(workers.map(({ rssBytes }) => rssBytes)),
    idle,
    kept,
    up: idle + busy,
  };
}

/** What counts never falls. */
function isGoingOn(before: Sample | undefined, { restarts = {} }: Sample): boolean {
  const counted = Object.entries(before?.restarts ?? {});
  return counted.every(([reason, count]) => (restarts[reason] ?? 0) >= count);
}

/** From the newest look that is as old as the window. */
function recent(history: readonly Sample[], nowMs: number): readonly Sample[] {
  const next = history.findIndex(({ atMs }) => atMs > nowMs - windowMs);
  return history.slice(Math.max(0, Math.min(next - 1, history.length - 2)));
}

function trendOf(history: readonly Sample[], pool: MeasuredPool): Trend | undefined {
  const [first] = history;
  const last = history.at(-1);
  if (!first || !last || first === last) return undefined;
  const gained = [...last.slots].map(
    ([slot, count]) => [slot, count - (first.slots.get(slot) ?? 0)] as const,
  );
  return {
    spanMs: last.atMs - first.atMs,
    restarts: last.restarts && gainsOf(last.restarts, first.restarts ?? {}),
    restartsOfSlots: new Map(gained.filter(([, count]) => count > 0)),
    queue: queueOf(history.flatMap(({ queue }) => queue ?? [])),
    cpuPercent: sum(pool.workers.map(({ cpuPercent }) => cpuPercent)),
    rssBytes: last.rssBytes,
    rssChange: difference(last.rssBytes, first.rssBytes),
    share: shareOf(history),
  };
}

function gainsOf(
  now: Readonly<Record<string, number>>,
  then: Readonly<Record<string, number>>,
): Record<string, number> {
  const gains = Object.entries(now).map(([reason, count]) => [reason, count - (then[reason] ?? 0)] as const);
  return Object.fromEntries(gains.filter(([, count]) => count > 0));
}

/** The newer half against the older one; one connection more or less is chance. */
function queueOf(lengths: readonly number[]): Trend['queue'] {
  if (lengths.length === 0) return undefined;
  const most = Math.max(...lengths);
  if (lengths.length < 4) return { most, direction: undefined };
  const middle = Math.floor(lengths.length / 2);
  const change = mean(lengths.slice(middle)) - mean(lengths.slice(0, middle));
  const isSlight = Math.abs(change) < Math.max(1, most / 10);
  return { most, direction: isSlight ? 'steady' : change > 0 ? 'rising' : 'falling' };
}

function shareOf(history: readonly Sample[]): Trend['share'] {
  const up = mean(history.map((sample) => sample.up));
  if (up === 0) return undefined;
  const percent = (of: (sample: Sample) => number): number => Math.round((mean(history.map(of)) / up) * 100);
  const [kept, idle] = [percent((sample) => sample.kept), percent((sample) => sample.idle)];
  return { busy: Math.max(0, 100 - kept - idle), kept, idle };
}

function mean(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / Math.max(1, values.length);
}

/** Of those that are known. */
function sum(values: readonly (number | null)[]): number | undefined {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? undefined : known.reduce((total, value) => total + value, 0);
}

function difference(now: number | undefined, then: number | undefined): number | undefined {
  return now === undefined || then === undefined ? undefined : now - then;
}
