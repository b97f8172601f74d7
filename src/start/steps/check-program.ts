// A step of a start that becomes the program: whether that can be executed, while what was made can still be undone.
import { isAbsolute, join } from 'node:path';
import type { Config } from '../../core/config.ts';
import { SpawnFcgiError } from '../../core/errors.ts';
import { asUser } from '../../sys/process/identity.ts';
import { libc } from '../../sys/libc/libc.ts';
import { findChdirError, findExecError } from '../../sys/proc/program-check.ts';
import { executedPath } from '../../sys/process/spawn-worker.ts';
import type { Users } from './resolve-users.ts';
import type { Given } from '../start-given.ts';
import { explainExec } from '../report/start-failure.ts';

/**
 * Looks at directory and program as the user who will run it, while what was made
 * can still be undone: once privileges are dropped the socket file could not be removed.
 */
export function checkProgram({ config, identity }: Pick<Given, 'config'> & Users): void {
  const path = executedPath(config.program);
  const directory = config.directory ?? '.';
  // As typed where that leads there: a hint depends on whether there is a slash.
  const isTyped = config.directory === undefined || isAbsolute(path) || path === '';
  const file = isTyped ? path : join(directory, path);
  asUser(identity, () => {
    // Without -d the working directory stays as it is, whether the user may search it or not.
    const chdirError = config.directory === undefined ? undefined : findChdirError(directory);
    if (chdirError !== undefined) {
      throw new SpawnFcgiError(`chdir('${directory}') failed: ${libc.strerror(chdirError)}`);
    }
    // What is not UTF-8 is known to execve(2) alone.
    const errno = file.includes('\ufffd') ? undefined : findExecError(file);
    if (errno !== undefined) throw refuseExec(config, file, errno);
  });
}

export function refuseExec(config: Config, file: string, errno: number): SpawnFcgiError {
  return new SpawnFcgiError(`exec failed: ${libc.strerror(errno)}`, {
    exitCode: errno,
    hints: explainExec(config, file, errno),
  });
}
