// What workers get from features whether or not anybody looks after them: also with --no-supervise and -n in place.
import type { Config } from '../core/config.ts';
import type { Feature } from '../features/feature.ts';
import { WorkerVariables } from '../features/worker-variables.ts';

export function workerFeatures(config: Config): Feature[] {
  return [new WorkerVariables(config.variables)];
}
