// Why a TARGET leads to no pool, or to none that the caller may act on, with the exit status of each reason.
import { resolve } from 'node:path';
import { SpawnFcgiError } from '../../core/errors.ts';
import { printable } from '../../core/text/printable.ts';
import { anybody, guideOf, nameForRoot } from '../../sys/path/path-guide.ts';
import { parseTarget } from './parse-target.ts';
import { describeEntry, describeUser, type Pool } from './pools.ts';
import { ctlStatus } from '../statuses.ts';

/**
 * What another user can put at a path, at any moment, must not make root act on a pool that is not that user's: there a
 * path names a pool only if the pool itself says so.
 */
export function refuseMisguidance(text: string, { uid, state, ...pool }: Pool): void {
  if (parseTarget(text)?.kind !== 'path') return;
  const path = resolve(text);
  const guide = guideOf(path);
  if (guide === undefined || guide === uid) return;
  const name = nameForRoot(path);
  const own = [state.pidFile, state.address].filter((one) => one?.startsWith('/') === true);
  if (own.some((one) => nameForRoot(resolve(one ?? '')) === name)) return;
  const whose = guide === anybody ? 'is where others may put what they like' : `is ${describeUser(guide)}'s`;
  throw refusePermission(
    `${printable(text)} ${whose}, and names ${describeEntry({ uid, state, ...pool })}; name that pool by its own PID or address`,
  );
}

export function refuseUsage(message: string): SpawnFcgiError {
  return new SpawnFcgiError(message, { exitCode: ctlStatus.usage });
}

export function refusePermission(message: string): SpawnFcgiError {
  return new SpawnFcgiError(`not permitted: ${message}`, { exitCode: ctlStatus.notPermitted });
}

export function refuseDirectory(path: string, reason: string): SpawnFcgiError {
  return refusePermission(`--state-dir ${printable(path)} cannot be used: ${printable(reason)}`);
}
