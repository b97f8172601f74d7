// In which order pools and their workers are shown. Pure.
import type { MeasuredPool, MeasuredWorker } from '../status/status-table.ts';

/** By the key that chooses it. */
export const orders = { s: 'slot', c: 'CPU', m: 'memory', r: 'restarts' } as const;
export type Order = (typeof orders)[keyof typeof orders];

export function orderOfKey(key: string): Order | undefined {
  return Object.entries(orders).find(([one]) => one === key)?.[1];
}

/** By what there is to sort pools and their workers by, largest first; where that is equal the order stays. */
export function sortPool(
  pool: MeasuredPool,
  order: Order,
  restarts: ReadonlyMap<number, number>,
): MeasuredPool {
  if (order === 'slot') return pool;
  const weight = (worker: MeasuredWorker): number => weightOf(worker, order, restarts);
  return { ...pool, workers: pool.workers.toSorted((one, other) => weight(other) - weight(one)) };
}

export function weightOfPool(
  pool: MeasuredPool,
  order: Order,
  restarts: ReadonlyMap<number, number>,
): number {
  return pool.workers.reduce((total, worker) => total + weightOf(worker, order, restarts), 0);
}

function weightOf(worker: MeasuredWorker, order: Order, restarts: ReadonlyMap<number, number>): number {
  switch (order) {
    case 'slot':
      return 0;
    case 'CPU':
      return worker.cpuPercent ?? 0;
    case 'memory':
      return worker.rssBytes ?? 0;
    case 'restarts':
      // Those of the last minute before those of old.
      return (restarts.get(worker.slot) ?? 0) * 1e9 + worker.restarts;
  }
}
