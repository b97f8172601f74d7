// What a start takes from the pool that it goes on with, another supervisor's or one's that was killed, before anything is
// made by its configuration.
import { firstWorkers } from '../core/scaling/first-workers.ts';
import { scalingName } from '../features/guards/worker-scaling.ts';
import type { PreparedPool } from '../start/prepared-pool.ts';

/** A pool that goes on where another one was begins with as many workers, as far as its own bounds allow. */
export function goOnWith(prepared: PreparedPool): PreparedPool {
  const { config, giver, orphans, memories } = prepared;
  const gift = giver?.connection.gifts.find(({ feature }) => feature === scalingName)?.data;
  const memory = orphans.length > 0 ? memories?.[scalingName] : undefined;
  return { ...prepared, config: { ...config, workers: firstWorkers(config.range, gift ?? memory) } };
}
