// -n with 1.6's options only: the process becomes the program.
import { execInPlace } from '../sys/process/exec-in-place.ts';
import { check, libc } from '../sys/libc/libc.ts';
import {
  commandLineOf,
  executedPath,
  withVariables,
  workerEnvironment,
} from '../sys/process/spawn-worker.ts';
import { WorkerVariables } from '../features/worker-variables.ts';
import { refuseExec } from '../start/steps/check-program.ts';
import type { InPlaceStart } from '../start/prepared-pool.ts';
import { printHint } from '../start/report/print.ts';

/** Puts the socket on descriptor 0 and executes the program; throws 1.6's refusal when that fails. */
export function runInPlace({ config, caller, socket, laterHints }: InPlaceStart): never {
  laterHints.forEach(printHint);
  check('dup2', () => libc.dup2(socket.descriptor, 0));
  const command = commandLineOf(config.program, caller);
  const own = new WorkerVariables(config.variables);
  const environment = withVariables(workerEnvironment(caller.environment, config.phpChildren), {
    ...own.variables,
    ...own.variablesOf({ slot: 0 }),
  });
  throw refuseExec(config, executedPath(config.program), execInPlace(command, environment, caller.fileLimit));
}
