// -n with nothing that needs a supervisor: the process becomes the program.
import { execInPlace } from '../sys/process/exec-in-place.ts';
import { check, libc } from '../sys/libc/libc.ts';
import { commandLineOf, executedPath, workerEnvironment } from '../sys/process/spawn-worker.ts';
import { FeatureList } from '../features/feature-list.ts';
import { workerFeatures } from './worker-features.ts';
import { refuseExec } from '../start/steps/check-program.ts';
import type { InPlaceStart } from '../start/prepared-pool.ts';
import { printHint } from '../start/report/print.ts';

/** Puts the socket on descriptor 0 and executes the program; throws 1.6's refusal when that fails. */
export function runInPlace({ config, caller, allowed, socket, laterHints }: InPlaceStart): never {
  laterHints.forEach(printHint);
  check('dup2', () => libc.dup2(socket.descriptor, 0));
  const command = commandLineOf(config.program, caller);
  const features = new FeatureList(refuse);
  features.add(...workerFeatures(config));
  const base = workerEnvironment(caller.environment, config.phpChildren);
  const environment = features.environmentOf({ slot: 0, role: 'worker' }, base);
  const errno = execInPlace(command, environment, caller.fileLimit, [], allowed.attributes);
  throw refuseExec(config, executedPath(config.program), errno);
}

function refuse(error: Error): never {
  throw error;
}
