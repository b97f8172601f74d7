// The supervisor's own memory: given back when its pool has come to rest, after the start more thoroughly.
import type { Feature } from '../features/feature.ts';
import { systemClock } from '../sys/process/clock.ts';
import type { ProcFs } from '../sys/proc/proc-fs.ts';
import { releaseMemory } from '../sys/process/process-self.ts';
import { TidyUp } from './tidy-up.ts';

/** Lets the command return before the collection takes the processor. */
const releaseMemoryAfterMs = 300;

/** Gives memory back once the pool is at rest. */
export function tidying(proc: ProcFs | undefined): Feature {
  let isAfterStart = true;
  const tidyUp = new TidyUp(systemClock, () => {
    const collections = isAfterStart ? 2 : 1;
    isAfterStart = false;
    return releaseMemory(proc, collections);
  });
  return {
    happened: () => tidyUp.soon(),
    serving: () => tidyUp.soon(releaseMemoryAfterMs),
    stopping: () => tidyUp.end(),
  };
}
