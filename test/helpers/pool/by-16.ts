// A pool as lighttpd's spawn-fcgi leaves it: workers in sessions of their own, whom nobody supervises.
import { referencePath, startPool, type Pool } from './command-under-test.ts';
import type { Place, StartOptions } from './place.ts';

/** Its workers are the result's `pids`. */
export function startBy16(
  place: Place,
  options: readonly string[] = [],
  actions: readonly string[] = ['serve'],
  { address = ['-s', place.socket], ...how }: StartOptions = {},
): Promise<Pool> {
  const command = ['--', place.app, `report=${place.report}`, ...actions];
  return startPool([...address, ...options, ...command], { cwd: place.dir, command: referencePath, ...how });
}
