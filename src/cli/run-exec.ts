// -n with 1.6's options only: the process becomes the program.
import { isAbsolute, join } from 'node:path';
import type { Config } from '../core/config.ts';
import { SpawnFcgiError } from '../core/errors.ts';
import type { Caller } from '../sys/caller.ts';
import { execInPlace } from '../sys/exec-in-place.ts';
import { asUser, type Identity } from '../sys/identity.ts';
import { check, libc } from '../sys/libc.ts';
import { findChdirError, findExecError } from '../sys/program-check.ts';
import { commandLineOf, executedPath, workerEnvironment } from '../sys/spawn-worker.ts';
import type { PreparedPool } from './prepared-pool.ts';
import { printHint } from './print.ts';
import { explainExec } from './start-failure.ts';

/** Puts the socket on descriptor 0 and executes the program; throws 1.6's refusal when that fails. */
export function runInPlace(config: Config, caller: Caller, prepared: PreparedPool): never {
  prepared.laterHints.forEach(printHint);
  check('dup2', () => libc.dup2(prepared.socket.descriptor, 0));
  const command = commandLineOf(config.program, caller);
  const environment = workerEnvironment(caller.environment, config.phpChildren);
  throw refuse(config, executedPath(config.program), execInPlace(command, environment, caller.fileLimit));
}

/**
 * Looks at directory and program as the user who will run it, while what was made
 * can still be undone: once privileges are dropped the socket file could not be removed.
 */
export function checkProgram(config: Config, identity: Identity): void {
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
    if (errno !== undefined) throw refuse(config, file, errno);
  });
}

function refuse(config: Config, file: string, errno: number): SpawnFcgiError {
  return new SpawnFcgiError(`exec failed: ${libc.strerror(errno)}`, {
    exitCode: errno,
    hints: explainExec(config, file, errno),
  });
}
