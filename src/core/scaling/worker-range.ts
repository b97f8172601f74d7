// How many workers a pool may have: MIN-MAX of --workers and of `spawn-fcgictl scale`.
import { parseWhole } from '../quantity.ts';

/** Both included; the same number twice is a pool that neither grows nor shrinks. */
export interface WorkerRange {
  readonly min: number;
  readonly max: number;
}

/** Of a pool, whatever anybody asks for: slots have numbers of sixteen bits. */
export const maxWorkers = 65_535;

/**
 * `2-8`; undefined when it is none. `processors`, asked only for `2-auto`, says how many there are: fewer than MIN make
 * MIN the MAX, so that a command line is good for every machine.
 */
export function parseRange(text: string, processors?: () => number): WorkerRange | undefined {
  const [, low = '', high = ''] = /^(\d+)-(\d+|auto)$/.exec(text) ?? [];
  const min = parseWhole(low, 1, maxWorkers);
  if (min === undefined) return undefined;
  if (high === 'auto') return processors && { min, max: Math.max(min, processors()) };
  const max = parseWhole(high, min, maxWorkers);
  return max === undefined ? undefined : { min, max };
}

export function describeRange({ min, max }: WorkerRange): string {
  return `${min}-${max}`;
}

export function within(workers: number, { min, max }: WorkerRange): number {
  return Math.min(Math.max(workers, min), max);
}
