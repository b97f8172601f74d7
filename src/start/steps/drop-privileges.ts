// Steps of a start: root is given up in 1.6's order, groups first and the user last, with the chroot and the socket's
// bind in between.
import { resolve } from 'node:path';
import { errnoOf, SpawnFcgiError } from '../../core/errors.ts';
import { enterChroot } from '../../sys/path/enter-chroot.ts';
import { setGroups, setUser } from '../../sys/process/identity.ts';
import { libc } from '../../sys/libc/libc.ts';
import type { Users } from './resolve-users.ts';
import type { Given } from '../start-given.ts';

export function dropGroups({ identity }: Users): void {
  setGroups(identity);
}

export function enterRoot({ config }: Pick<Given, 'config'>): void {
  if (config.chroot !== undefined) enterChroot(config.chroot);
}

export function dropUser({ identity }: Users): void {
  setUser(identity);
}

export interface Entered {
  /** -d as an absolute path, inside the chroot, links unresolved. */
  readonly directory: string | undefined;
}

/** 1.6 does that last, as the user. */
export function changeDirectory({ config: { directory } }: Pick<Given, 'config'>): Entered {
  if (directory === undefined) return { directory };
  try {
    const absolute = resolve(directory);
    process.chdir(directory);
    return { directory: absolute };
  } catch (error) {
    throw new SpawnFcgiError(`chdir('${directory}') failed: ${libc.strerror(errnoOf(error))}`, {
      cause: error,
    });
  }
}
